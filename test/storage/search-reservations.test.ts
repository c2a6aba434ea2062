/** Finding reservations in a real Postgres: the same as a plain query finds, and what it reads for that. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { ALLOCATIONS_PER_PAGE_MAX, LEVELS_PER_SKU_MAX, SEARCH_STATEMENT_MS } from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import { type Reservation, STATUSES, type Status } from '../../src/reservations/types.ts';
import { openDatabase, openLane, openSearches, type Sql } from '../../src/storage/database.ts';
import { type FoundReservation, findReservation } from '../../src/storage/find-reservation.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { type ReservationSearch, searchReservations } from '../../src/storage/search-reservations.ts';
import { openSearchStore } from '../../src/storage/search-store.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { readsOf } from '../helpers/scans.ts';
import { seeded } from '../helpers/shop.ts';

const PARTITIONS = 8;
const SKUS_PER_PARTITION = 5;
/** After so many times Postgres may keep a plan for all parameters (manual, PREPARE). */
const GENERIC_AFTER = 10;
setDefaultTimeout(60_000);

let database: TestDatabase;
let sql: Sql;
let searches: Sql;
const ids = new ReservationIds();

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, PARTITIONS);
  sql = openDatabase(database.spec, 'test');
  searches = openSearches(database.spec, 'test searches');
  // The plans are made now and kept, although the tables are empty: the worst that a session can have.
  await sql`truncate holdfast.reservation, holdfast.stock_level`;
  for (const filters of COMBINATIONS) await search(filters, 20);
  for (let i = 0; i < GENERIC_AFTER; i++) await findReservation(sql, 0, ids.next(0, 0));
});

afterAll(async () => {
  await Promise.all([sql?.end({ timeout: 1 }), searches?.end({ timeout: 1 })]);
  await database?.stop();
});

beforeEach(async () => {
  await sql`truncate holdfast.reservation, holdfast.stock_level`;
  await sql`
    insert into holdfast.stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                      version, updated_at)
    select p, l, 'sku ' || p || '-' || l / 2, 'dc' || l % 2, 10, 0, 0, 0, 1, now()
      from generate_series(0, ${PARTITIONS}::integer - 1) p, generate_series(0, 2 * ${SKUS_PER_PARTITION}::integer - 1) l`;
});

type Filters = Pick<ReservationSearch, 'reference' | 'status' | 'sku'>;
const skuOf = (partition: number, number: number) => ({ sku: `sku ${partition}-${number}`, partition });
const COMBINATIONS: Filters[] = [undefined, 'held', 'confirmed', 'expired'].flatMap((status) =>
  [undefined, 'order 1', 'order 7'].flatMap((reference) =>
    [undefined, skuOf(3, 1), skuOf(7, 4)].map((sku) => ({ status: status as Status, reference, sku })),
  ),
);
const named = (filters: Filters): string => JSON.stringify(filters);

function search(filters: Filters, limit: number, below?: string) {
  return readsOf(searches, (one) =>
    searchReservations(one, { partitions: PARTITIONS, ...filters, limit, below }),
  );
}

/** Every page, and what they have read. */
async function pages(filters: Filters, limit: number): Promise<{ pages: Reservation[][]; scans: number }> {
  const all: Reservation[][] = [];
  let scans = 0;
  for (let below: string | undefined; ; ) {
    const { answer, reads } = await search(filters, limit, below);
    all.push(answer.reservations);
    scans += reads.scans;
    if (answer.next === undefined) return { pages: all, scans };
    below = answer.next;
  }
}

/** The same as a plain query says, which reads whatever it likes. */
async function expected({ reference, status, sku }: Filters): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select h.id from holdfast.reservation h
     where h.home = h.partition and h.status not in ('never', 'reheld')
       and (${status ?? null}::text is null or h.status::text = ${status ?? null})
       and (${reference ?? null}::text is null or h.reference = ${reference ?? null})
       and (${sku?.sku ?? null}::text is null or h.id in (
         select r.id from holdfast.reservation r, generate_series(1, cardinality(r.lines), 3) i, holdfast.stock_level s
          where s.partition = r.partition and s.level = r.lines[i + 1] and s.sku = ${sku?.sku ?? null}))
     order by h.id desc`;
  return rows.map(({ id }) => id);
}

interface Row {
  partition: number;
  status: Status | 'never' | 'reheld';
  id: string;
  home: number;
  reference: string | null;
  participants: number[];
  lines: number[];
}

async function insert(rows: Row[]): Promise<void> {
  const whole = rows.map((row) => ({ ...row, created_at: 'now', expires_at: 'now' }));
  await sql`
    insert into holdfast.reservation
    select * from json_populate_recordset(null::holdfast.reservation, ${JSON.stringify(whole)}::text::json)`;
}

/** Reservations of one to three partitions, with everything that a crash may leave behind among them. */
function manyReservations(count: number, seed: number): Row[] {
  const random = seeded(seed);
  const any = (n: number): number => Math.floor(random() * n);
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const parts = [...new Set(Array.from({ length: 1 + any(3) }, () => any(PARTITIONS)))];
    const [home, ...participants] = parts;
    const id = ids.next(1_800_000_000_000 + any(2000), home);
    const status = any(12) === 0 ? (['never', 'reheld'] as const)[any(2)] : STATUSES[any(4)];
    const reference = any(3) === 0 ? null : `order ${any(12)}`;
    const lines = (line: number) => [line, any(2 * SKUS_PER_PARTITION), 1 + any(9)];
    // Of a reservation that its home has never had, only what participants hold is there.
    if (any(10) > 0)
      rows.push({ partition: home, status, id, home, reference, participants, lines: lines(0) });
    participants.forEach((partition, line) => {
      const late = status === 'confirmed' && any(5) === 0;
      const told = status === 'reheld' ? 'confirmed' : late ? 'expired' : status;
      const heard = any(5) > 0 ? told : 'held';
      rows.push({
        partition,
        status: heard,
        id,
        home,
        reference: null,
        participants: [],
        lines: lines(line + 1),
      });
    });
  }
  return rows;
}

describe('finds', () => {
  test.each([1, 2, 3])(
    'what a plain query finds, for all filters and sizes of page (seed %d)',
    async (seed) => {
      await insert(manyReservations(1500, seed));
      for (const filters of COMBINATIONS) {
        const all = await expected(filters);
        for (const limit of all.length > 300 ? [100] : all.length > 50 ? [100, 7] : [7, 1]) {
          const found = await pages(filters, limit);
          expect([named(filters), found.pages.flat().map(({ id }) => id)]).toEqual([named(filters), all]);
          const sizes = found.pages.map((page) => page.length);
          expect(sizes.slice(0, -1).every((size) => size === limit)).toBe(true);
          expect(sizes.at(-1)! > 0 || all.length === 0).toBe(true);
          expect(found.scans).toBe(0);
        }
      }
    },
  );

  test('each as it is read by its id, allocations and all', async () => {
    await insert(manyReservations(300, 4));
    const found = (await pages({}, 100)).pages.flat();
    expect(found.length).toBeGreaterThan(150);
    for (const reservation of found) {
      const home = Number.parseInt(reservation.id.slice(-4), 16);
      const read = (await findReservation(sql, home, reservation.id)) as FoundReservation;
      // Those that have not heard are in no order.
      const { unsettled, ...rest } = reservation as FoundReservation;
      expect({ ...rest, unsettled: unsettled?.toSorted() }).toEqual({
        ...read,
        unsettled: read.unsettled?.toSorted(),
      });
    }
    const lines = found.flatMap((reservation) => reservation.lines);
    expect(lines.length).toBeGreaterThan(found.length);
    expect(lines.every(({ allocations }) => allocations.length > 0)).toBe(true);
  });

  test('nothing for a SKU that was never stocked', async () => {
    await insert(manyReservations(50, 5));
    const { answer } = await search({ sku: { sku: 'unheard of', partition: 3 } }, 20);
    expect(answer).toEqual({ reservations: [] });
  });

  test('a quantity or a line number that looks like the level is none', async () => {
    const row = { status: 'held' as const, reference: null, participants: [], home: 3, partition: 3 };
    const right = ids.next(1_800_000_000_000, 3);
    await insert([
      { ...row, id: ids.next(1_800_000_000_001, 3), lines: [2, 8, 3] },
      { ...row, id: right, lines: [0, 8, 1, 1, 3, 9] },
      { ...row, id: ids.next(1_800_000_000_002, 3), lines: [3, 9, 2] },
    ]);
    const { answer } = await search({ sku: skuOf(3, 1) }, 20);
    expect(answer.reservations.map(({ id }) => id)).toEqual([right]);
  });

  test('a page ends where its reservations have more allocations than fit, but has one at least', async () => {
    const levels = LEVELS_PER_SKU_MAX;
    await sql`
      insert into holdfast.stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                        version, updated_at)
      select 0, 100 + l, 'everywhere', 'dc' || l, 10, 0, 0, 0, 1, now() from generate_series(1, ${levels}::integer) l`;
    const long = (lines: number): number[] =>
      Array.from({ length: lines * levels }, (_, i) => [
        Math.floor(i / levels),
        101 + (i % levels),
        1,
      ]).flat();
    const half = ALLOCATIONS_PER_PAGE_MAX / levels / 2;
    const row = { partition: 0, home: 0, status: 'held' as const, reference: null, participants: [] };
    const sizes = [1, half, half, half + 1, 2 * half, 1, 3 * half, 1, 1];
    await insert(
      sizes.map((size, i) => ({ ...row, id: ids.next(1_800_000_000_000 - i, 0), lines: long(size) })),
    );
    const found = await pages({}, 100);
    expect(found.pages.map((page) => page.map(({ lines }) => lines.length))).toEqual([
      [1, half],
      [half],
      [half + 1],
      [2 * half],
      [1],
      [3 * half],
      [1, 1],
    ]);
  });
});

describe('reads', () => {
  /** A hundred thousand reservations, a third of them over two partitions, none of which has partition 7 as its home. */
  async function fill(): Promise<void> {
    await sql`
      insert into holdfast.reservation (partition, status, id, home, created_at, expires_at, reference, participants, lines)
      select part, case when n > 95000 then 'held' when n % 5 = 0 then 'cancelled' else 'confirmed' end::holdfast.reservation_status,
             (lpad(to_hex(1800000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 11)
              || lpad(to_hex(n % 7), 4, '0'))::uuid,
             n % 7, now(), now(), case when part < 7 then 'order ' || n end,
             case when part < 7 and n % 3 = 0 then '{7}' else '{}' end::smallint[], array[0, ('x' || substr(md5(n::text), 20, 4))::bit(16)::integer % 10, 1]
        from generate_series(1, 100000) n
        cross join lateral (select n % 7 as part union all select 7 where n % 3 = 0) parts`;
  }

  test('about as many rows as it answers, by index, with plans made for empty tables', async () => {
    await fill();
    const newestOf = async (filters: Filters, limit: number) => {
      const all = await expected(filters);
      const { answer, reads } = await search(filters, limit);
      expect(answer.reservations.map(({ id }) => id)).toEqual(all.slice(0, limit));
      expect([named(filters), reads.scans]).toEqual([named(filters), 0]);
      // The same from the middle on.
      const middle = await search(filters, limit, all[all.length >> 1]);
      expect(middle.answer.reservations.map(({ id }) => id)).toEqual(
        all.slice((all.length >> 1) + 1, (all.length >> 1) + 1 + limit),
      );
      expect([named(filters), middle.reads.scans]).toEqual([named(filters), 0]);
      return Math.max(reads.fetched, middle.reads.fetched);
    };
    expect(await newestOf({}, 20)).toBeLessThan(1000);
    expect(await newestOf({}, 100)).toBeLessThan(4000);
    expect(await newestOf({ status: 'held' }, 20)).toBeLessThan(1000);
    expect(await newestOf({ status: 'cancelled' }, 20)).toBeLessThan(1000);
    expect(await newestOf({ status: 'expired' }, 20)).toBeLessThan(10);
    expect(await newestOf({ reference: 'order 77777' }, 20)).toBeLessThan(20);
    expect(await newestOf({ reference: 'order 77777', status: 'held' }, 20)).toBeLessThan(20);
    expect(await newestOf({ reference: 'order 77777', sku: skuOf(0, 1) }, 20)).toBeLessThan(20);
    // One line of five is of this SKU.
    expect(await newestOf({ sku: skuOf(3, 1) }, 20)).toBeLessThan(5000);
    expect(await newestOf({ sku: skuOf(7, 1), status: 'confirmed' }, 20)).toBeLessThan(5000);
    expect(await newestOf({ sku: skuOf(3, 1), status: 'held' }, 20)).toBeLessThan(5000);
    const [id] = await expected({ reference: 'order 77777' });
    // By id over a connection that has no settings for it.
    const one = await readsOf(sql, (plain) => findReservation(plain, 77_777 % 7, id));
    expect(one.answer).toMatchObject({ id });
    expect(one.reads.scans).toBe(0);
    expect(one.reads.fetched).toBeLessThan(10);
  });
});

describe('a search', () => {
  test('has a session that looks for no plan but by index; so has a commit lane', async () => {
    const lane = openLane(database.spec, 'test lane');
    const setting = async (one: Sql, name: string) => (await one.unsafe(`show ${name}`))[0][name];
    for (const one of [searches, lane]) {
      for (const name of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit'])
        expect([name, await setting(one, name)]).toEqual([name, 'off']);
      expect(await setting(one, 'plan_cache_mode')).toBe('force_generic_plan');
    }
    await lane.end({ timeout: 1 });
  });

  test('that takes too long is ended, and its connection goes on', async () => {
    const store = openSearchStore(database.spec, 'test store');
    const started = performance.now();
    expect(await store.run((one) => one`select pg_sleep(60)`)).toBe('too-slow');
    expect(performance.now() - started).toBeLessThan(SEARCH_STATEMENT_MS + 2000);
    expect(await store.run(async (one) => (await one`select 1 as one`)[0].one)).toBe(1);
    await store.close();
  });

  test('sees one state of the database and cannot write', async () => {
    const store = openSearchStore(database.spec, 'test store');
    const countTwice = store.run(async (one) => {
      const count = async () =>
        (await one`select count(*)::integer as rows from holdfast.reservation`)[0].rows;
      const before = await count();
      await insert(manyReservations(10, 6));
      return [before, await count()];
    });
    expect(await countTwice).toEqual([0, 0]);
    const write = store.run((one) => one`delete from holdfast.reservation`);
    expect(await write.catch((error) => error.code)).toBe('25006');
    await store.close();
  });
});
