/** Invariant I5: what has an Idempotency-Key takes effect once, whoever asks again, and is answered as the first time. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { type Answer, type Level, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

setDefaultTimeout(60_000);
const STOCK = 10;

let server: TestServer;
let shop: Shop;

shareServer((shared) => {
  ({ server, shop } = shared);
}, true);

let named = 0;
async function stocked(count: number): Promise<string[]> {
  const name = `once-${++named}`;
  const skus = Array.from({ length: count }, (_, i) => skusOfWorker(i % 2, `${name}-${i}`, 1)[0]);
  await shop.stockUp(skus, 'berlin', STOCK);
  return skus;
}
const newKey = (): string => `"key-${crypto.randomUUID()}"`;
const reservedOf = async (skus: string[]): Promise<number[]> =>
  (await shop.levels(skus)).map(({ reserved }) => reserved);
const without = <T>({ replayed: _, ...answer }: Answer<T>) => answer;
const orderOf = (skus: string[], quantity = 1, more = {}) => ({
  lines: skus.map((sku) => ({ sku, quantity })),
  expiresInSeconds: 3600,
  ...more,
});
const RESERVATIONS = '/v1/reservations';

async function expectReplay<T>(path: string, body: unknown, key: string, first: Answer<T>): Promise<void> {
  const again = await shop.once<T>(path, body, key);
  expect(without(again)).toEqual(without(first));
  expect(again.replayed).toBe(true);
}

describe.each([1, 4])('over %i partitions', (parts) => {
  test('a reservation is held once, and shown as it was first answered', async () => {
    const skus = await stocked(parts);
    const key = newKey();
    const order = orderOf(skus, 2, { reference: 'order-1' });
    const first = await shop.once<Reservation>(RESERVATIONS, order, key);
    expect([first.status, first.replayed]).toEqual([201, false]);
    await expectReplay(RESERVATIONS, order, key, first);
    // Quoted or bare, and its fields in any order, it is the same request.
    const { lines, expiresInSeconds, reference } = order as typeof order & { reference: string };
    await expectReplay(RESERVATIONS, { reference, expiresInSeconds, lines }, key.slice(1, -1), first);
    expect(await reservedOf(skus)).toEqual(skus.map(() => 2));
    // Whatever became of it.
    expect((await shop.extend(first.body.id, 60)).status).toBe(200);
    await expectReplay(RESERVATIONS, order, key, first);
    const part = { lines: [{ sku: skus[0], quantity: 1 }] };
    expect((await shop.confirm(first.body.id, part)).status).toBe(200);
    await expectReplay(RESERVATIONS, order, key, first);
    expect(await reservedOf(skus)).toEqual(skus.map(() => 0));
  });

  test('many at once: one takes effect, and all are answered alike', async () => {
    const skus = await stocked(parts);
    const key = newKey();
    const order = orderOf(skus, STOCK);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => shop.once<Reservation>(RESERVATIONS, order, key)),
    );
    for (const answer of answers) expect(without(answer)).toEqual(without(answers[0]));
    expect(answers[0].status).toBe(201);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await reservedOf(skus)).toEqual(skus.map(() => STOCK));
  });

  test('a refusal is remembered, though there is stock later', async () => {
    const skus = await stocked(parts);
    const order = orderOf(skus, STOCK + 1);
    const key = newKey();
    const first = await shop.once(RESERVATIONS, order, key);
    expect(first.code).toBe('insufficient-stock');
    expect(first.problem.errors).toHaveLength(parts);
    await shop.stockUp(skus, 'berlin', STOCK * 2);
    await expectReplay(RESERVATIONS, order, key, first);
    expect((await shop.once(RESERVATIONS, order, newKey())).status).toBe(201);
  });

  test('what was not granted in mode partial is shown again', async () => {
    const skus = await stocked(parts);
    const key = newKey();
    const order = { ...orderOf([...skus, 'never-stocked'], STOCK + 1), mode: 'partial' };
    const first = await shop.once<Reservation & { notGranted: unknown[] }>(RESERVATIONS, order, key);
    expect([first.status, first.body.notGranted.length]).toEqual([201, parts + 1]);
    await expectReplay(RESERVATIONS, order, key, first);
  });

  test('confirm, cancel and extend are remembered with their answers', async () => {
    const skus = await stocked(parts);
    const held = async (): Promise<string> => (await shop.hold(orderOf(skus, 2).lines)).body.id;
    const [toConfirm, toCancel, toExtend] = [await held(), await held(), await held()];
    const cases = [
      [`${RESERVATIONS}/${toConfirm}/confirm`, { lines: [{ sku: skus[0], quantity: 1 }] }],
      [`${RESERVATIONS}/${toCancel}/cancel`, undefined],
      [`${RESERVATIONS}/${toExtend}/extend`, { expiresInSeconds: 500 }],
      // Nothing changes here, and the answer may be another one later.
      [`${RESERVATIONS}/${toCancel}/confirm`, {}],
      [`${RESERVATIONS}/${toConfirm}/cancel`, {}],
    ] as const;
    const firsts: [string, unknown, string, Answer<Reservation>][] = [];
    for (const [path, body] of cases) {
      const key = newKey();
      const first = await shop.once<Reservation>(path, body, key);
      expect(first.replayed).toBe(false);
      firsts.push([path, body, key, first]);
    }
    expect(firsts.map(([, , , { status }]) => status)).toEqual([200, 200, 200, 409, 409]);
    expect((await shop.cancel(toExtend)).status).toBe(200);
    for (const [path, body, key, first] of firsts) await expectReplay(path, body, key, first);
    expect((await shop.levels(skus)).map(({ onHand, reserved }) => [onHand, reserved])).toEqual(
      skus.map((_, i) => [i === 0 ? STOCK - 1 : STOCK, 0]),
    );
  });

  test('a late payment is taken once', async () => {
    const skus = await stocked(parts);
    const { id, expiresAt } = (await shop.hold(orderOf(skus, 2).lines, { expiresInSeconds: 1 })).body;
    await Bun.sleep(Date.parse(expiresAt) - Date.now() + 300);
    const path = `${RESERVATIONS}/${id}/confirm`;
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => shop.once<Reservation>(path, { ifExpired: 'rehold' }, key)),
    );
    for (const answer of answers) expect(without(answer)).toEqual(without(answers[0]));
    expect(answers[0].body.status).toBe('confirmed');
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect((await shop.levels(skus)).map(({ onHand, reserved }) => [onHand, reserved])).toEqual(
      skus.map(() => [STOCK - 2, 0]),
    );
    // Without the wish to have it again, it was late, and stays so.
    const other = (await shop.hold(orderOf(skus, 1).lines, { expiresInSeconds: 1 })).body;
    await Bun.sleep(Date.parse(other.expiresAt) - Date.now() + 300);
    const late = newKey();
    const otherPath = `${RESERVATIONS}/${other.id}/confirm`;
    const first = await shop.once<Reservation>(otherPath, {}, late);
    expect(first.code).toBe('reservation-expired');
    expect((await shop.confirm(other.id, { ifExpired: 'rehold' })).status).toBe(200);
    await expectReplay(otherPath, {}, late, first);
  });

  test('a late payment whose stock is gone stays refused, though there is stock later', async () => {
    const skus = await stocked(parts);
    const { id, expiresAt } = (await shop.hold(orderOf(skus, 2).lines, { expiresInSeconds: 1 })).body;
    await Bun.sleep(Date.parse(expiresAt) - Date.now() + 300);
    await shop.stockUp(skus, 'berlin', 1);
    const path = `${RESERVATIONS}/${id}/confirm`;
    const key = newKey();
    const first = await shop.once(path, { ifExpired: 'rehold' }, key);
    expect([first.status, first.code]).toEqual([409, 'insufficient-stock']);
    await shop.stockUp(skus, 'berlin', STOCK);
    await expectReplay(path, { ifExpired: 'rehold' }, key, first);
  });
});

test('a key is for one payload, wherever that would be decided', async () => {
  const skus = await stocked(4);
  const key = newKey();
  expect((await shop.once(RESERVATIONS, orderOf([skus[0]]), key)).status).toBe(201);
  const others: [string, unknown][] = [
    [RESERVATIONS, orderOf([skus[0]], 2)],
    ...skus.slice(1).map((sku): [string, unknown] => [RESERVATIONS, orderOf([sku])]),
    [RESERVATIONS, orderOf(skus)],
    [`/v1/stock/${skus[0]}/berlin/adjustments`, { delta: 1, reason: 'received' }],
    [`${RESERVATIONS}/019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002/cancel`, undefined],
  ];
  for (const [path, body] of others) {
    const { status, code } = await shop.once(path, body, key);
    expect([status, code]).toEqual([422, 'idempotency-key-reused']);
  }
  expect(await reservedOf(skus)).toEqual([1, 0, 0, 0]);
});

test('what was refused before it could have an effect leaves the key free', async () => {
  const [sku] = await stocked(1);
  const key = newKey();
  const { id } = (await shop.hold([{ sku, quantity: 1 }])).body;
  const more = await shop.once(`${RESERVATIONS}/${id}/confirm`, { lines: [{ sku, quantity: 2 }] }, key);
  expect(more.code).toBe('invalid-request');
  const enough = await shop.once(`${RESERVATIONS}/${id}/confirm`, { lines: [{ sku, quantity: 1 }] }, key);
  expect([enough.status, enough.replayed]).toEqual([200, false]);
});

test('an adjustment is made once, and shows the level as it was', async () => {
  const [sku] = await stocked(1);
  const path = `/v1/stock/${sku}/berlin/adjustments`;
  const key = newKey();
  const body = { delta: 5, reason: 'received' };
  const first = await shop.once<Level>(path, body, key);
  expect([first.status, first.body.onHand]).toEqual([200, STOCK + 5]);
  await shop.put(sku, 'berlin', 1);
  await expectReplay(path, body, key, first);
  expect((await shop.level(sku, 'berlin')).onHand).toBe(1);
  const lost = newKey();
  const tooMuch = { delta: -100, reason: 'lost' };
  const refused = await shop.once<Level>(path, tooMuch, lost);
  expect(refused.code).toBe('stock-below-zero');
  await shop.put(sku, 'berlin', 1000);
  await expectReplay(path, tooMuch, lost, refused);
});

test('a batch with a key is one request, and its reservations are held once', async () => {
  const skus = await stocked(3);
  const batch = `${RESERVATIONS}/batch`;
  const key = newKey();
  const items = skus.slice(0, 2).map((sku) => orderOf([sku]));
  const first = await shop.once<{ results: Record<string, unknown>[] }>(batch, items, key);
  expect([first.status, first.replayed]).toEqual([200, false]);
  const again = await shop.once<{ results: Record<string, unknown>[] }>(batch, items, key);
  expect(again.replayed).toBe(true);
  expect(again.body.results).toEqual(first.body.results.map((result) => ({ ...result, replayed: true })));
  const other = await shop.once(batch, [...items, orderOf([skus[2]])], key);
  expect([other.status, other.code]).toEqual([422, 'idempotency-key-reused']);
  // With a key of its own an item is what it would be alone.
  const own = crypto.randomUUID();
  const alone = await shop.once<Reservation>(RESERVATIONS, orderOf([skus[2]]), own);
  const within = await shop.call<{ results: { replayed?: boolean; reservation: Reservation }[] }>(
    'POST',
    batch,
    [{ ...orderOf([skus[2]]), idempotencyKey: own }],
  );
  expect(within.body.results).toEqual([{ status: 201, replayed: true, reservation: alone.body } as never]);
  expect(await reservedOf(skus)).toEqual([1, 1, 1]);
});

test('keys survive kill -9 of the workers, for every kind of request', async () => {
  const skus = await stocked(4);
  const made: [string, unknown, string, Answer<unknown>][] = [];
  const send = async (path: string, body: unknown): Promise<Answer<unknown>> => {
    const key = newKey();
    const first = await shop.once<unknown>(path, body, key);
    made.push([path, body, key, first]);
    return first;
  };
  const one = (await send(RESERVATIONS, orderOf([skus[0]]))).body as Reservation;
  const four = (await send(RESERVATIONS, orderOf(skus))).body as Reservation;
  await send(RESERVATIONS, orderOf(skus, STOCK * 2));
  await send(`${RESERVATIONS}/${one.id}/cancel`, undefined);
  await send(`${RESERVATIONS}/${four.id}/confirm`, {});
  await send(`/v1/stock/${skus[0]}/berlin/adjustments`, { delta: 7, reason: 'received' });
  const before = await shop.levels(skus);
  for (const pid of server.workerPids()) process.kill(pid, 'SIGKILL');
  const everywhere = async (): Promise<boolean> => {
    const answers = await Promise.all([0, 1, 2, 3].map(() => shop.levels(skus).catch(() => undefined)));
    return answers.every((levels) => levels !== undefined);
  };
  await until(everywhere, 20_000, server.output);
  for (const [path, body, key, first] of made) await expectReplay(path, body, key, first);
  expect(await shop.levels(skus)).toEqual(before);
  for (const [, , key] of made) {
    const { code } = await shop.once(RESERVATIONS, orderOf([skus[1]], 3), key);
    expect(code).toBe('idempotency-key-reused');
  }
});
