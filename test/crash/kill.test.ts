/**
 * `kill -9` under load (invariants I1, I2, I3, I6): whatever is killed comes back by itself, what was
 * acknowledged is there, what was refused is not, and no unit stays reserved for nobody.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type BooksSql, openBooks, strayHolds } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { type Home, makeHome, processesOf, startServer, type TestServer } from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 90_000;
const RECOVERED_MS_MAX = 20_000;
const UNDER_LOAD_MS = 1000;
const FRONTS = 2;
const WORKERS = 2;
const env = { HOLDFAST_WORKERS: String(WORKERS), HOLDFAST_FRONTS: String(FRONTS) };
const embedded = !process.env.DATABASE_URL;
const probes = [0, 1].map((worker) => skusOfWorker(worker, 'probe', 1)[0]);

let home: Home;
let server: TestServer;
let shop: Shop;
let sql: BooksSql;

async function begin(): Promise<void> {
  server = await startServer({ home, env });
  shop = new Shop(server, FRONTS);
  sql = openBooks(server);
}

beforeAll(async () => {
  home = await makeHome();
  await begin();
  await shop.stockUp(probes, 'berlin', 1_000_000);
}, SLOW_MS);

afterAll(async () => {
  await sql.end({ timeout: 1 });
  expect(server.output()).not.toContain('books.unbalanced');
  expect(server.output()).not.toContain('invariant.broken');
  await server.stop().finally(() => home.remove());
}, SLOW_MS);

function databasePids(): number[] {
  return processesOf(home.dataDir)
    .filter(({ command }) => !command.includes('main.ts') && !command.includes('start.ts'))
    .map(({ pid }) => pid);
}

function isAlive(pid: number): boolean {
  return processesOf(home.dataDir).some((process) => process.pid === pid);
}

async function killAndWait(pids: number[]): Promise<number> {
  const killedAt = performance.now();
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  while (pids.some(isAlive)) await Bun.sleep(1);
  return killedAt;
}

/** Resolves when a hold succeeds through every front at every worker. */
async function everythingAnswers(): Promise<void> {
  const giveUpAt = Date.now() + RECOVERED_MS_MAX;
  const answers = async (front: number, sku: string): Promise<void> => {
    const order = { lines: [{ sku, quantity: 1 }], reference: 'probe' };
    for (;;) {
      const { status } = await shop
        .call('POST', '/v1/reservations', order, front)
        .catch(() => ({ status: 0 }));
      if (status === 201) return;
      if (Date.now() > giveUpAt)
        throw new Error(`front ${front} still answers ${status}\n${server.output()}`);
      await Bun.sleep(5);
    }
  };
  await Promise.all(probes.flatMap((sku) => [0, 1].map((front) => answers(front, sku))));
}

async function underLoad(name: string, kill: () => Promise<number>): Promise<void> {
  const load = new Load(shop, name.replaceAll(' ', '-'));
  await load.start();
  await Bun.sleep(UNDER_LOAD_MS);
  const killedAt = await kill();
  await everythingAnswers();
  const recoveredInMs = Math.round(performance.now() - killedAt);
  await Bun.sleep(UNDER_LOAD_MS);
  await load.stop();
  console.log(
    `killed ${name}: everything answers after ${recoveredInMs} ms; unfinished parts to sweep: ${await strayHolds(sql)};`,
    Object.fromEntries([...load.answers].sort()),
  );
  await load.check(sql);
}

for (const worker of [0, 1]) {
  test(
    `a worker (${worker})`,
    () => underLoad(`worker ${worker}`, () => killAndWait([server.workerPids()[worker]])),
    SLOW_MS,
  );
}

test('a front', () => underLoad('a front', () => killAndWait([server.frontPids()[0]])), SLOW_MS);

test.if(embedded)(
  'one process of the database, after which the database restarts all others',
  () =>
    underLoad('a backend', async () => {
      const [{ pid }] = await sql`
        select pid from pg_stat_activity where application_name = 'holdfast worker 0 lane 0'`;
      return killAndWait([pid]);
    }),
  SLOW_MS,
);

test.if(embedded)(
  'the whole database',
  () => underLoad('the database', () => killAndWait(databasePids())),
  SLOW_MS,
);

test(
  'everything at once, twice in a row, then a new start on the same data folder',
  async () => {
    for (const round of [1, 2]) {
      const load = new Load(shop, `everything-${round}`);
      await load.start();
      await Bun.sleep(UNDER_LOAD_MS);
      const killedAt = performance.now();
      await Promise.all([server.kill9(), sql.end({ timeout: 0 })]);
      await load.stop();
      const startedAt = performance.now();
      await begin();
      await everythingAnswers();
      console.log(
        `killed everything: everything answers ${Math.round(performance.now() - startedAt)} ms after the new start (${Math.round(performance.now() - killedAt)} ms after the kill); unfinished parts to sweep: ${await strayHolds(sql)};`,
        Object.fromEntries([...load.answers].sort()),
      );
      await load.check(sql, shop);
    }
  },
  SLOW_MS,
);
