/**
 * Partitions that move while they are used: nobody may notice (zero failed requests), and the books balance afterwards. What goes
 * wrong in the middle of a move is in test/crash/moves.test.ts.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { type BooksSql, faultsOf, openBooks } from '../helpers/books.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

const SLOW_MS = 60_000;
const LOADED_MS = 1000;

interface Moved {
  mapVersion: number;
  moved: boolean;
  partition: number;
  worker: number;
  state: string;
}

let server: TestServer;
let shop: Shop;
let sql: BooksSql;

beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' } });
  shop = new Shop(server, 2);
  sql = openBooks(server);
}, SLOW_MS);

afterAll(async () => {
  await sql.end();
  expect(server.output()).not.toContain('"level":"error"');
  await server.stop();
}, SLOW_MS);

function move(partition: number | string, worker: unknown) {
  return shop.call<Moved>('POST', `/admin/partitions/${partition}/move`, { worker });
}

async function ownerOf(partition: number): Promise<number> {
  type Table = { partitions: { worker: number; state: string }[] };
  const { body } = await shop.call<Table>('GET', '/admin/partitions');
  expect(body.partitions[partition].state).toBe('serving');
  return body.partitions[partition].worker;
}

test(
  'moves what is asked for, says what is there already, and refuses what makes no sense',
  async () => {
    const [sku] = skusOfWorker(0, 'one', 1);
    const partition = partitionOf(sku, 256);
    await shop.stockUp([sku], 'berlin', 10);
    const held = (await shop.hold([{ sku, quantity: 4 }])).body;

    const there = await move(partition, 0);
    expect([there.status, there.body.moved, there.body.worker]).toEqual([200, false, 0]);
    const moved = await move(partition, 1);
    expect(moved.body).toMatchObject({ moved: true, partition, worker: 1, state: 'serving' });
    expect(moved.body.mapVersion).toBe(there.body.mapVersion + 1);
    expect([await ownerOf(partition), await ownerOf(partition)]).toEqual([1, 1]);

    // All of it has come along: the level, what is held of it, and what can be done to that.
    expect(await shop.level(sku, 'berlin')).toMatchObject({ onHand: 10, reserved: 4 });
    expect((await shop.hold([{ sku, quantity: 7 }])).code).toBe('insufficient-stock');
    expect((await shop.confirm(held.id)).body.status).toBe('confirmed');
    expect((await move(partition, 0)).body).toMatchObject({ moved: true, worker: 0, state: 'serving' });
    expect((await shop.hold([{ sku, quantity: 6 }])).status).toBe(201);

    for (const unknown of [256, 99999, -1, '1.0', 'x'])
      expect((await move(unknown, 0)).code).toBe('unknown-partition');
    for (const worker of [2, -1, 64, '1', null])
      expect((await move(partition, worker)).code).toBe('invalid-request');
    expect((await move(partition, 0)).body.moved).toBe(false);
    expect(await faultsOf(sql)).toEqual([]);
  },
  SLOW_MS,
);

test(
  'under load, every partition in use goes to and fro, and no request fails',
  async () => {
    const load = new SteadyLoad(shop, 'steady');
    await load.start();
    await Bun.sleep(LOADED_MS);
    const quiet = load.lap();
    const used = [...new Set([0, 1].flatMap((worker) => skusOfWorker(worker, 'steady', 12)))].map((sku) =>
      partitionOf(sku, 256),
    );
    const before = performance.now();
    let moves = 0;
    for (const there of [1, 0])
      for (const partition of used) {
        const { status, body } = await move(partition, there);
        expect(status).toBe(200);
        if (body.moved) moves++;
      }
    const ms = Math.round((performance.now() - before) / moves);
    console.log(`${moves} moves under load, ${ms} ms each:`, load.lap(), 'without:', quiet);
    // Many at once have to wait for each other.
    const answers = await Promise.all(used.map((partition, i) => move(partition, i % 2)));
    expect(answers.map(({ status }) => status)).toEqual(used.map(() => 200));
    await load.stop();
    expect(moves).toBeGreaterThan(20);
    await until(
      async () => (await faultsOf(sql)).length === 0,
      20_000,
      () => 'the books do not balance',
    );
  },
  SLOW_MS,
);
