/** A million entries of the ledger, and then a hundred thousand differences: neither is ever in memory as a whole. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { entriesOf, fillBooks } from '../helpers/many-books.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { verify } from '../helpers/verify.ts';

setDefaultTimeout(300_000);

const SIZE = { partitions: 256, levels: 100_000, reservations: 540_000 };
/** As objects, these rows would be several times as much. */
const RSS_BYTES_MAX = 100_000_000;

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, SIZE.partitions);
  sql = openDatabase(database.spec, 'test');
  await fillBooks(sql, SIZE);
});

afterAll(async () => {
  await sql.end();
  await database.stop();
});

test('a million entries', async () => {
  const { code, stdout, stderr, rssBytes } = await verify(database.home);
  expect([code, stderr]).toEqual([0, '']);
  const count = (number: number): string => number.toLocaleString('en');
  expect(stdout).toContain(
    `\n${count(SIZE.levels)} stock levels, ${count(SIZE.reservations)} reservations (${count(SIZE.reservations / 3)} open), ${count(entriesOf(SIZE))} ledger entries, read in `,
  );
  console.log(/read in .*/.exec(stdout)?.[0], `at ${Math.round(rssBytes / 1e6)} MB`);
  expect(rssBytes).toBeLessThan(RSS_BYTES_MAX);
});

test('a hundred thousand differences, each on its line', async () => {
  await sql`update holdfast.stock_level set on_hand = on_hand + 1`;
  const { code, stdout, rssBytes } = await verify(database.home);
  expect(code).toBe(1);
  expect(
    stdout.match(/: onHand is 1000001 and reserved \d+, but its ledger adds up to 1000000 and \d+\n/g)
      ?.length,
  ).toBe(SIZE.levels);
  expect(stdout).toEndWith(`\nthe books do not balance: 100,000 differences\n`);
  console.log(`${Math.round(rssBytes / 1e6)} MB`);
  expect(rssBytes).toBeLessThan(RSS_BYTES_MAX);
});
