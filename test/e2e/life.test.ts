/** The whole life of a reservation: confirmed, in part, late, extended; of one partition and over two workers. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { BooksSql } from '../helpers/books.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { type Level, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

setDefaultTimeout(60_000);
const STOCK = 10;
const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';

let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ shop, sql } = shared);
}, true);

let named = 0;
/** So many stocked SKUs, of both workers in turn. */
async function stocked(count: number, onHand = STOCK): Promise<string[]> {
  const name = `life-${++named}`;
  const skus = Array.from({ length: count }, (_, i) => skusOfWorker(i % 2, `${name}-${i}`, 1)[0]);
  await shop.stockUp(skus, 'berlin', onHand);
  return skus;
}

async function held(skus: string[], quantity: number, more = {}): Promise<Reservation> {
  const { status, body } = await shop.hold(
    skus.map((sku) => ({ sku, quantity })),
    more,
  );
  expect(status).toBe(201);
  return body;
}

const books = (levels: Level[]): number[][] => levels.map(({ onHand, reserved }) => [onHand, reserved]);
const all = (skus: string[], onHand: number, reserved: number): number[][] =>
  skus.map(() => [onHand, reserved]);
const quantities = ({ lines }: Reservation): number[] => lines.map(({ quantity }) => quantity);

async function expired(skus: string[], quantity: number): Promise<Reservation> {
  const reservation = await held(skus, quantity, { expiresInSeconds: 1 });
  await Bun.sleep(Date.parse(reservation.expiresAt) - Date.now() + 300);
  return reservation;
}

describe.each([1, 4])('over %i partitions', (parts) => {
  test('confirm sells it, and again is answered with the same', async () => {
    const skus = await stocked(parts);
    const reservation = await held(skus, 3, { reference: 'order-1' });
    const { status, body } = await shop.confirm(reservation.id);
    expect(status).toBe(200);
    expect(body).toEqual({ ...reservation, status: 'confirmed', closedAt: expect.any(String) });
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK - 3, 0));
    expect((await shop.confirm(reservation.id)).body).toEqual(body);
    expect((await shop.confirm(reservation.id, { lines: [{ sku: skus[0], quantity: 3 }] })).body).toEqual(
      body,
    );
    expect((await shop.read(reservation.id)).body).toEqual(body);
    expect((await shop.cancel(reservation.id)).code).toBe('reservation-confirmed');
    expect((await shop.extend(reservation.id, 60)).code).toBe('reservation-confirmed');
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK - 3, 0));
  });

  test('confirm of a part sells that much and releases the rest', async () => {
    const skus = await stocked(parts);
    const lines = [...skus, skus[0]].map((sku) => ({ sku, quantity: 2 }));
    const reservation = (await shop.hold(lines)).body;
    // Three of the first SKU, over its two lines; nothing of the others.
    const { status, body } = await shop.confirm(reservation.id, { lines: [{ sku: skus[0], quantity: 3 }] });
    expect(status).toBe(200);
    expect(body.lines.map(({ sku, quantity }) => [sku, quantity])).toEqual([
      [skus[0], 2],
      [skus[0], 1],
    ]);
    expect(books(await shop.levels(skus))).toEqual([[STOCK - 3, 0], ...all(skus.slice(1), STOCK, 0)]);
    expect((await shop.read(reservation.id)).body).toEqual(body);
    expect((await shop.confirm(reservation.id, { lines: [{ sku: skus[0], quantity: 3 }] })).body).toEqual(
      body,
    );
  });

  test('more than is held cannot be confirmed, and nothing happens', async () => {
    const skus = await stocked(parts);
    const reservation = await held(skus, 2);
    for (const [lines, pointer] of [
      [[{ sku: skus[0], quantity: 3 }], '/lines/0/quantity'],
      [
        [
          { sku: skus[0], quantity: 1 },
          { sku: skus[0], quantity: 2 },
        ],
        '/lines/1/quantity',
      ],
      [[{ sku: 'never-in-it', quantity: 1 }], '/lines/0/quantity'],
    ] as const) {
      const { status, problem } = await shop.confirm(reservation.id, { lines });
      expect([status, problem.code]).toEqual([422, 'invalid-request']);
      expect(problem.errors).toEqual([expect.objectContaining({ pointer, code: 'not-held' })]);
    }
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK, 2));
    expect((await shop.read(reservation.id)).body.status).toBe('held');
  });

  test('what was cancelled stays cancelled', async () => {
    const skus = await stocked(parts);
    const { id } = await held(skus, 2);
    expect((await shop.cancel(id)).status).toBe(200);
    expect((await shop.confirm(id)).code).toBe('reservation-cancelled');
    expect((await shop.confirm(id, { ifExpired: 'rehold' })).code).toBe('reservation-cancelled');
    expect((await shop.confirm(id, { lines: [{ sku: skus[0], quantity: 100 }] })).code).toBe(
      'reservation-cancelled',
    );
    expect((await shop.extend(id, 60)).code).toBe('reservation-cancelled');
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK, 0));
  });

  test('extend holds it longer, counted from now', async () => {
    const skus = await stocked(parts);
    const reservation = await held(skus, 2, { expiresInSeconds: 1 });
    const before = Date.now();
    const { status, body } = await shop.extend(reservation.id, 3);
    expect(status).toBe(200);
    const until = Date.parse(body.expiresAt);
    expect(until).toBeGreaterThanOrEqual(before + 3000);
    expect(until).toBeLessThanOrEqual(Date.now() + 3000);
    expect(body).toEqual({ ...reservation, expiresAt: body.expiresAt });
    await Bun.sleep(Date.parse(reservation.expiresAt) - Date.now() + 1200);
    expect((await shop.read(reservation.id)).body).toEqual(body);
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK, 2));
    await Bun.sleep(until - Date.now() + 1000);
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK, 0));
    expect((await shop.extend(reservation.id, 60)).code).toBe('reservation-expired');
    expect((await shop.confirm(reservation.id)).code).toBe('reservation-expired');
  });

  test('a payment that comes late: reheld, if the stock is still there', async () => {
    const skus = await stocked(parts);
    const reservation = await expired(skus, 4);
    const { status, body } = await shop.confirm(reservation.id, { ifExpired: 'rehold' });
    expect(status).toBe(200);
    expect(body).toEqual({ ...reservation, status: 'confirmed', closedAt: expect.any(String) });
    expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK - 4, 0));
    expect((await shop.read(reservation.id)).body).toEqual(body);
    expect((await shop.confirm(reservation.id, { ifExpired: 'rehold' })).body).toEqual(body);
    expect((await shop.cancel(reservation.id)).code).toBe('reservation-confirmed');
  });

  test('a part of it can be reheld', async () => {
    const skus = await stocked(parts);
    const reservation = await expired(skus, 4);
    const last = skus.at(-1)!;
    const lines = [{ sku: last, quantity: 1 }];
    const { status, body } = await shop.confirm(reservation.id, { lines, ifExpired: 'rehold' });
    expect(status).toBe(200);
    expect(body.lines.map(({ sku, quantity }) => [sku, quantity])).toEqual([[last, 1]]);
    expect(books(await shop.levels(skus))).toEqual([...all(skus.slice(1), STOCK, 0), [STOCK - 1, 0]]);
    expect((await shop.read(reservation.id)).body).toEqual(body);
  });

  test('a payment that comes too late: the stock is gone, and nothing is taken', async () => {
    const skus = await stocked(parts);
    const reservation = await expired(skus, 4);
    const last = skus.at(-1)!;
    await held([last], STOCK - 3);
    const before = books(await shop.levels(skus));
    const { status, problem } = await shop.confirm(reservation.id, { ifExpired: 'rehold' });
    expect([status, problem.code]).toEqual([409, 'insufficient-stock']);
    expect(problem.errors).toEqual([
      expect.objectContaining({ line: parts - 1, sku: last, requested: 4, available: 3 }),
    ]);
    expect(books(await shop.levels(skus))).toEqual(before);
    expect((await shop.read(reservation.id)).body.status).toBe('expired');
  });

  test('too late for what was granted in part: the lines are those that it has', async () => {
    const skus = await stocked(parts);
    const lines = ['never-stocked', ...skus].map((sku) => ({ sku, quantity: 4 }));
    const { body } = await shop.hold(lines, { mode: 'partial', expiresInSeconds: 1 });
    await Bun.sleep(Date.parse(body.expiresAt) - Date.now() + 300);
    await held([skus[0]], STOCK);
    const { status, problem } = await shop.confirm(body.id, { ifExpired: 'rehold' });
    expect(status).toBe(409);
    expect(problem.errors).toEqual([expect.objectContaining({ line: 0, sku: skus[0] })]);
  });

  test('of many who confirm at once, all hear the same and it is sold once', async () => {
    for (const late of [false, true]) {
      const skus = await stocked(parts);
      const { id } = late ? await expired(skus, 4) : await held(skus, 4);
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => confirmed(id, { ifExpired: 'rehold' })),
      );
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(answers[0].status).toBe('confirmed');
      expect(books(await shop.levels(skus))).toEqual(all(skus, STOCK - 4, 0));
    }
  });

  test('mode partial holds what there is, and says what is missing', async () => {
    const skus = await stocked(parts, 3);
    const lines = [
      ...skus.map((sku, i) => ({ sku, quantity: i === 0 ? 5 : 2 })),
      { sku: 'never-stocked', quantity: 1 },
      { sku: skus[0], quantity: 1 },
    ];
    const { status, body } = await shop.hold(lines, { mode: 'partial' });
    expect(status).toBe(201);
    expect(body.lines.map(({ sku, quantity }) => [sku, quantity])).toEqual(
      skus.map((sku, i) => [sku, i === 0 ? 3 : 2]),
    );
    const { notGranted } = body as Reservation & { notGranted: unknown };
    expect(notGranted).toEqual([
      { line: 0, sku: skus[0], code: 'insufficient-stock', requested: 5, granted: 3 },
      { line: parts, sku: 'never-stocked', code: 'unknown-sku', requested: 1, granted: 0 },
      { line: parts + 1, sku: skus[0], code: 'insufficient-stock', requested: 1, granted: 0 },
    ]);
    const { notGranted: _, ...reservation } = body as Reservation & { notGranted: unknown };
    expect((await shop.read(body.id)).body).toEqual(reservation);
    expect((await shop.levels(skus)).map(({ reserved }) => reserved)).toEqual(
      skus.map((_, i) => (i === 0 ? 3 : 2)),
    );
    // The one that holds nothing of it is no part of it.
    expect((await shop.cancel(body.id)).status).toBe(200);
    expect(books(await shop.levels(skus))).toEqual(all(skus, 3, 0));
  });

  test('mode partial without anything to hold is refused', async () => {
    const skus = await stocked(parts, 0);
    const lines = skus.map((sku) => ({ sku, quantity: 1 }));
    const { status, problem } = await shop.hold(lines, { mode: 'partial' });
    expect([status, problem.code]).toEqual([409, 'insufficient-stock']);
    expect(problem.errors?.map(({ line }) => line)).toEqual(skus.map((_, i) => i));
  });
});

/** Repeated while another request is being decided, as a client does. */
async function confirmed(id: string, body: Record<string, unknown>): Promise<Reservation> {
  for (;;) {
    const answer = await shop.confirm(id, body);
    if (answer.status === 200) return answer.body;
    // Requests that try at once may take each other's units, for a moment.
    expect(['partition-unavailable', 'insufficient-stock']).toContain(answer.code!);
    await Bun.sleep(20);
  }
}

test('a home that has nothing decides for those that have something', async () => {
  const skus = [...(await stocked(4, 2))].sort();
  await shop.put(skus[0], 'berlin', 0);
  const { status, body } = await shop.hold(
    skus.map((sku) => ({ sku, quantity: 1 })),
    { mode: 'partial' },
  );
  expect(status).toBe(201);
  expect(quantities(body)).toEqual([1, 1, 1]);
  expect((await shop.confirm(body.id)).body.lines.map(({ sku }) => sku)).toEqual(skus.slice(1));
  expect(books(await shop.levels(skus))).toEqual([[0, 0], ...all(skus.slice(1), 1, 0)]);
});

test('confirm, cancel, extend and expiry at the very tick: one of them wins, everywhere', async () => {
  const outcomes: Record<string, number> = {};
  const race = async (round: number): Promise<void> => {
    const skus = await stocked(round % 2 === 0 ? 1 : 3);
    const { id, expiresAt } = await held(skus, 2, { expiresInSeconds: 1 });
    await Bun.sleep(Date.parse(expiresAt) - Date.now() - 12 + round);
    const answers = await Promise.all([shop.confirm(id), shop.cancel(id), shop.extend(id, 1)]);
    await Bun.sleep(1500);
    const { status } = (await shop.read(id)).body;
    outcomes[status] = (outcomes[status] ?? 0) + 1;
    const [confirm, cancel] = answers;
    expect(confirm.status === 200).toBe(status === 'confirmed');
    expect(cancel.status === 200).toBe(status === 'cancelled');
    for (const { code } of answers)
      expect([undefined, 'reservation-confirmed', 'reservation-cancelled', 'reservation-expired']).toContain(
        code,
      );
    expect(books(await shop.levels(skus))).toEqual(all(skus, status === 'confirmed' ? STOCK - 2 : STOCK, 0));
  };
  await Promise.all(Array.from({ length: 24 }, (_, round) => race(round)));
  console.log('races at the expiry:', outcomes);
});

test('adjustments receive, write off, and refuse what cannot be', async () => {
  const [sku] = await stocked(1);
  const received = await shop.adjust(sku, 'berlin', {
    delta: 5,
    reason: 'received',
    reference: 'delivery "7"',
  });
  expect([received.status, received.body.onHand, received.body.version]).toEqual([200, STOCK + 5, 2]);
  expect((await shop.adjust(sku, 'berlin', { delta: -5, reason: 'damaged' })).body.onHand).toBe(STOCK);
  expect((await shop.adjust(sku, 'berlin', { delta: -STOCK - 1, reason: 'lost' })).code).toBe(
    'stock-below-zero',
  );
  expect((await shop.adjust(sku, 'berlin', { delta: 2_147_483_647, reason: 'more' })).code).toBe(
    'stock-above-maximum',
  );
  expect((await shop.adjust(sku, 'nowhere', { delta: 1, reason: 'received' })).code).toBe('unknown-level');
  expect((await shop.adjust('never-stocked', 'berlin', { delta: 1, reason: 'received' })).code).toBe(
    'unknown-sku',
  );
  expect((await shop.level(sku, 'berlin')).onHand).toBe(STOCK);
  // More may be promised than a write-off leaves; nothing more is promised then.
  await held([sku], 8);
  expect((await shop.adjust(sku, 'berlin', { delta: -5, reason: 'stolen' })).body.available).toBe(-3);
  expect((await shop.hold([{ sku, quantity: 1 }])).code).toBe('insufficient-stock');
  await shop.put(sku, 'berlin', STOCK);
  const notes = await sql`
    select kind::text as kind, on_hand_delta::int as delta, reason, g.reference
      from holdfast.ledger g join holdfast.stock_level s using (partition, level)
     where s.sku = ${sku} and kind = 'adjusted' order by seq`;
  expect(notes.map((note) => ({ ...note }))).toEqual([
    { kind: 'adjusted', delta: 5, reason: 'received', reference: 'delivery "7"' },
    { kind: 'adjusted', delta: -5, reason: 'damaged', reference: null },
    { kind: 'adjusted', delta: -5, reason: 'stolen', reference: null },
  ]);
});

test('backorders that were sold are made up for by what comes in', async () => {
  const [sku] = await stocked(1, 0);
  const path = `/v1/stock/${sku}/berlin`;
  expect((await shop.call('PUT', path, { onHand: 0, backorderLimit: 5 })).status).toBe(200);
  const { id } = await held([sku], 3);
  await shop.confirm(id);
  expect(books([await shop.level(sku, 'berlin')])).toEqual([[-3, 0]]);
  const received = await shop.adjust(sku, 'berlin', { delta: 2, reason: 'received' });
  expect([received.status, received.body.onHand, received.body.available]).toEqual([200, -1, 4]);
  expect((await shop.adjust(sku, 'berlin', { delta: -1, reason: 'lost' })).code).toBe('stock-below-zero');
  expect((await shop.put(sku, 'berlin', 4)).body.available).toBe(9);
});

test('the largest quantities: no more is promised than a level can ever owe', async () => {
  const most = 2_147_483_647;
  const [sku] = await stocked(1, 0);
  const path = `/v1/stock/${sku}/berlin`;
  expect((await shop.call('PUT', path, { onHand: most, backorderLimit: most })).status).toBe(200);
  const { id } = await held([sku], most);
  expect((await shop.hold([{ sku, quantity: 1 }])).code).toBe('insufficient-stock');
  await shop.call('PUT', path, { onHand: 0 });
  expect((await shop.confirm(id)).status).toBe(200);
  expect(books([await shop.level(sku, 'berlin')])).toEqual([[-most, 0]]);
  expect((await shop.hold([{ sku, quantity: 1 }])).code).toBe('insufficient-stock');
  await shop.call('PUT', path, { onHand: 0, backorderLimit: 0 });
});

test('one line over 300 locations that cannot be reheld is named once', async () => {
  const [sku] = await stocked(1, 0);
  const locations = Array.from({ length: 300 }, (_, i) => `shelf-${i}`);
  for (const location of locations) await shop.put(sku, location, 1);
  const sourcing = { strategy: 'split' };
  const { body } = await shop.hold([{ sku, quantity: 300 }], { sourcing, expiresInSeconds: 1 });
  await Bun.sleep(Date.parse(body.expiresAt) - Date.now() + 300);
  expect((await shop.hold([{ sku, quantity: 1, location: 'shelf-7' }])).status).toBe(201);
  const { problem } = await shop.confirm(body.id, { ifExpired: 'rehold' });
  expect(problem.errors).toEqual([
    expect.objectContaining({ line: 0, code: 'insufficient-stock', requested: 1 }),
  ]);
});

test('what is not there', async () => {
  for (const answer of [
    await shop.confirm(ID),
    await shop.confirm(ID, { lines: [{ sku: 'A', quantity: 1 }] }),
    await shop.extend(ID, 1),
  ])
    expect([answer.status, answer.code]).toEqual([404, 'unknown-reservation']);
});
