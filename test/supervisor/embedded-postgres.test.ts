/** The embedded Postgres's log: its files, for which commits wait while one is made, are small, and used again. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

const MB = 1024 * 1024;
const FILES = 120;
/** Files of the log between two checkpoints of a quiet time, and how many of these: then Postgres expects to need no more than that. */
const QUIET_FILES = 4;
const QUIET_CHECKPOINTS = 30;

// Another Postgres has an operator of its own.
const isEmbedded = !process.env.DATABASE_URL;
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

async function fill(files: number): Promise<void> {
  for (let file = 0; file < files; file++) {
    await sql`select pg_logical_emit_message(true, 'test', 'something to be written')`;
    await sql`select pg_switch_wal()`;
  }
}

async function sizes(): Promise<number[]> {
  const files = await sql<{ size: number }[]>`select size::integer from pg_ls_waldir()`;
  return files.map(({ size }) => size);
}

test.if(isEmbedded)(
  'its files are of 1 MB, and are there to be used again, also after a quiet time',
  async () => {
    await fill(FILES);
    for (let i = 0; i < QUIET_CHECKPOINTS; i++) {
      await sql`checkpoint`;
      await fill(QUIET_FILES);
    }
    const files = await sizes();
    expect(new Set(files)).toEqual(new Set([MB]));
    expect(files.length).toBeGreaterThanOrEqual(FILES);
  },
  30_000,
);

test.if(isEmbedded)('as much of it is buffered as with larger files', async () => {
  expect(await sql`select current_setting('wal_buffers') as buffers`).toEqual([{ buffers: '8MB' }] as never);
});
