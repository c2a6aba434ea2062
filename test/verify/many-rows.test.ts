/** A million entries of the ledger, and then a hundred thousand differences: neither is ever in memory as a whole. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { verify } from '../helpers/verify.ts';

setDefaultTimeout(300_000);

const PARTITIONS = 256;
const LEVELS = 100_000;
/** Of each, an entry that takes a unit; two of three also have one that gives it back. */
const RESERVATIONS = 540_000;
const ENTRIES = LEVELS + RESERVATIONS + (RESERVATIONS * 2) / 3;
/** As objects, these rows would be several times as much. */
const RSS_BYTES_MAX = 100_000_000;

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, PARTITIONS);
  sql = openDatabase(database.spec, 'test');
  // Each in the order of their numbers: levels are counted, then units are taken, then given back.
  await sql.unsafe(`
    create temp table deed as
      select i % ${PARTITIONS} as partition, i / ${PARTITIONS} as level, 'counted' as kind, 1000 as on_hand, 0 as reserved,
             null::uuid as id, i as turn
        from generate_series(0, ${LEVELS} - 1) i
      union all
      select i % ${LEVELS} % ${PARTITIONS}, i % ${LEVELS} / ${PARTITIONS}, kind, 0, units,
             (lpad(to_hex((extract(epoch from now()) * 1000)::bigint + i), 12, '0') || repeat('0', 20))::uuid, turn + i
        from generate_series(0, ${RESERVATIONS} - 1) i
        cross join (values ('held', 1, 1000000), ('cancelled', -1, 2000000)) k (kind, units, turn)
       where kind = 'held' or i % 3 > 0;
    create temp table entry as
      select partition, row_number() over (partition by partition order by turn) as seq, level, kind, on_hand, reserved, id
        from deed;
    insert into holdfast.ledger (partition, seq, level, kind, on_hand_delta, reserved_delta, reservation, at, previous)
      select partition, seq, level, kind::holdfast.ledger_kind, on_hand, reserved, id, now(),
             lag(seq, 1, 0::bigint) over (partition by partition, level order by seq) from entry;
    insert into holdfast.stock_level
      select partition, level, 'SKU-' || partition || '-' || level, 'berlin', 1000, sum(reserved), 0, 0, count(*), now(), max(seq)
        from entry group by 1, 2;
    insert into holdfast.reservation (partition, status, id, home, created_at, expires_at, closed_at, participants, lines)
      select partition, case sum(reserved) when 0 then 'cancelled' else 'held' end::holdfast.reservation_status, id,
             partition, now(), now(), case sum(reserved) when 0 then now() end, '{}', array[0, level, 1]
        from entry where id is not null group by id, partition, level`);
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
    `\n${count(LEVELS)} stock levels, ${count(RESERVATIONS)} reservations (${count(RESERVATIONS / 3)} open), ${count(ENTRIES)} ledger entries, read in `,
  );
  console.log(/read in .*/.exec(stdout)?.[0], `at ${Math.round(rssBytes / 1e6)} MB`);
  expect(rssBytes).toBeLessThan(RSS_BYTES_MAX);
});

test('a hundred thousand differences, each on its line', async () => {
  await sql`update holdfast.stock_level set on_hand = on_hand + 1`;
  const { code, stdout, rssBytes } = await verify(database.home);
  expect(code).toBe(1);
  expect(
    stdout.match(/: onHand is 1001 and reserved \d+, but its ledger adds up to 1000 and \d+\n/g)?.length,
  ).toBe(LEVELS);
  expect(stdout).toEndWith(`\nthe books do not balance: 100,000 differences\n`);
  console.log(`${Math.round(rssBytes / 1e6)} MB`);
  expect(rssBytes).toBeLessThan(RSS_BYTES_MAX);
});
