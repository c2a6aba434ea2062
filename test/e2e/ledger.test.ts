/** The ledger of a SKU as a client reads it: what was done, in the order in which it was done, and nothing else. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { forEachAtOnce, type Problem, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

const PARTITIONS = 256;
setDefaultTimeout(60_000);

let server: TestServer;
let shop: Shop;

shareServer((shared) => {
  ({ server, shop } = shared);
});

interface Entry {
  seq: number;
  location: string;
  kind: string;
  onHandDelta: number;
  reservedDelta: number;
  reservation?: string;
  reason?: string;
  reference?: string;
  at: string;
}
interface Page {
  items: Entry[];
  nextCursor?: string;
}

let turn = 0;
async function get(path: string): Promise<{ status: number; link: string | null; body: Page & Problem }> {
  const response = await fetch(`http://127.0.0.1:${server.port + (turn++ % 2)}${path}`);
  return {
    status: response.status,
    link: response.headers.get('link'),
    body: (await response.json()) as never,
  };
}

/** Follows Link to the end. */
async function ledger(sku: string, query = ''): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (
    let path: string | undefined = `/v1/stock/${encodeURIComponent(sku)}/ledger${query}`;
    path !== undefined;
  ) {
    const { status, link, body }: Awaited<ReturnType<typeof get>> = await get(path);
    expect(`${status} ${body.detail ?? ''}`).toBe('200 ');
    entries.push(...body.items);
    path = link === null ? undefined : /^<(.+)>; rel="next"$/.exec(link)![1];
  }
  return entries;
}

/** Another SKU of the same partition, so that entries of both are mixed. */
function neighbourOf(sku: string): string {
  for (let i = 0; ; i++)
    if (partitionOf(`neighbour-${i}`, PARTITIONS) === partitionOf(sku, PARTITIONS)) return `neighbour-${i}`;
}

/** An entry as the test expects it, without what only the server knows. */
type Expected = Omit<Entry, 'seq' | 'at'>;
const plain = ({ seq: _seq, at: _at, ...entry }: Entry): Expected => entry;

test('shows what was done to each location, newest first, on pages of any size', async () => {
  const sku = 'café / 100% "Arabica"';
  const neighbour = neighbourOf(sku);
  const done: Expected[] = [];
  const onHand = new Map<string, number>();
  const count = async (location: string, units: number) => {
    expect((await shop.put(sku, location, units)).status).toBeLessThan(300);
    done.push({
      location,
      kind: 'counted',
      onHandDelta: units - (onHand.get(location) ?? 0),
      reservedDelta: 0,
    });
    onHand.set(location, units);
  };
  const hold = async (quantities: Record<string, number>, more = {}): Promise<Reservation> => {
    const lines = Object.entries(quantities).map(([location, quantity]) => ({ sku, location, quantity }));
    const { status, body } = await shop.hold(lines, more);
    expect(status).toBe(201);
    for (const { location, quantity } of lines)
      done.push({ location, kind: 'held', onHandDelta: 0, reservedDelta: quantity, reservation: body.id });
    return body;
  };
  const closed = (kind: string, { id, lines }: Reservation) => {
    for (const { allocations } of lines)
      for (const { location, quantity } of allocations) {
        const sold = kind === 'confirmed' ? quantity : 0;
        if (sold > 0) onHand.set(location, onHand.get(location)! - sold);
        done.push({ location, kind, onHandDelta: 0 - sold, reservedDelta: -quantity, reservation: id });
      }
  };
  const adjust = async (location: string, delta: number, reference?: string) => {
    const { status } = await shop.adjust(sku, location, { delta, reason: 'Zählung "3"', reference });
    expect(status).toBe(200);
    const note = reference === undefined ? {} : { reference };
    done.push({
      location,
      kind: 'adjusted',
      onHandDelta: delta,
      reservedDelta: 0,
      reason: 'Zählung "3"',
      ...note,
    });
    onHand.set(location, onHand.get(location)! + delta);
  };

  const startedAt = Date.now();
  await count('berlin', 100);
  await count('hamburg', 50);
  await shop.put(neighbour, 'berlin', 1000);
  const first = await hold({ berlin: 3 });
  const second = await hold({ hamburg: 2 });
  await shop.hold([{ sku: neighbour, quantity: 1 }]);
  await count('köln', 7);
  const expiring = await hold({ köln: 7 }, { expiresInSeconds: 1 });
  expect((await shop.cancel(first.id)).status).toBe(200);
  closed('cancelled', first);
  await count('berlin', 80);
  // What changes nothing leaves no trace.
  expect((await shop.cancel(first.id)).status).toBe(200);
  expect((await shop.hold([{ sku, location: 'köln', quantity: 1 }])).status).toBe(409);
  await until(
    async () => (await shop.read(expiring.id)).body.status === 'expired',
    5000,
    () => 'it does not expire',
  );
  closed('expired', expiring);
  expect((await shop.cancel(second.id)).status).toBe(200);
  closed('cancelled', second);
  await adjust('hamburg', 5, 'slip 7');
  await adjust('köln', -1);
  const third = await hold({ hamburg: 4 });
  expect((await shop.confirm(third.id)).status).toBe(200);
  closed('confirmed', third);
  const fourth = await hold({ berlin: 6 });
  const part = await shop.confirm(fourth.id, { lines: [{ sku, quantity: 2 }] });
  closed('confirmed', part.body);
  done.push({
    location: 'berlin',
    kind: 'released',
    onHandDelta: 0,
    reservedDelta: -4,
    reservation: fourth.id,
  });
  await hold({ berlin: 78 });

  done.reverse();
  const all = await ledger(sku);
  expect(all.map(plain)).toEqual(done);
  for (const limit of [1, 2, 3, done.length - 1, done.length, done.length + 1, 1000])
    expect(await ledger(sku, `?limit=${limit}`)).toEqual(all);
  for (const location of ['berlin', 'hamburg', 'köln'])
    for (const limit of [1, 2, 100])
      expect(await ledger(sku, `?location=${encodeURIComponent(location)}&limit=${limit}`)).toEqual(
        all.filter((entry) => entry.location === location),
      );
  for (const { at } of all) {
    expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(at)).toBeGreaterThanOrEqual(startedAt);
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
  }

  // The deltas are the levels, and the order of the partition has no gaps.
  for (const { location, onHand, reserved } of await shop.levels([sku])) {
    const of = all.filter((entry) => entry.location === location);
    expect(of.reduce((sum, { onHandDelta }) => sum + onHandDelta, 0)).toBe(onHand);
    expect(of.reduce((sum, { reservedDelta }) => sum + reservedDelta, 0)).toBe(reserved);
  }
  const both = [...all, ...(await ledger(neighbour))].map(({ seq }) => seq).sort((a, b) => a - b);
  expect(both).toEqual(both.map((_, i) => i + 1));
});

test('shows units of an order that did not come about as held and given back', async () => {
  const [mine] = skusOfWorker(0, 'never-a', 1);
  const [soldOut] = skusOfWorker(1, 'never-b', 1);
  await shop.stockUp([mine], 'berlin', 10);
  await shop.stockUp([soldOut], 'berlin', 0);
  expect(
    (
      await shop.hold([
        { sku: mine, quantity: 4 },
        { sku: soldOut, quantity: 1 },
      ])
    ).status,
  ).toBe(409);
  const entries = await ledger(mine);
  const kinds = entries.map(({ kind, reservedDelta }) => `${kind} ${reservedDelta}`);
  // Where the home was asked first, nothing was held at all.
  expect([['counted 0'], ['never -4', 'held 4', 'counted 0']]).toContainEqual(kinds);
  expect(new Set(entries.map(({ reservation }) => reservation)).size).toBe(entries.length === 1 ? 1 : 2);
});

test('what was sold after its expiry stands under the reservation that was confirmed', async () => {
  const skus = [skusOfWorker(0, 'late-a', 1)[0], skusOfWorker(1, 'late-b', 1)[0]];
  await shop.stockUp(skus, 'berlin', 10);
  const lines = skus.map((sku) => ({ sku, quantity: 4 }));
  const { id } = (await shop.hold(lines, { expiresInSeconds: 1 })).body;
  await until(
    async () => (await shop.read(id)).body.status === 'expired',
    5000,
    () => 'it does not expire',
  );
  expect((await shop.confirm(id, { ifExpired: 'rehold' })).status).toBe(200);
  for (const sku of skus) {
    const entries = await ledger(sku);
    expect(entries.map(({ kind, reservation }) => [kind, reservation])).toEqual([
      ['confirmed', id],
      ['held', id],
      ['expired', id],
      ['held', id],
      ['counted', undefined],
    ]);
    expect(await ledger(sku, '?limit=2')).toEqual(entries);
  }
});

test('a page begun stays as it was while the SKU goes on being sold', async () => {
  const [sku] = skusOfWorker(1, 'busy', 1);
  for (const location of ['a', 'b', 'c', 'd', 'e']) await shop.put(sku, location, 1000);
  const sell = (times: number) =>
    forEachAtOnce(Array.from({ length: times }), 16, async () => {
      expect((await shop.hold([{ sku, quantity: 1 }])).status).toBe(201);
    });
  await sell(150);
  const before = await ledger(sku, '?limit=1000');
  expect(before.length).toBe(155);
  const { body } = await get(`/v1/stock/${sku}/ledger?limit=10`);
  const found = [...body.items];
  for (let cursor = body.nextCursor; cursor !== undefined; ) {
    await sell(5);
    if (found.length === 50) await shop.put(sku, 'f', 1000);
    const next: Page = (await get(`/v1/stock/${sku}/ledger?limit=10&cursor=${cursor}`)).body;
    found.push(...next.items);
    cursor = next.nextCursor;
  }
  expect(found).toEqual(before);
});

test('sees what a 2xx has said', async () => {
  await forEachAtOnce(Array.from({ length: 60 }), 6, async (_, i) => {
    const [sku] = skusOfWorker(i % 2, `seen-${i}`, 1);
    await shop.put(sku, 'berlin', i + 1);
    expect((await ledger(sku, '?limit=1'))[0].onHandDelta).toBe(i + 1);
    const { body } = await shop.hold([{ sku, quantity: 1 }]);
    expect((await get(`/v1/stock/${sku}/ledger?limit=1`)).body.items[0].reservation).toBe(body.id);
  });
});

test('a SKU that was never stocked is unknown; a location is not', async () => {
  await shop.put('known', 'berlin', 1);
  const unknown = await get('/v1/stock/unheard-of/ledger');
  expect([unknown.status, unknown.body.code]).toEqual([404, 'unknown-sku']);
  expect(unknown.body.detail).toContain('unheard-of');
  const elsewhere = await get('/v1/stock/known/ledger?location=nowhere');
  expect([elsewhere.status, elsewhere.body, elsewhere.link]).toEqual([200, { items: [] } as never, null]);
});
