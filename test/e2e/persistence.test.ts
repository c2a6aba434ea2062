/** A stop and a new start on the same data: everything is as it was, and time has gone on meanwhile. */
import { afterAll, expect, test } from 'bun:test';
import { decisionsOf, faultsOf, openBooks } from '../helpers/books.ts';
import { type Home, makeHome, startServer, type TestServer, until } from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
const env = { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' };

let home: Home | undefined;
let server: TestServer | undefined;

afterAll(async () => {
  await server?.kill9();
  await home?.remove();
}, SLOW_MS);

test(
  'levels, versions, reservations and expiries outlive a restart',
  async () => {
    home = await makeHome();
    server = await startServer({ home, env });
    let shop = new Shop(server, 2);
    const skus = [...skusOfWorker(0, 'kept', 3), ...skusOfWorker(1, 'kept', 3)];
    const strange = 'Ünïcode "quotes" \\ back/slash {braces}, comma';
    await shop.stockUp([...skus, strange], 'berlin', 100);
    await shop.stockUp(skus.slice(0, 2), 'hamburg', 7);
    expect((await shop.put(skus[0], 'berlin', 99)).body.version).toBe(2);
    const all = skus.map((sku) => ({ sku, quantity: 1 }));

    const kept = (
      await shop.hold([...all, { sku: strange, quantity: 2 }], { reference: 'a "quoted" one \\ ✓' })
    ).body;
    const single = (await shop.hold([{ sku: skus[0], quantity: 5, location: 'hamburg' }])).body;
    const cancelled = (await shop.cancel((await shop.hold(all)).body.id)).body;
    const expired = (await shop.hold(all, { expiresInSeconds: 1 })).body;
    await Bun.sleep(Date.parse(expired.expiresAt) + 1000 - Date.now());
    const expiredWhole = (await shop.read(expired.id)).body;
    expect(expiredWhole.status).toBe('expired');
    const dueWhileDown = (await shop.hold(all, { expiresInSeconds: 1 })).body;
    const singleDueWhileDown = (await shop.hold(all.slice(4, 5), { expiresInSeconds: 1 })).body;
    const dueAfterwards = (await shop.hold(all, { expiresInSeconds: 8 })).body;
    const before = await shop.levels([...skus, strange]);

    await server.stop();
    expect(Date.now()).toBeLessThan(Date.parse(dueAfterwards.expiresAt));
    await Bun.sleep(Date.parse(singleDueWhileDown.expiresAt) - Date.now());
    server = await startServer({ home, env });
    shop = new Shop(server, 2);
    const { output } = server;

    // What expired while nobody was there gave its units back at once, and nothing else has changed.
    const status = async (id: string): Promise<string> => (await shop.read(id)).body.status;
    await until(
      async () =>
        (await status(dueWhileDown.id)) === 'expired' && (await status(singleDueWhileDown.id)) === 'expired',
      1000,
      output,
    );
    const given = (sku: string, location: string): number =>
      location !== 'berlin' || sku === strange ? 0 : sku === skus[4] ? 2 : 1;
    await until(
      async () =>
        Bun.deepEquals(
          (await shop.levels([...skus, strange])).map(({ version: _version, ...level }) =>
            withoutTime(level),
          ),
          before.map(({ version: _version, ...level }) => {
            const back = given(level.sku, level.location);
            return withoutTime({
              ...level,
              reserved: level.reserved - back,
              available: level.available + back,
            });
          }),
        ),
      1000,
      output,
    );
    for (const [i, { sku, location, version }] of (await shop.levels([...skus, strange])).entries())
      expect(version).toBe(before[i].version + given(sku, location));

    expect((await shop.read(kept.id)).body).toEqual(kept);
    expect((await shop.read(single.id)).body).toEqual(single);
    expect((await shop.read(cancelled.id)).body).toEqual(cancelled);
    expect((await shop.read(expired.id)).body).toEqual(expiredWhole);
    expect((await shop.cancel(dueWhileDown.id)).code).toBe('reservation-expired');
    expect((await shop.cancel(cancelled.id)).body).toEqual(cancelled);

    const closed = await shop.cancel(kept.id);
    expect([closed.status, closed.body]).toEqual([
      200,
      { ...kept, status: 'cancelled', closedAt: closed.body.closedAt },
    ]);
    expect((await shop.cancel(single.id)).status).toBe(200);

    // The one that is still open expires on time.
    const due = Date.parse(dueAfterwards.expiresAt);
    expect(await status(dueAfterwards.id)).toBe('held');
    await Bun.sleep(due - 300 - Date.now());
    expect(await status(dueAfterwards.id)).toBe('held');
    await until(async () => (await status(dueAfterwards.id)) === 'expired', due + 1000 - Date.now(), output);
    await until(
      async () => (await shop.levels(skus)).every(({ reserved }) => reserved === 0),
      due + 1000 - Date.now(),
      output,
    );

    const sql = openBooks(server);
    expect(await faultsOf(sql)).toEqual([]);
    expect((await decisionsOf(sql)).filter((row) => row.status === 'held')).toEqual([]);
    await sql.end();
    expect(output()).not.toContain('books.unbalanced');
    await server.stop();
  },
  SLOW_MS,
);

function withoutTime<T extends object>(level: T): T {
  return { ...level, updatedAt: undefined };
}
