/** Finding reservations as a client does: over partitions of two workers, while others are being made. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { SEARCHES_AT_ONCE } from '../../src/limits.ts';
import type { BooksSql } from '../helpers/books.ts';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { forEachAtOnce, type Problem, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
const WORKERS = 2;
setDefaultTimeout(SLOW_MS);

let server: TestServer;
let shop: Shop;
let sql: BooksSql;

shareServer(async (shared) => {
  ({ server, shop, sql } = shared);
  await shop.stockUp(SKUS, 'berlin', 10_000);
  await shop.stockUp(SKUS.slice(0, 3), 'hamburg', 10_000);
});

const SKUS = [...skusOfWorker(0, 'find', 4), ...skusOfWorker(1, 'find', 4)];
const REFERENCES = ['order 1', 'order "2" & ü', undefined];

interface Page {
  items: Reservation[];
  nextCursor?: string;
}
type Filters = { reference?: string; status?: string; sku?: string };

let turn = 0;
async function get(path: string): Promise<{ status: number; link: string | null; body: Page & Problem }> {
  const response = await fetch(`http://127.0.0.1:${server.port + (turn++ % 2)}${path}`);
  return {
    status: response.status,
    link: response.headers.get('link'),
    body: (await response.json()) as never,
  };
}

function queryOf(filters: Filters, limit?: number): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value !== undefined) query.set(name, value);
  if (limit !== undefined) query.set('limit', String(limit));
  return `/v1/reservations?${query}`;
}

/** Follows Link to the end. */
async function findAll(filters: Filters, limit?: number): Promise<Reservation[][]> {
  const pages: Reservation[][] = [];
  for (let path: string | undefined = queryOf(filters, limit); path !== undefined; ) {
    const { status, link, body }: Awaited<ReturnType<typeof get>> = await get(path);
    expect(`${status} ${body.detail ?? ''}`).toBe('200 ');
    pages.push(body.items);
    expect(link === null).toBe(body.nextCursor === undefined);
    path = link === null ? undefined : /^<(.+)>; rel="next"$/.exec(link)![1];
    expect(path === undefined || path.includes(`cursor=${body.nextCursor}`)).toBe(true);
  }
  return pages;
}

const newestFirst = (a: Reservation, b: Reservation): number => (a.id < b.id ? 1 : -1);
const idsOf = (reservations: Reservation[]): string[] => reservations.map(({ id }) => id);

/** As they are now, whatever became of them, newest first. */
const made: Reservation[] = [];
/** SKUs of which each of them has held units. */
const held = new Map<string, string[]>();

const matching = ({ status, reference, sku }: Filters): Reservation[] =>
  made.filter(
    (one) =>
      (status ?? one.status) === one.status &&
      (reference ?? one.reference) === one.reference &&
      (sku === undefined || held.get(one.id)!.includes(sku)),
  );

test('every filter and combination finds what was made, as it is read by its id', async () => {
  const expiring: Reservation[] = [];
  await forEachAtOnce(Array.from({ length: 240 }), 24, async (_, i) => {
    const lines = Array.from({ length: 1 + (i % 3) }, (_, line) => ({
      sku: SKUS[(i * 5 + line * 3) % SKUS.length],
      quantity: 1 + line,
    }));
    const reference = REFERENCES[Math.min(i % 7, 2)];
    const { status, body } = await shop.hold(lines, { reference, expiresInSeconds: i % 5 === 0 ? 1 : 3600 });
    expect(status).toBe(201);
    if (i % 5 === 0) expiring.push(body);
    if (i % 5 === 1) expect((await shop.cancel(body.id)).status).toBe(200);
    if (i % 5 === 2) expect((await shop.confirm(body.id)).status).toBe(200);
    // Of a part, the first line of perhaps several.
    const [{ sku }] = lines;
    if (i % 5 === 3)
      expect((await shop.confirm(body.id, { lines: [{ sku, quantity: 1 }] })).status).toBe(200);
    held.set(
      body.id,
      lines.map((line) => line.sku),
    );
    made.push(body);
  });
  const read = ({ id }: Reservation) => shop.read(id).then(({ body }) => body);
  const allExpired = async () =>
    (await Promise.all(expiring.map(read))).every(({ status }) => status === 'expired');
  await until(allExpired, 10_000, () => 'they do not expire');
  // A payment that came too late: the home says confirmed, its participants expired.
  for (const { id } of expiring.slice(0, 20))
    expect((await shop.confirm(id, { ifExpired: 'rehold' })).body.status).toBe('confirmed');
  made.splice(0, made.length, ...(await Promise.all(made.map(read))).sort(newestFirst));

  for (const status of [undefined, 'held', 'cancelled', 'expired', 'confirmed']) {
    expect(matching({ status }).length).toBeGreaterThan(20);
    for (const reference of [undefined, 'order 1', 'order "2" & ü', 'order 3']) {
      for (const sku of [undefined, SKUS[0], SKUS[5], 'never stocked']) {
        const expected = matching({ status, reference, sku });
        const pages = await findAll({ status, reference, sku }, 100);
        expect(pages.flat()).toEqual(expected);
        expect(pages.length).toBe(Math.max(1, Math.ceil(expected.length / 100)));
      }
    }
  }
  const byDefault = await findAll({});
  expect(byDefault.map((page) => page.length)).toEqual(Array(12).fill(20));
  expect(byDefault.flat()).toEqual(made);
  expect(made.filter(({ id }) => new Set(held.get(id)).size > 1).length).toBeGreaterThan(100);
});

test('pages stay in order and miss nothing while new reservations come in', async () => {
  let more = true;
  const coming: string[] = [];
  const writing = Promise.all(
    Array.from({ length: 4 }, async (_, writer) => {
      for (let i = writer; more; i++) {
        const lines = [
          { sku: SKUS[i % SKUS.length], quantity: 1 },
          { sku: SKUS[(i + 3) % SKUS.length], quantity: 1 },
        ];
        coming.push((await shop.hold(lines)).body.id);
      }
    }),
  );
  try {
    for (const [filters, limit] of [
      [{}, 7],
      [{ sku: SKUS[1] }, 3],
      [{ sku: SKUS[6], status: 'held' }, 5],
      [{ status: 'expired' }, 4],
      [{ reference: 'order 1' }, 2],
    ] as [Filters, number][]) {
      const before = coming.length;
      const found = (await findAll(filters, limit)).flat();
      expect(coming.length).toBeGreaterThan(before);
      expect(idsOf(found)).toEqual(idsOf(found.toSorted(newestFirst)));
      expect(new Set(idsOf(found)).size).toBe(found.length);
      const known = new Set(idsOf(made));
      expect(idsOf(found.filter(({ id }) => known.has(id)))).toEqual(idsOf(matching(filters)));
    }
  } finally {
    more = false;
    await writing;
  }
});

test('a search sent after a 2xx sees what it said, through whichever front and worker', async () => {
  await forEachAtOnce(Array.from({ length: 120 }), 6, async (_, i) => {
    const reference = `seen ${i}`;
    const sku = SKUS[i % SKUS.length];
    const { body } = await shop.hold(
      [
        { sku, quantity: 1 },
        { sku: SKUS[(i + 4) % SKUS.length], quantity: 1 },
      ],
      { reference },
    );
    const seen = async (filters: Filters) => idsOf((await get(queryOf(filters))).body.items);
    expect(await seen({ reference })).toEqual([body.id]);
    expect(await seen({ reference, sku, status: 'held' })).toEqual([body.id]);
    expect(await seen({ sku })).toContain(body.id);
    expect(await seen({})).toContain(body.id);
    await shop.cancel(body.id);
    expect(await seen({ reference, status: 'held' })).toEqual([]);
    expect(await seen({ sku, status: 'cancelled' })).toContain(body.id);
  });
});

test('a cursor is refused with other filters, and a broken one always', async () => {
  const { nextCursor } = (await get(queryOf({ sku: SKUS[0] }, 1))).body;
  for (const query of [
    `sku=${SKUS[1]}&cursor=${nextCursor}`,
    `cursor=${nextCursor}`,
    `sku=${SKUS[0]}&cursor=${nextCursor}x`,
    `sku=${SKUS[0]}&cursor=0`,
  ]) {
    const { status, body } = await get(`/v1/reservations?${query}`);
    expect([status, body.code]).toEqual([422, 'invalid-request']);
    expect(body.errors).toEqual([expect.objectContaining({ parameter: 'cursor' })]);
  }
});

test('searches that hang are ended, and nothing else waits for them', async () => {
  const [{ id }] = made;
  const locked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const locking = sql.begin(async (transaction) => {
    await transaction`lock table holdfast.ledger in access exclusive mode`;
    locked.resolve();
    await release.promise;
  });
  try {
    await locked.promise;
    const searches = Array.from({ length: 3 * WORKERS * SEARCHES_AT_ONCE - 2 }, () =>
      get(`/v1/stock/${SKUS[0]}/ledger`),
    );
    await Bun.sleep(200);
    for (let i = 0; i < 10; i++) {
      const started = performance.now();
      expect((await shop.read(id)).status).toBe(200);
      expect((await shop.levels([SKUS[0]])).length).toBe(2);
      expect(performance.now() - started).toBeLessThan(1500);
    }
    const answers = await Promise.all(searches);
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
      new Set(['503 search-too-slow']),
    );
  } finally {
    release.resolve();
    await locking;
  }
  expect((await get(`/v1/stock/${SKUS[0]}/ledger`)).status).toBe(200);
  expect((await get('/v1/reservations')).status).toBe(200);
});

test('a search is answered while a worker is down', async () => {
  const [pid] = server.workerPids();
  process.kill(pid, 'SIGKILL');
  for (let i = 0; i < 40; i++) {
    const { status, body } = await get(queryOf({ reference: 'order 1' }, 100));
    expect([status, idsOf(body.items)]).toEqual([200, idsOf(matching({ reference: 'order 1' }))]);
  }
});
