/** Migration 009 on a ledger of rows: what it said is still there, in order, linked, and numbered on. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { ENTRIES_PER_PAGE_MAX } from '../../src/limits.ts';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { foldLedger } from '../../src/storage/prune.ts';
import { readLedger } from '../../src/storage/read-ledger.ts';
import { faultsOf } from '../helpers/books.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

setDefaultTimeout(60_000);

const PARTITIONS = 4;
/** Entries that retention has deleted from the beginning of partition 1. */
const FOLDED = 100;
const HELD = '019a0000-0000-7000-8000-000000000001';
const MIGRATIONS = [
  '001-reservations',
  '002-owners',
  '003-retention',
  '004-references',
  '005-api-keys',
  '006-reheld',
  '007-keys-by-claim',
  '008-room',
];
const ENTRIES = `
  select partition, seq, level, kind::text, on_hand_delta, reserved_delta, reservation, at, reason, reference
    from holdfast.ledger order by partition, seq`;

let database: TestDatabase;
let sql: Sql;
let before: unknown[];

beforeAll(async () => {
  database = await startPostgres();
  sql = openDatabase(database.spec, 'test');
  await sql.unsafe(`
    create schema holdfast;
    create table holdfast.migration (number integer primary key, applied_at timestamptz not null default now());
    create table holdfast.setting (name text primary key, value text not null);
    insert into holdfast.setting values ('partitions', '${PARTITIONS}')`);
  for (const [i, name] of MIGRATIONS.entries()) {
    const migration = await import(`../../src/storage/migrations/${name}.ts`);
    await sql.unsafe(migration.sql);
    await sql`insert into holdfast.migration (number) values (${i + 1})`;
  }
  await sql.unsafe(`
    insert into holdfast.partition (partition) select generate_series(0, ${PARTITIONS - 1});
    -- Several within a millisecond, also of both partitions, and many, one after the other, while the clock was set back.
    create temp table history as
      select partition, seq, (seq * seq / 7) % 5 as level, case when seq % 3 = 0 then 'adjusted' else 'counted' end as kind,
             seq % 11 as on_hand, 0 as reserved, null::uuid as reservation,
             timestamptz '2026-01-05 08:00Z' + interval '1 millisecond' *
               case when partition = 1 and seq between 200 and 35000 then seq - 3600000 else seq / 4 end as at,
             case when seq % 3 = 0 then 'delivery "' || seq || '"' end as reason, case when seq % 6 = 0 then 'slip' end as reference
        from generate_series(1, 2) partition, generate_series(1, case partition when 1 then 36000 else 300 end) seq;
    insert into history values (2, 301, 0, 'held', 0, 3, '${HELD}', timestamptz '2026-01-05 09:00Z', null, null);
    insert into holdfast.ledger (partition, seq, level, kind, on_hand_delta, reserved_delta, reservation, at, reason, reference, previous)
      select partition, seq, level, kind::holdfast.ledger_kind, on_hand, reserved, reservation, at, reason, reference,
             lag(seq, 1, 0::bigint) over (partition by partition, level order by seq) from history;
    insert into holdfast.stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit, version,
                                      last_entry, updated_at)
      select partition, level, 'SKU-' || level % 2, 'at-' || level, sum(on_hand), sum(reserved), 0, 0, count(*), max(seq), max(at)
        from history group by 1, 2;
    insert into holdfast.reservation (partition, status, id, home, created_at, expires_at, participants, lines)
      values (2, 'held', '${HELD}', 2, timestamptz '2026-01-05 09:00Z', now() + interval '1 day', '{}', '{0,0,3}');
    insert into holdfast.ledger_opening
      select partition, level, max(seq), sum(on_hand), 0 from history where partition = 1 and seq <= ${FOLDED} group by 1, 2;
    delete from holdfast.ledger where partition = 1 and seq <= ${FOLDED};
    update holdfast.partition set pruned_seq = ${FOLDED}, pruned_at = '2026-01-05 08:00:00.025Z' where partition = 1;
    -- As somebody may have left it: fewer versions than entries.
    update holdfast.stock_level set version = version - 2 where partition = 2 and level = 3;
    update holdfast.stock_level set version = version + 1 where partition = 1 and level = 3`);
  before = await sql.unsafe(ENTRIES).values();
  await prepareDatabase(database.spec, PARTITIONS);
});

afterAll(async () => {
  await sql?.end();
  await database?.stop();
});

test('every entry says what it said, and the books balance', async () => {
  expect(before).toHaveLength(36_000 - FOLDED + 301);
  expect(await sql.unsafe(ENTRIES).values()).toEqual(before as never);
  expect(await faultsOf(sql)).toEqual([]);
});

test('pages rise, and none is older than its number says', async () => {
  const [{ falling, early }] = await sql`
    select count(*) filter (where page < last) as falling,
           count(*) filter (where extract(epoch from at) * 1000 > page) as early
      from (select *, lag(page) over (partition by partition order by seq) as last from holdfast.ledger) g`;
  expect([falling, early]).toEqual([0, 0]);
  const pages = await sql`select distinct page from holdfast.ledger where partition = 2`;
  expect(pages.length).toBeLessThan(100);
  const [{ most }] = await sql`select max(cardinality(seqs)) as most from holdfast.ledger_page`;
  expect(most).toBeLessThan(10);
});

test('a SKU’s history is read page by page, back to where it begins', async () => {
  for (const [partition, first] of [
    [1, FOLDED + 1],
    [2, 1],
  ]) {
    for (const sku of ['SKU-0', 'SKU-1']) {
      const expected = await sql`
        select seq from holdfast.ledger join holdfast.stock_level using (partition, level)
         where partition = ${partition} and sku = ${sku} order by seq desc`;
      const found: number[] = [];
      for (let from: number[] | undefined, more = true; more; ) {
        const limit = from === undefined ? 7 : ENTRIES_PER_PAGE_MAX;
        const page: Awaited<ReturnType<typeof readLedger>> = await readLedger(sql, {
          partition,
          sku,
          from,
          limit,
        });
        found.push(...page!.entries.map(({ seq }) => seq));
        from = page!.next;
        more = from !== undefined;
      }
      expect(found).toEqual(expected.map(({ seq }) => seq));
      expect(found.at(-1)).toBeGreaterThanOrEqual(first);
    }
  }
});

test('what is old is deleted from it as ever', async () => {
  const fold = async (until: string): Promise<number> => {
    let folded = 0;
    for (let after = 0, more = true; more; ) {
      const done = await foldLedger(sql, Date.parse(until), after);
      folded += done.entries;
      ({ last: after, more } = done);
    }
    expect(await faultsOf(sql)).toEqual([]);
    return folded;
  };
  // What came later while the clock was set back waits for what came before.
  const entries = await fold('2026-01-05T08:00:00.040Z');
  expect([entries > 0, entries < 300]).toEqual([true, true]);
  expect(await fold('2026-02-01T00:00:00.000Z')).toBe(before.length - entries);
});
