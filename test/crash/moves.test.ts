/**
 * What goes wrong while partitions move, and a worker that stays down (invariants I1 to I6): whoever is killed in the middle of a
 * move, every partition has one owner afterwards and serves; and what a worker had that cannot be kept running is served by the
 * others.
 */
import { expect, test } from 'bun:test';
import { partitionOf } from '../../src/routing/partition-map.ts';
import type { BooksSql } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { type Shop, seeded, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 120_000;
const BACK_MS = 20_000;
const ROUNDS = 3;
const LOADED_MS = 2000;

let server: TestServer;
let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ server, shop, sql } = shared);
});

interface Table {
  partitions: { partition: number; worker: number; state: string; epoch: number }[];
}
async function table(): Promise<Table['partitions']> {
  return (await shop.call<Table>('GET', '/admin/partitions')).body.partitions;
}
const move = (partition: number, worker: number) =>
  shop.call<{ moved: boolean }>('POST', `/admin/partitions/${partition}/move`, { worker });

async function everythingServes(): Promise<void> {
  const isServed = async (): Promise<boolean> => {
    const ready = await Promise.all(
      [0, 1].map((front) => fetch(`http://127.0.0.1:${server.port + front}/readyz`)),
    );
    return ready.every(({ ok }) => ok) && (await table()).every(({ state }) => state === 'serving');
  };
  await until(isServed, BACK_MS, server.output);
}

test(
  'a worker that dies again and again: the other one serves what it had, and then gives a part of it back',
  async () => {
    const load = new Load(server.port, 'down');
    await load.start();
    const startedAt = performance.now();
    let killed: number | undefined;
    await until(
      () => {
        const pid = server.workerPids()[1];
        if (pid !== killed && pid !== undefined) {
          killed = pid;
          process.kill(pid, 'SIGKILL');
        }
        return server.output().includes('worker.taken-over');
      },
      BACK_MS,
      server.output,
    );
    const [mine] = skusOfWorker(1, 'apart', 1);
    await shop.put(mine, 'berlin', 10);
    await until(async () => (await table()).every(({ worker }) => worker === 0), BACK_MS, server.output);
    await everythingServes();
    const servedInMs = Math.round(performance.now() - startedAt);
    expect((await shop.hold([{ sku: mine, quantity: 1 }])).status).toBe(201);

    // It is back, with nothing; until somebody gives it something.
    await until(() => server.workerPids().length === 2, BACK_MS, server.output);
    await until(async () => (await move(partitionOf(mine, 256), 1)).status === 200, BACK_MS, server.output);
    // Each front has to reach it again first.
    await everythingServes();
    expect((await table()).filter(({ worker }) => worker === 1)).toEqual([
      expect.objectContaining({ partition: partitionOf(mine, 256), state: 'serving' }),
    ]);
    expect((await shop.hold([{ sku: mine, quantity: 1 }])).status).toBe(201);
    await load.stop();
    console.log(`taken over and served ${servedInMs} ms after its first death:`, load.summary);
    await load.check(sql);
  },
  SLOW_MS,
);

for (const [index, name] of ['who gives', 'who takes'].entries())
  test(
    `${name} is killed in the middle of a move`,
    async () => {
      const random = seeded(index + 1);
      const load = new Load(server.port, `moving-${index}`);
      await load.start();
      const codes: (string | number)[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const [sku] = skusOfWorker(round % 2, `moving-${index}`, 1);
        const partition = partitionOf(sku, 256);
        const giver = (await table())[partition].worker;
        const victim = server.workerPids()[index === 0 ? giver : 1 - giver];
        const moving = move(partition, 1 - giver);
        await Bun.sleep(random() * 40);
        process.kill(victim, 'SIGKILL');
        const answer = await moving;
        codes.push(answer.code ?? answer.status);
        expect(['200', 'move-refused', 'outcome-unknown']).toContain(String(codes.at(-1)));
        await everythingServes();
      }
      await Bun.sleep(LOADED_MS);
      await load.stop();
      console.log(`${name} is killed:`, codes, load.summary);
      await load.check(sql);
    },
    SLOW_MS,
  );
