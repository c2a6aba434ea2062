/** Old history is deleted a little at a time, also by two at once, and the books balance at every moment. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { PRUNE_PAGES_MAX, PRUNE_ROWS_MAX } from '../../src/limits.ts';
import { firstIdOf } from '../../src/reservations/id.ts';
import { openDatabase, openLane, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { deleteKeys, deleteNeverMarks, deleteReservations, foldLedger } from '../../src/storage/prune.ts';
import { faultsOf } from '../helpers/books.ts';
import { fillBooks } from '../helpers/many-books.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

setDefaultTimeout(120_000);

const DAY_MS = 86_400_000;
const FIRST_ID = firstIdOf(0);
const SIZE = { partitions: 4, levels: 40, reservations: 12_000 };

let database: TestDatabase;
let sql: Sql;
const lanes: Sql[] = [];

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, SIZE.partitions);
  sql = openDatabase(database.spec, 'test');
  lanes.push(openLane(database.spec, 'first'), openLane(database.spec, 'second'));
  await fillBooks(sql, { ...SIZE, days: 10 });
});

afterAll(async () => {
  for (const connection of [sql, ...lanes]) await connection.end();
  await database.stop();
});

const count = async (table: string, where = 'true'): Promise<number> =>
  (await sql.unsafe(`select count(*) as rows from holdfast.${table} where ${where}`))[0].rows;

test('what is not old enough stays', async () => {
  const before = Date.now() - 11 * DAY_MS;
  expect(await foldLedger(lanes[0], before, 0)).toEqual({ entries: 0, last: 0, more: false });
  expect(await deleteReservations(lanes[0], 1, 'cancelled', before, FIRST_ID)).toEqual({
    seen: 0,
    deleted: 0,
    last: null,
  });
  expect(await count('ledger_opening')).toBe(0);
});

test('no reservation goes before its entries', async () => {
  const before = Date.now() - 5 * DAY_MS;
  const { seen, deleted } = await deleteReservations(lanes[0], 1, 'cancelled', before, FIRST_ID);
  expect([seen, deleted]).toEqual([PRUNE_ROWS_MAX, 0]);
});

test('two at once: each entry goes into one opening, and the books balance in between', async () => {
  const before = Date.now() - 5 * DAY_MS;
  let folded = 0;
  let deleted = 0;
  let running = true;
  const prune = async (lane: Sql): Promise<void> => {
    for (let more = true, after = 0; more; ) {
      const done = await foldLedger(lane, before, after);
      after = done.last;
      expect(done.entries).toBeLessThan(2 * PRUNE_ROWS_MAX);
      folded += done.entries;
      more = done.more;
    }
    for (let partition = 0; partition < SIZE.partitions; partition++) {
      for (let after: string | null = FIRST_ID; after !== null; ) {
        const pruned = await deleteReservations(lane, partition, 'cancelled', before, after);
        deleted += pruned.deleted;
        after = pruned.last;
      }
    }
  };
  const watch = async (): Promise<number> => {
    let looks = 0;
    for (; running; looks++) {
      const snapshot = sql.begin('isolation level repeatable read', (transaction) => faultsOf(transaction));
      expect(await snapshot).toEqual([]);
    }
    return looks;
  };
  const looks = watch();
  await Promise.all(lanes.map(prune));
  running = false;
  console.log(`looked ${await looks} times meanwhile`);
  expect(await looks).toBeGreaterThan(0);
  expect(await faultsOf(sql)).toEqual([]);
  expect([folded, await count('ledger')]).toEqual([20_040, 0]);
  expect([deleted, await count('reservation')]).toEqual([8000, 4000]);
  expect(await count('ledger_opening')).toBe(SIZE.levels);
  expect(await count('ledger_cut', `pruned_at > now() - interval '6 days'`)).toBe(1);
});

test('pages with the same number are looked at together, and behind one that is young none is deleted', async () => {
  const first = 1_000_000;
  // Two owners, whose last pages have one number; then the clock is set back, so that what follows seems old.
  const last = first + PRUNE_PAGES_MAX - 1;
  const page = (epoch: number, at: string, pages: string, partition: number) =>
    sql.unsafe(`
    insert into holdfast.ledger_page (page, epoch, source, at, partitions, seqs, levels, previous, kinds, on_hand_deltas)
    select n, ${epoch}, 0, ${at}, array[${partition}::smallint], array[n - ${first} + 1], array[0], array[case n when ${first} then 0 else n - 1 end],
           '{counted}', '{0}' from ${pages} n`);
  const old = `now() - interval '10 days'`;
  await page(1, old, `generate_series(${first}::bigint, ${last})`, 100);
  await page(2, 'now()', `generate_series(${last}::bigint, ${last})`, 101);
  await page(2, old, `generate_series(${last}::bigint + 1, ${last} + 3)`, 101);
  const before = Date.now() - 5 * DAY_MS;
  let folded = 0;
  for (let more = true, after = 0; more; ) {
    const done = await foldLedger(sql, before, after);
    folded += done.entries;
    ({ more, last: after } = done);
  }
  expect([folded, await count('ledger')]).toEqual([PRUNE_PAGES_MAX - 1, 5]);
  await sql`truncate holdfast.ledger_page`;
  await sql`delete from holdfast.ledger_opening where partition > 99`;
});

/** A reservation of ten days ago at home 0, as its parts' statuses say, with its entries long gone. */
async function insertParts(parts: Record<number, string>, closedDays = 10): Promise<string> {
  const id = firstIdOf(Date.now() - 10 * DAY_MS).replace(
    /0{12}$/,
    Math.random().toString(16).slice(2, 14).padEnd(12, '0'),
  );
  const participants = Object.keys(parts).filter((partition) => partition !== '0');
  for (const [partition, status] of Object.entries(parts)) {
    await sql`
      insert into holdfast.reservation (partition, status, id, home, created_at, expires_at, closed_at, participants, lines)
      values (${partition}, ${status}, ${id}, 0, now() - interval '10 days', now(),
              case when ${status} <> 'held' then now() - ${closedDays} * interval '1 day' end,
              ${partition === '0' ? `{${participants.join(',')}}` : '{}'}::smallint[], '{}')`;
  }
  return id;
}

const pruneHome = async (status: 'confirmed' | 'never', home = 0): Promise<number> =>
  (await deleteReservations(lanes[0], home, status, Date.now() - 5 * DAY_MS, FIRST_ID)).deleted;

test('a reservation over several partitions goes as a whole, once all of it is closed', async () => {
  const id = await insertParts({ 0: 'confirmed', 1: 'confirmed', 3: 'held' });
  expect(await pruneHome('confirmed')).toBe(0);
  // A participant's own part is its home's to delete.
  expect(await pruneHome('confirmed', 1)).toBe(0);
  await sql`update holdfast.reservation set status = 'confirmed', closed_at = now() where id = ${id} and partition = 3`;
  expect(await pruneHome('confirmed')).toBe(0);
  await sql`update holdfast.reservation set closed_at = now() - interval '9 days' where id = ${id}`;
  expect(await pruneHome('confirmed')).toBe(3);
  expect(await count('reservation', `id = '${id}'`)).toBe(0);
});

test('a part that will never be is its participant’s to delete, a mark of it its home’s', async () => {
  const id = await insertParts({ 0: 'never', 2: 'never' });
  expect(await pruneHome('never')).toBe(0);
  expect(await pruneHome('never', 2)).toBe(1);
  const young = Date.now() - 11 * DAY_MS;
  expect(await deleteNeverMarks(lanes[0], 0, young, FIRST_ID)).toMatchObject({ deleted: 0 });
  const old = Date.now() - 9 * DAY_MS;
  expect(await deleteNeverMarks(lanes[0], 2, old, FIRST_ID)).toMatchObject({ deleted: 0 });
  expect(await deleteNeverMarks(lanes[0], 0, old, FIRST_ID)).toEqual({ seen: 1, deleted: 1, last: id });
});

test('keys by their age, and only those of these partitions', async () => {
  await sql`
    insert into holdfast.idempotency_key (partition, key, key_partition, fingerprint, answer, at)
    select i % 4, gen_random_uuid(), 0, gen_random_uuid(), '', now() - i * interval '1 minute' from generate_series(1, 8000) i`;
  const before = Date.now() - 4000 * 60_000;
  expect(await deleteKeys(lanes[0], [1, 3], 0, before)).toBe(PRUNE_ROWS_MAX);
  expect(await deleteKeys(lanes[0], [1, 3], 0, before)).toBe(PRUNE_ROWS_MAX);
  expect(await deleteKeys(lanes[0], [1, 3], 0, before)).toBe(0);
  expect(await count('idempotency_key', 'partition in (1, 3)')).toBe(2000);
  expect(await count('idempotency_key', 'partition in (0, 2)')).toBe(4000);
});
