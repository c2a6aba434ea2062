/** Invariant I2: a commit is on disk when it is answered, also in a database that is set up otherwise. */
import { expect, test } from 'bun:test';
import { openDatabase } from '../../src/storage/database.ts';
import { startPostgres } from '../helpers/postgres.ts';

test('synchronous_commit is on, whatever the database says', async () => {
  const database = await startPostgres();
  try {
    const admin = openDatabase(database.spec, 'test');
    const [{ name }] = await admin`select quote_ident(current_database()) as name`;
    await admin.unsafe(`alter database ${name} set synchronous_commit = off`);
    await admin.end();
    const sql = openDatabase(database.spec, 'test');
    const [{ setting, source }] = await sql`
      select setting, source from pg_settings where name = 'synchronous_commit'`;
    await sql.end();
    expect([setting, source]).toEqual(['on', 'client']);
  } finally {
    await database.stop();
  }
}, 60_000);
