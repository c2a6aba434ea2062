/** The client against a real server: every call, its types, its errors, and one effect whatever happens to the worker. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { Holdfast, NoAnswerError, ProblemError, type StockLevel } from '../../src/client/index.ts';
import { freePorts, startServer, type TestServer } from '../helpers/server.ts';
import { forEachAtOnce } from '../helpers/shop.ts';

const START_MS = 30_000;
const SLOW_MS = 30_000;
let server: TestServer;
let holdfast: Holdfast;
beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '1' } });
  holdfast = new Holdfast({ url: `${server.url}/` });
}, START_MS);
afterAll(() => server.stop(), START_MS);

async function problemOf(call: Promise<unknown>): Promise<ProblemError> {
  const error = await call.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(ProblemError);
  return error;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(items);
}

test('stock is set, compared and set, adjusted, read and asked for', async () => {
  const { stock } = holdfast;
  const level = await stock.put('a/b ü', 'no 1', { onHand: 5, safetyStock: 1 });
  expect(level).toMatchObject({ sku: 'a/b ü', location: 'no 1', onHand: 5, available: 4, version: 1 });
  const second = await stock.put('a/b ü', 'no 1', { onHand: 6 }, { ifMatch: level.version });
  expect(second).toMatchObject({ onHand: 6, safetyStock: 1, version: 2 });
  const stale = await problemOf(stock.put('a/b ü', 'no 1', { onHand: 7 }, { ifMatch: 1 }));
  expect([stale.status, stale.code]).toEqual([412, 'version-mismatch']);

  expect(await stock.adjust('a/b ü', 'no 1', { delta: -2, reason: 'damaged' })).toMatchObject({ onHand: 4 });
  expect((await stock.get('a/b ü')).totals.available).toBe(3);
  const [found, not] = await stock.query(['a/b ü', 'never']);
  expect([found.levels?.[0].onHand, not.found]).toEqual([4, false]);
  const unknown = await problemOf(stock.get('never'));
  expect(unknown.code).toBe('unknown-sku');
  expect(unknown.requestId).toBeString();
});

test('a ledger comes entry by entry over its pages', async () => {
  for (let i = 1; i <= 7; i++) await holdfast.stock.put('pages', 'here', { onHand: i });
  const entries = await all(holdfast.stock.ledger('pages', { pageSize: 3 }));
  expect(entries.map(({ kind, onHandDelta }) => [kind, onHandDelta])).toEqual(Array(7).fill(['counted', 1]));
  expect(await all(holdfast.stock.ledger('pages', { location: 'elsewhere' }))).toEqual([]);
});

test('levels go in and come out as streams', async () => {
  async function* levels() {
    for (let i = 0; i < 3000; i++) yield { sku: `stream-${i}`, location: 'here', onHand: i };
    yield { sku: 'stream-bad', location: 'here', onHand: -1 };
  }
  const result = await holdfast.stock.import(levels());
  expect(result).toMatchObject({ accepted: 3000, unchanged: 0, rejected: 1 });
  expect(result.errors[0].line).toBe(3001);

  const back = new Map<string, StockLevel>();
  for await (const level of holdfast.stock.export()) back.set(level.sku, level);
  expect(back.get('stream-2999')?.onHand).toBe(2999);
  const csv = await new Response(await holdfast.stock.exportAs('csv')).text();
  expect(csv).toStartWith('sku,location,onHand,');
  const file = new Blob(['sku,location,onHand\nstream-0,here,10\n']).stream();
  expect(await holdfast.stock.importFrom(file, 'csv')).toMatchObject({ accepted: 1 });
});

test('a level below nothing, as sold backorders leave it, goes out and comes in', async () => {
  const { stock, reservations } = holdfast;
  await stock.put('owed', 'here', { onHand: 2, safetyStock: 0, backorderLimit: 5 });
  const sell = async (sku: string, quantity: number) =>
    reservations.confirm((await reservations.hold({ lines: [{ sku, quantity }] })).id);
  await sell('owed', 4);
  const [header, ...lines] = (await new Response(await stock.exportAs('csv')).text()).split('\r\n');
  const line = lines.find((one) => one.startsWith('owed,'));
  expect(line).toBe('owed,here,-2,0,5');
  const send = (...rows: (string | undefined)[]) =>
    stock.importFrom(new Blob([[header, ...rows].join('\n')]).stream(), 'csv');
  expect(await send(...lines)).toMatchObject({ accepted: 0, rejected: 0 });
  expect(await send(line, line?.replace('owed', 'owed-elsewhere'))).toMatchObject({
    accepted: 1,
    unchanged: 1,
  });
  const { levels } = await stock.get('owed-elsewhere');
  expect(levels).toMatchObject([{ onHand: -2, backorderLimit: 5, available: 3 }]);
  await sell('owed-elsewhere', 3);
  await expect(sell('owed-elsewhere', 1)).rejects.toMatchObject({ code: 'insufficient-stock' });
});

test('a reservation is held, extended, sold, cancelled, found', async () => {
  const { stock, reservations } = holdfast;
  await stock.put('mug', 'berlin', { onHand: 3 });
  const order = { lines: [{ sku: 'mug', quantity: 1 }], reference: 'order-1' };
  const first = await reservations.hold(order);
  expect(first.status).toBe('held');
  const later = await reservations.extend(first.id, 3000);
  expect(Date.parse(later.expiresAt)).toBeGreaterThan(Date.parse(first.expiresAt));
  expect((await reservations.confirm(first.id)).status).toBe('confirmed');
  const second = await reservations.hold(order);
  expect((await reservations.cancel(second.id)).status).toBe('cancelled');
  expect((await reservations.get(second.id)).closedAt).toBeString();
  expect((await problemOf(reservations.cancel(first.id))).code).toBe('reservation-confirmed');

  const found = await all(reservations.find({ reference: 'order-1', pageSize: 1 }));
  expect(found.map(({ id }) => id)).toEqual([second.id, first.id]);
  expect(await all(reservations.find({ reference: 'order-1', status: 'held' }))).toEqual([]);

  const short = await problemOf(reservations.hold({ lines: [{ sku: 'mug', quantity: 9 }] }));
  if (short.code !== 'insufficient-stock') throw short;
  expect(short.errors[0]).toMatchObject({ line: 0, requested: 9, available: 2 });
});

test('a batch has its results in order, and with its key again the same', async () => {
  await holdfast.stock.put('batch', 'here', { onHand: 2 });
  const orders = [1, 5, 1].map((quantity) => ({ lines: [{ sku: 'batch', quantity }] }));
  const results = await holdfast.reservations.batch(orders, { idempotencyKey: 'the-batch' });
  expect(results.map(({ status }) => status)).toEqual([201, 409, 201]);
  expect(results[1].problem?.code).toBe('insufficient-stock');
  const again = await holdfast.reservations.batch(orders, { idempotencyKey: 'the-batch' });
  expect(again.map(({ reservation }) => reservation?.id)).toEqual(
    results.map(({ reservation }) => reservation?.id),
  );
});

test('where nobody listens, it is said after the tries', async () => {
  const nobody = new Holdfast({ url: `http://127.0.0.1:${await freePorts(1)}` });
  const error = await nobody.stock
    .adjust('mug', 'berlin', { delta: 1, reason: 'x' }, { triesMax: 2 })
    .catch((reason) => reason);
  expect(error).toBeInstanceOf(NoAnswerError);
  expect(error.idempotencyKey).toBeString();
});

test(
  'a worker that is killed in the middle costs nobody an error, and no unit twice',
  async () => {
    const orders = 600;
    await holdfast.stock.put('hot', 'here', { onHand: 10_000 });
    const before = server.workerPids();
    const ids: string[] = [];
    await forEachAtOnce(Array.from({ length: orders }), 64, async () => {
      const { id } = await holdfast.reservations.hold({ lines: [{ sku: 'hot', quantity: 1 }] });
      // Now, and not a turn later: the others are on their way.
      if (ids.push(id) === orders / 4) for (const pid of before) process.kill(pid, 'SIGKILL');
    });

    expect(new Set(ids).size).toBe(orders);
    expect((await holdfast.stock.get('hot')).totals).toMatchObject({ onHand: 10_000, reserved: orders });
    await forEachAtOnce(ids, 64, async (id) => void (await holdfast.reservations.confirm(id)));
    expect((await holdfast.stock.get('hot')).totals).toMatchObject({
      onHand: 10_000 - orders,
      reserved: 0,
    });
    expect(server.workerPids()).not.toEqual(before);
  },
  SLOW_MS,
);
