/** A partition that is loaded finds its Idempotency-Keys among all that are kept, without reading through them. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { formatId } from '../../src/reservations/id.ts';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { loadKeys } from '../../src/storage/load-keys.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

const PARTITIONS = 64;
const KEYS = 100_000;
const LOADED = [3, 40];

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, PARTITIONS);
  sql = openDatabase(database.spec, 'test');
  await sql`
    insert into holdfast.idempotency_key (partition, key, key_partition, fingerprint, answer, at)
    select i % ${PARTITIONS}::integer, gen_random_uuid(), i / ${PARTITIONS} % ${PARTITIONS}::integer, gen_random_uuid(), '\\x00',
           now() - case when i % 7 = 0 then interval '2 hours' else '1 minute' end
      from generate_series(1, ${KEYS}::integer) i`;
  await sql`analyze holdfast.idempotency_key`;
}, 30_000);

afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await database?.stop();
}, 30_000);

test('those that it decided and those that it claims, of the time that is remembered, and no other', async () => {
  const keys: string[] = [];
  await loadKeys(sql, LOADED, Date.now() - 3_600_000, ({ words }) => keys.push(formatId(words, 0)));
  const expected = await sql<{ key: string }[]>`
    select key from holdfast.idempotency_key
     where (partition in ${sql(LOADED)} or key_partition in ${sql(LOADED)}) and at > now() - interval '1 hour'`;
  expect(keys.sort()).toEqual(expected.map(({ key }) => key).sort());
  expect(keys.length).toBeGreaterThan(KEYS / PARTITIONS);
});

test('it reads by the primary key, whatever else there is', async () => {
  const scans = async () => {
    await sql`select pg_stat_force_next_flush()`;
    const [counted] = await sql<{ whole: number; byIndex: number }[]>`
      select seq_scan as whole, idx_scan as "byIndex" from pg_stat_user_tables
       where schemaname = 'holdfast' and relname = 'idempotency_key'`;
    return counted;
  };
  const before = await scans();
  await loadKeys(sql, LOADED, 0, () => {});
  const after = await scans();
  expect(after.whole).toBe(before.whole);
  expect(after.byIndex).toBeGreaterThan(before.byIndex);
});
