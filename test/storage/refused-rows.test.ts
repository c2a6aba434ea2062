/** What our own code throws at a row that it is given is its own affair: no one else's reading ends, and the next one is right. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { openReadStore } from '../../src/storage/read-store.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

/** Of MANY, more than come at once. */
const [MANY, ONE, NONE] = [0, 1, 2];
const KEYS = 12_000;
const REFUSAL = new Error(`partition ${MANY} lacks level 0`);

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, 4);
  sql = openDatabase(database.spec, 'test');
  await sql`
    insert into holdfast.idempotency_key (partition, key, key_partition, fingerprint, answer, at)
    select case when i = 0 then ${ONE}::integer else ${MANY}::integer end, gen_random_uuid(), 3, gen_random_uuid(), '\\x00', now()
      from generate_series(0, ${KEYS}::integer) i`;
}, 30_000);

afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await database?.stop();
}, 30_000);

/** Takes so many rows. */
function upTo(most: number) {
  let taken = 0;
  return () => {
    if (taken === most) throw REFUSAL;
    taken++;
  };
}

test.each([
  [ONE, 0],
  [MANY, 0],
  [MANY, 4_999],
  [MANY, 7_000],
  [MANY, KEYS - 1],
])('of partition %d, at row %d', async (partition, row) => {
  const reader = openReadStore(database.spec, 'test reads');
  const load = (onRow: () => void) => reader.load((loads) => loads.keys([partition], 0, onRow));
  const error = await load(upTo(row)).catch((error) => error);
  expect([error, reader.failureKind(error)]).toEqual([REFUSAL, 'unusable']);
  let rows = 0;
  await load(() => rows++);
  expect(rows).toBe(partition === ONE ? 1 : KEYS);
  await reader.close();
});

test('what others read or load goes on', async () => {
  const reader = openReadStore(database.spec, 'test reads');
  let others: Promise<unknown>[] = [];
  await sql.begin(async (transaction) => {
    await transaction`lock table holdfast.reservation in access exclusive mode`;
    others = [
      reader.load((loads) => loads.open([NONE], () => {})),
      reader.findReservation(NONE, '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002'),
    ];
    for (const other of others) other.catch(() => {});
    for (const partition of [ONE, MANY, ONE, MANY])
      expect(await reader.load((loads) => loads.keys([partition], 0, upTo(0))).catch((error) => error)).toBe(
        REFUSAL,
      );
  });
  expect(await Promise.all(others)).toEqual([undefined, undefined]);
  await reader.close();
});
