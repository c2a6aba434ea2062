/** Reading ledgers in a real Postgres: the same as a plain query finds, and what it reads for that. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { ENTRIES_PER_PAGE_MAX, LEVELS_PER_SKU_MAX } from '../../src/limits.ts';
import type { LedgerEntry } from '../../src/reservations/types.ts';
import { openDatabase, openSearches, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { readLedger } from '../../src/storage/read-ledger.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { readsOf } from '../helpers/scans.ts';

const PARTITION = 2;
const OTHER_SKUS = 50;
/** In a commit. */
const ENTRIES_PER_PAGE = 3;
setDefaultTimeout(60_000);

let database: TestDatabase;
let sql: Sql;
let searches: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, 4);
  sql = openDatabase(database.spec, 'test');
  searches = openSearches(database.spec, 'test searches');
  // The plans are made now and kept, although the tables are empty: the worst that a session can have.
  await page({ sku: 'A', limit: 10 });
});

afterAll(async () => {
  await Promise.all([sql?.end({ timeout: 1 }), searches?.end({ timeout: 1 })]);
  await database?.stop();
});

beforeEach(async () => {
  await sql`truncate holdfast.stock_level, holdfast.ledger_page`;
});

interface Asked {
  sku: string;
  location?: string;
  from?: number[];
  limit: number;
}

function page(asked: Asked) {
  return readsOf(searches, (one) => readLedger(one, { partition: PARTITION, ...asked }));
}

async function pages(asked: Asked): Promise<LedgerEntry[][]> {
  const all: LedgerEntry[][] = [];
  for (let from: number[] | undefined; ; ) {
    const { answer, reads } = await page({ ...asked, from });
    expect(reads.scans).toBe(0);
    all.push(answer!.entries);
    if (answer!.next === undefined) return all;
    from = answer!.next;
  }
}

/** SKU A at so many locations, and others in the same partition. */
async function stock(locations: number): Promise<void> {
  await sql`
    insert into holdfast.stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                      version, updated_at)
    select ${PARTITION}, l, case when l % 2 = 0 and l / 2 < ${locations} then 'A' else 'B' || l % ${OTHER_SKUS} end, 'dc' || l,
           10, 0, 0, 0, 1, now()
      from generate_series(0, 2 * ${locations}::integer + ${OTHER_SKUS}::integer) l`;
}

/** Entries from `first` on, of levels that an expression in `n`, the entry's number, gives; linked as commits link them. */
async function write(first: number, last: number, level: string, ofPage = ENTRIES_PER_PAGE): Promise<void> {
  await sql.unsafe(`
    insert into holdfast.ledger_page (page, epoch, source, at, partitions, seqs, levels, previous, kinds, on_hand_deltas,
                                      reserved_deltas, reservations)
    select page, 1, 0, to_timestamp(1800000000 + page), array_agg(${PARTITION}), array_agg(n), array_agg(level), array_agg(previous),
           array_agg(kind), array_agg(n % 3), array_agg(n % 2), array_agg(case when kind = 'held' then gen_random_uuid() end)
      from (select *, case when n % 5 = 0 then 'counted' else 'held' end::holdfast.ledger_kind as kind,
                   coalesce(lag(page) over (partition by level order by n),
                            (select last_page from holdfast.stock_level s
                              where s.partition = ${PARTITION} and s.level = e.level)) as previous
              from (select n, ${first} + (n - ${first}) / ${ofPage} as page, (${level})::integer as level
                      from generate_series(${first}, ${last}) n) e) e
     group by page`);
  await sql`
    update holdfast.stock_level s set last_page = l.last
      from (select level, max(page) as last from holdfast.ledger where partition = ${PARTITION} group by 1) l
     where s.partition = ${PARTITION} and s.level = l.level`;
}

async function expected(sku: string, location?: string): Promise<number[]> {
  const rows = await sql<{ seq: number }[]>`
    select l.seq from holdfast.ledger l join holdfast.stock_level s using (partition, level)
     where s.sku = ${sku} and (${location ?? null}::text is null or s.location = ${location ?? null})
     order by l.seq desc`;
  return rows.map(({ seq }) => seq);
}

const RANDOM_LEVEL = '30 * random()';
/** Nine of ten entries are of level 2. */
const UNEVEN_LEVEL = 'case when random() < 0.9 then 2 else 30 * random() end';
/** First all of one level, then all of another, and so on. */
const LEVELS_IN_TURN = 'n / 200 % 30';

test.each([
  ['random', RANDOM_LEVEL],
  ['uneven', UNEVEN_LEVEL],
  ['in turn', LEVELS_IN_TURN],
])('every page of levels that change %s', async (_name, level) => {
  await stock(10);
  await write(1, 1500, level);
  for (const asked of [{ sku: 'A' }, { sku: 'A', location: 'dc2' }, { sku: 'B3' }]) {
    const all = await expected(asked.sku, asked.location);
    for (const limit of [3, 100, ENTRIES_PER_PAGE_MAX]) {
      const found = await pages({ ...asked, limit });
      expect(found.flat().map(({ seq }) => seq)).toEqual(all);
      expect(found.slice(0, -1).every((entries) => entries.length === limit)).toBe(true);
      expect(found.at(-1)!.length > 0 || all.length === 0).toBe(true);
    }
  }
});

test('an entry has what was written', async () => {
  await stock(2);
  await write(1, 1, '2');
  await sql`
    insert into holdfast.ledger_page (page, epoch, source, partitions, seqs, levels, kinds, on_hand_deltas, reasons, reference_texts, at)
    values (2, 1, 0, ${`{${PARTITION}}`}, '{2}', '{0}', '{adjusted}', '{-3}', '{damaged}', '{slip 7}', to_timestamp(1800000000.5))`;
  await sql`update holdfast.stock_level set last_page = 2 where level = 0`;
  const [[adjusted, held]] = await pages({ sku: 'A', limit: 10 });
  expect(adjusted).toEqual({
    seq: 2,
    location: 'dc0',
    kind: 'adjusted',
    onHandDelta: -3,
    reservedDelta: 0,
    reservation: undefined,
    reason: 'damaged',
    reference: 'slip 7',
    at: 1_800_000_000_500,
  });
  expect(held).toMatchObject({ seq: 1, location: 'dc2', kind: 'held', onHandDelta: 1, reservedDelta: 1 });
  expect(held.reservation).toMatch(/^[0-9a-f-]{36}$/);
});

test('of a SKU that was never stocked there is nothing, of a location only nothing to show', async () => {
  await stock(2);
  await write(1, 10, '0');
  expect((await page({ sku: 'unheard of', limit: 10 })).answer).toBeUndefined();
  expect((await page({ sku: 'A', location: 'nowhere', limit: 10 })).answer).toEqual({ entries: [] });
});

test('what comes while pages are read is not on the later ones, nor is a new location', async () => {
  await stock(10);
  await write(1, 1000, RANDOM_LEVEL);
  const before = await expected('A');
  let { answer } = await page({ sku: 'A', limit: 7 });
  const found = [...answer!.entries];
  for (let last = 1000; answer!.next !== undefined; last += 30) {
    const level = 1000 + last;
    await sql`
      insert into holdfast.stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                        version, updated_at)
      values (${PARTITION}, ${level}, 'A', ${`new ${level}`}, 0, 0, 0, 0, 1, now())`;
    await write(last + 1, last + 30, `case when n % 7 = 0 then ${level} else ${RANDOM_LEVEL} end`);
    answer = (await page({ sku: 'A', limit: 7, from: answer!.next })).answer;
    found.push(...answer!.entries);
  }
  expect(found.map(({ seq }) => seq)).toEqual(before);
});

test('a history ends where retention has deleted what was before', async () => {
  await stock(10);
  await write(1, 2000, RANDOM_LEVEL);
  const { answer } = await page({ sku: 'A', limit: 5 });
  await sql`delete from holdfast.ledger_page where page <= ${1500 / ENTRIES_PER_PAGE}`;
  const kept = await expected('A');
  expect(kept.length).toBeGreaterThan(50);
  expect((await pages({ sku: 'A', limit: 50 })).flat().map(({ seq }) => seq)).toEqual(kept);
  // Also for a page that began before, and where nothing at all is left.
  const rest = (await page({ sku: 'A', limit: 1000, from: answer!.next })).answer!;
  expect([...answer!.entries, ...rest.entries].map(({ seq }) => seq)).toEqual(kept);
  await sql`delete from holdfast.ledger_page`;
  expect((await page({ sku: 'A', limit: 5, from: answer!.next })).answer).toEqual({ entries: [] });
});

test('a place that is not of the SKU leads nowhere', async () => {
  await stock(3);
  await write(1, 100, 'n % 6');
  const pageOf = (seq: number): number => Math.ceil(seq / ENTRIES_PER_PAGE);
  const { answer } = await page({ sku: 'A', limit: 10, from: [101, ...[97, 98, 100].map(pageOf)] });
  expect(answer!.entries.map(({ location }) => location)).not.toContain('dc1');
  expect(answer!.entries.map(({ seq }) => seq)).toEqual([100, 98, 94, 92, 88, 86, 82, 80, 76, 74]);
});

test('a SKU whose levels are counted together, a thousand in a commit, is read in time', async () => {
  await stock(LEVELS_PER_SKU_MAX);
  const levels = 2 * LEVELS_PER_SKU_MAX;
  await write(1, 4 * levels, `(n - 1) % ${levels}`, 1000);
  const all = await expected('A');
  for (const limit of [1, ENTRIES_PER_PAGE_MAX]) {
    const { answer } = await page({ sku: 'A', limit });
    expect(answer!.entries.map(({ seq }) => seq)).toEqual(all.slice(0, limit));
  }
});

test('a page reads about what it shows, by index, however many levels there are and however far back', async () => {
  await stock(LEVELS_PER_SKU_MAX);
  const levels = 2 * LEVELS_PER_SKU_MAX;
  await write(1, 100_000, `case when n % 10 > 0 then ${levels} * random() else 4 end`);
  /** By the series in read-ledger.ts. */
  const bound = (limit: number): number => {
    let sum = 2 * LEVELS_PER_SKU_MAX;
    for (let n = 1; n <= limit + 1; n++) sum += Math.ceil((limit + 1) / n);
    return sum;
  };
  const all = await expected('A');
  expect(all.length).toBeGreaterThan(50_000);
  for (const limit of [1, 100, ENTRIES_PER_PAGE_MAX]) {
    let from: number[] | undefined;
    for (let number = 0; number < 20; number++) {
      const { answer, reads } = await page({ sku: 'A', limit, from });
      expect(answer!.entries.map(({ seq }) => seq)).toEqual(all.slice(number * limit, (number + 1) * limit));
      expect(reads.scans).toBe(0);
      expect(reads.fetched).toBeLessThan(bound(limit));
      from = answer!.next;
    }
  }
});
