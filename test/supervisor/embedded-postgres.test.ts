/** The embedded Postgres's log: files of it that are made while commits wait are small, and few. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

const MB = 1024 * 1024;
/** More than Postgres keeps by default, 80 MB. */
const FILES = 120;

// Another Postgres has an operator of its own.
const isEmbedded = process.env.DATABASE_URL === undefined || process.env.DATABASE_URL === '';
let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await startPostgres();
  sql = openDatabase(database.spec, 'test');
}, 30_000);
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await database?.stop();
}, 30_000);

test.if(isEmbedded)(
  'its files are of 1 MB, and are there to be used again after a checkpoint',
  async () => {
    for (let file = 0; file < FILES; file++) {
      await sql`select pg_logical_emit_message(true, 'test', 'something to be written')`;
      await sql`select pg_switch_wal()`;
    }
    await sql`checkpoint`;
    const files = await sql<{ size: number }[]>`select size::integer from pg_ls_waldir()`;
    expect(new Set(files.map(({ size }) => size))).toEqual(new Set([MB]));
    expect(files.length).toBeGreaterThanOrEqual(FILES);
  },
  30_000,
);
