/**
 * The largest answers: a reservation split over very many locations is granted, read and cancelled
 * whole, and nobody whose requests share the link to the worker notices.
 */
import { afterAll, expect, test } from 'bun:test';
import { KEY_BYTES_MAX, LEVELS_PER_SKU_MAX } from '../../src/limits.ts';
import { startServer, type TestServer } from '../helpers/server.ts';
import { Shop } from '../helpers/shop.ts';

const SLOW_MS = 120_000;
/** Nine SKUs with names of full length at every location: well over a mebibyte between front and worker. */
const SKUS = Array.from({ length: 9 }, (_, i) => `wide-${i}`);
const LOCATIONS = Array.from({ length: LEVELS_PER_SKU_MAX }, (_, i) => `${i}`.padStart(KEY_BYTES_MAX, 'x'));
const READ_MS_MAX = 2000;

let server: TestServer | undefined;
afterAll(() => server?.kill9(), SLOW_MS);

test(
  'a reservation over thousands of locations is granted, read and cancelled, and disturbs nobody',
  async () => {
    server = await startServer({ env: { HOLDFAST_WORKERS: '1', HOLDFAST_FRONTS: '1' } });
    const shop = new Shop(server, 1);
    const levels = SKUS.flatMap((sku) => LOCATIONS.map((location) => ({ sku, location })));
    let next = 0;
    const stockUp = async (): Promise<void> => {
      while (next < levels.length) {
        const { sku, location } = levels[next++];
        expect((await shop.put(sku, location, 1)).status).toBe(201);
      }
    };
    await Promise.all(Array.from({ length: 64 }, stockUp));

    const quantity = LOCATIONS.length;
    const lines = SKUS.map((sku) => ({ sku, quantity }));
    let done = false;
    const others = new Set<number>();
    const bystander = (async () => {
      while (!done) others.add((await shop.put('bystander', 'here', 1)).status);
    })();
    const held = await shop.hold(lines, { sourcing: { strategy: 'split' }, expiresInSeconds: 600 });
    expect(held.status).toBe(201);
    const startedAt = performance.now();
    const read = await shop.read(held.body.id);
    expect(performance.now() - startedAt).toBeLessThan(READ_MS_MAX);
    expect(read).toMatchObject({ status: 200, body: { status: 'held' } });
    expect(read.body.lines).toEqual(held.body.lines);
    const cancelled = await shop.cancel(held.body.id);
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(cancelled.body.lines).toEqual(held.body.lines);
    done = true;
    await bystander;
    expect([...others].sort()).toEqual([200, 201]);
  },
  SLOW_MS,
);
