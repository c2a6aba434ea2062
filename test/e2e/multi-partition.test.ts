/** Invariant I6 as a client sees it: an order over partitions of two workers is held wholly or not at all. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { type BooksSql, faultsOf } from '../helpers/books.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { forEachAtOnce, type Line, type Shop, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
setDefaultTimeout(SLOW_MS);

let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ shop, sql } = shared);
});

async function reservedOf(skus: readonly string[]): Promise<number[]> {
  return (await shop.levels(skus)).map(({ reserved }) => reserved);
}

/** SKUs of both workers in turn. */
function mixed(prefix: string, count: number): string[] {
  const first = skusOfWorker(0, `${prefix}-x`, Math.ceil(count / 2));
  const second = skusOfWorker(1, `${prefix}-y`, Math.floor(count / 2));
  return first.flatMap((sku, i) => (second[i] === undefined ? [sku] : [sku, second[i]]));
}

test('a line that is sold out: nothing is reserved anywhere when the 409 arrives', async () => {
  const skus = mixed('sold-out', 3);
  await shop.stockUp(skus.slice(0, 2), 'berlin', 10);
  await shop.stockUp(skus.slice(2), 'berlin', 0);
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const lines = order.map((i) => ({ sku: skus[i], quantity: 1 }));
    const { status, problem } = await shop.hold(lines);
    expect(await reservedOf(skus)).toEqual([0, 0, 0]);
    expect([status, problem.code]).toEqual([409, 'insufficient-stock']);
    expect(problem.errors).toEqual([
      expect.objectContaining({
        line: order.indexOf(2),
        sku: skus[2],
        code: 'insufficient-stock',
        requested: 1,
        available: 0,
      }),
    ]);
  }
});

test('errors[] names every short line, whichever partition is the home', async () => {
  const skus = mixed('short', 6);
  await shop.stockUp(skus, 'berlin', 2);
  const lines = skus.map((sku, i) => ({ sku, quantity: i % 2 === 0 ? 3 : 2 }));
  const { status, problem } = await shop.hold(lines);
  expect(await reservedOf(skus)).toEqual(skus.map(() => 0));
  expect(status).toBe(409);
  expect(
    problem.errors?.map(({ line, sku, requested, available }) => ({ line, sku, requested, available })),
  ).toEqual([0, 2, 4].map((line) => ({ line, sku: skus[line], requested: 3, available: 2 })));
});

test('an unknown SKU among others is a 404, and nothing is held', async () => {
  const skus = mixed('known', 4);
  await shop.stockUp(skus, 'berlin', 5);
  for (const unknown of [...skusOfWorker(0, 'unknown', 3), ...skusOfWorker(1, 'unknown', 3)]) {
    const lines = [...skus.slice(0, 2), unknown, ...skus.slice(2)].map((sku) => ({ sku, quantity: 1 }));
    const { status, problem } = await shop.hold(lines);
    expect(await reservedOf(skus)).toEqual([0, 0, 0, 0]);
    expect([status, problem.code]).toEqual([404, 'unknown-sku']);
    expect(problem.errors).toEqual([expect.objectContaining({ line: 2, sku: unknown, code: 'unknown-sku' })]);
  }
});

test('a cancel has given back every line when its 200 arrives; again it is the same 200', async () => {
  const skus = mixed('cancel', 5);
  await shop.stockUp(skus, 'berlin', 100);
  const lines = skus.map((sku, i) => ({ sku, quantity: i + 1 }));
  await forEachAtOnce(Array.from({ length: 30 }), 1, async () => {
    const { body } = await shop.hold(lines, { reference: 'order-7' });
    expect(await reservedOf(skus)).toEqual([1, 2, 3, 4, 5]);
    const first = await shop.cancel(body.id);
    expect(await reservedOf(skus)).toEqual([0, 0, 0, 0, 0]);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      ...body,
      status: 'cancelled',
      closedAt: first.body.closedAt,
    });
    const again = await shop.cancel(body.id);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect((await shop.read(body.id)).body).toEqual(first.body);
  });
});

test('of two cancels at once, neither 200 arrives before everything has been given back', async () => {
  const skus = mixed('both', 4);
  await shop.stockUp(skus, 'berlin', 100);
  for (let i = 0; i < 40; i++) {
    const { body } = await shop.hold(skus.map((sku) => ({ sku, quantity: 1 })));
    const seen = await Promise.all(
      [0, 1].map(async () => {
        const { status } = await shop.cancel(body.id);
        return { status, reserved: await reservedOf(skus) };
      }),
    );
    for (const after of seen) expect(after).toEqual({ status: 200, reserved: [0, 0, 0, 0] });
  }
});

test('a reservation is read with its lines in the order asked', async () => {
  const skus = mixed('order', 7);
  await shop.stockUp(skus, 'berlin', 50);
  await shop.stockUp(skus, 'hamburg', 50);
  // Backwards, the same SKU on lines that are apart, some with a location, some taken from both.
  const lines: Line[] = [...skus.toReversed(), ...skus].map((sku, i) => ({
    sku,
    quantity: i === 3 ? 70 : i + 1,
    location: i % 4 === 0 ? 'hamburg' : undefined,
  }));
  const made = await shop.hold(lines, { sourcing: { strategy: 'split' } });
  expect(made.status).toBe(201);
  expect(made.body.lines.map(({ sku, quantity }) => ({ sku, quantity }))).toEqual(
    lines.map(({ sku, quantity }) => ({ sku, quantity })),
  );
  expect(made.body.lines[3].allocations.length).toBe(2);
  const read = await shop.read(made.body.id);
  expect([read.status, read.body]).toEqual([200, made.body]);
});

test('an order of 100 lines over as many partitions', async () => {
  const skus = mixed('hundred', 100);
  await shop.stockUp(skus, 'berlin', 3);
  const lines = skus.map((sku, i) => ({ sku, quantity: 1 + (i % 3) }));
  const { status, body } = await shop.hold(lines);
  expect(status).toBe(201);
  expect(body.lines.map(({ sku }) => sku)).toEqual(skus);
  expect(await reservedOf(skus)).toEqual(lines.map(({ quantity }) => quantity));
  expect((await shop.read(body.id)).body).toEqual(body);
  // One of them is out now: the whole of a second one is refused, and the first one stays as it is.
  expect((await shop.hold(lines)).status).toBe(409);
  expect(await reservedOf(skus)).toEqual(lines.map(({ quantity }) => quantity));
  expect((await shop.cancel(body.id)).status).toBe(200);
  expect(await reservedOf(skus)).toEqual(skus.map(() => 0));
});

test('orders that want the same SKUs in opposite orders all end, and someone gets the last ones', async () => {
  const skus = mixed('cross', 8);
  await shop.stockUp(skus, 'berlin', 40);
  const outcomes = new Map<number, number>();
  await forEachAtOnce(Array.from({ length: 160 }), 80, async (_, i) => {
    const order = i % 2 === 0 ? skus : skus.toReversed();
    const { status } = await shop.hold(order.map((sku) => ({ sku, quantity: 1 })));
    outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
  });
  const held = outcomes.get(201) ?? 0;
  expect([...outcomes.keys()].every((status) => status === 201 || status === 409)).toBe(true);
  expect(held).toBeGreaterThan(0);
  expect(await reservedOf(skus)).toEqual(skus.map(() => held));
  // Whatever was refused for want of units that another order held for a moment can be had now.
  for (let left = 40 - held; left > 0; left--) {
    expect((await shop.hold(skus.map((sku) => ({ sku, quantity: 1 })))).status).toBe(201);
  }
  expect(await reservedOf(skus)).toEqual(skus.map(() => 40));
});

test('and the books balance', async () => {
  expect(await faultsOf(sql)).toEqual([]);
});
