/** Expiry on time: the stock is back within a second of `expiresAt`, never before it, without anyone asking. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { type BooksSql, faultsOf } from '../helpers/books.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { forEachAtOnce, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
setDefaultTimeout(SLOW_MS);
const LATE_MS_MAX = 1000;

let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ shop, sql } = shared);
});

/**
 * Polls until the stock of all SKUs is back.
 * @returns milliseconds from `expiresAt` to the first answer that showed it; negative when it was early
 */
async function backAfter(skus: string[], { expiresAt }: Reservation): Promise<number> {
  const due = Date.parse(expiresAt);
  for (;;) {
    const levels = await shop.levels(skus);
    const seenAt = Date.now();
    const reserved = levels.filter((level) => level.reserved > 0).length;
    if (reserved === 0) return seenAt - due;
    // Part of it too early is as wrong as all of it.
    if (seenAt < due) expect(reserved).toBe(skus.length);
    if (seenAt > due + 10 * LATE_MS_MAX) throw new Error(`not back after ${seenAt - due} ms`);
    await Bun.sleep(10);
  }
}

for (const seconds of [1, 2]) {
  for (const parts of [1, 4]) {
    test(`${parts} lines, held for ${seconds} s`, async () => {
      const name = `timed-${seconds}-${parts}`;
      const skus = [...skusOfWorker(0, `${name}-x`, 2), ...skusOfWorker(1, `${name}-y`, 2)].slice(-parts);
      await shop.stockUp(skus, 'berlin', 1);
      const lines = skus.map((sku) => ({ sku, quantity: 1 }));
      const { status, body } = await shop.hold(lines, { expiresInSeconds: seconds });
      expect(status).toBe(201);
      expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(seconds * 1000);
      expect((await shop.hold(lines)).status).toBe(409);

      const lateMs = await backAfter(skus, body);
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThanOrEqual(LATE_MS_MAX);

      const read = await shop.read(body.id);
      expect([read.status, read.body]).toEqual([
        200,
        { ...body, status: 'expired', closedAt: read.body.closedAt },
      ]);
      expect(Date.parse(read.body.closedAt!)).toBeGreaterThanOrEqual(Date.parse(body.expiresAt));
      expect((await shop.cancel(body.id)).code).toBe('reservation-expired');
      expect((await shop.cancel(body.id)).status).toBe(409);
      // It is really there again, not only shown.
      expect((await shop.hold(lines)).status).toBe(201);
    });
  }
}

test('a cancelled reservation does not give its stock back a second time when it would have expired', async () => {
  const skus = [...skusOfWorker(0, 'once', 1), ...skusOfWorker(1, 'once', 1)];
  await shop.stockUp(skus, 'berlin', 2);
  const lines = skus.map((sku) => ({ sku, quantity: 1 }));
  const first = await shop.hold(lines, { expiresInSeconds: 1 });
  expect((await shop.cancel(first.body.id)).status).toBe(200);
  expect((await shop.hold(lines)).status).toBe(201);
  await Bun.sleep(Date.parse(first.body.expiresAt) + LATE_MS_MAX - Date.now());
  expect((await shop.levels(skus)).map(({ reserved }) => reserved)).toEqual([1, 1]);
  expect((await shop.read(first.body.id)).body.status).toBe('cancelled');
});

test('thousands that expire in the same second, over one and over two workers', async () => {
  const COUNT = 3000;
  const hot = skusOfWorker(0, 'hot', 1);
  const pairs = skusOfWorker(0, 'pair-x', 20).map((sku, i) => [sku, skusOfWorker(1, 'pair-y', 20)[i]]);
  await shop.stockUp([...hot, ...pairs.flat()], 'berlin', COUNT);
  // All with the same time to live: what matters is when they were made, which takes a second or two.
  const orders = Array.from({ length: COUNT }, (_, i) => (i % 3 === 0 ? pairs[(i / 3) % 20] : hot));
  const reservations: Reservation[] = [];
  await forEachAtOnce(orders, 256, async (skus) => {
    const lines = skus.map((sku) => ({ sku, quantity: 1 }));
    const { status, body } = await shop.hold(lines, { expiresInSeconds: 3 });
    expect(status).toBe(201);
    reservations.push(body);
  });
  const all = [...hot, ...pairs.flat()];
  const dueAt = reservations.map(({ expiresAt }) => Date.parse(expiresAt)).sort((a, b) => a - b);
  let lateMs = 0;
  for (let reserved = -1; reserved !== 0; ) {
    // Units that must still be held when the question is asked, and those that must be back when it is answered.
    const askedAt = Date.now();
    const levels = await shop.levels(all);
    const answeredAt = Date.now();
    reserved = levels.reduce((sum, level) => sum + level.reserved, 0);
    const unitsDueAfter = (time: number): number =>
      reservations.reduce(
        (sum, { expiresAt, lines }) => sum + (Date.parse(expiresAt) > time ? lines.length : 0),
        0,
      );
    expect(reserved).toBeGreaterThanOrEqual(unitsDueAfter(answeredAt));
    expect(reserved).toBeLessThanOrEqual(unitsDueAfter(askedAt - LATE_MS_MAX));
    if (reserved === 0) lateMs = answeredAt - dueAt[dueAt.length - 1];
    await Bun.sleep(20);
  }
  console.log(
    `${COUNT} reservations due within ${dueAt[dueAt.length - 1] - dueAt[0]} ms; the last one was back after ${lateMs} ms`,
  );
  for (const { id } of reservations.slice(0, 50)) {
    expect((await shop.read(id)).body.status).toBe('expired');
    expect((await shop.cancel(id)).code).toBe('reservation-expired');
  }
  expect(await faultsOf(sql)).toEqual([]);
});
