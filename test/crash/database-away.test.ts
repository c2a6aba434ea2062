/**
 * The way to the database under load, through a proxy: cut in the middle of commits, stalled, swallowed without a word, slow;
 * and a database that is gone for a while, also at the end of an import. No process ends of it, nothing takes effect twice or is lost, levels can be
 * read meanwhile, and it serves again by itself.
 *
 * HOLDFAST_TEST_AWAY_SECONDS says how long it is gone.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type BooksSql, openBooksAt } from '../helpers/books.ts';
import { DatabaseProxy } from '../helpers/database-proxy.ts';
import { Load } from '../helpers/load.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { everythingServes, Recoveries, ROUNDS, stockProbes } from '../helpers/recovery.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';

const FRONTS = 2;
const WORKERS = 2;
const STALLED_MS = 3000;
const SLOW_MS = 150;
const AWAY_MS = Number(process.env.HOLDFAST_TEST_AWAY_SECONDS ?? 10) * 1000;
/** What a worker may grow by, with a database that takes nothing: what its queues hold, and no more. */
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
const embedded = !process.env.DATABASE_URL;
setDefaultTimeout(ROUNDS * (60_000 + 2 * AWAY_MS));

let database: TestDatabase;
let proxy: DatabaseProxy;
let server: TestServer;
let sql: BooksSql;
let pids: number[];
const under = () => ({ server, sql, fronts: FRONTS, workers: WORKERS });
const recoveries = new Recoveries(under);

beforeAll(async () => {
  database = await startPostgres();
  proxy = await DatabaseProxy.start(database.spec);
  const env = { HOLDFAST_WORKERS: `${WORKERS}`, HOLDFAST_FRONTS: `${FRONTS}` };
  server = await startServer({ env: { ...env, DATABASE_URL: proxy.urlOf(database.spec) } });
  sql = openBooksAt(database.spec);
  await stockProbes(under());
  pids = [...server.workerPids(), ...server.frontPids()];
});

afterAll(async () => {
  recoveries.print();
  await sql.end({ timeout: 1 });
  expect([...server.workerPids(), ...server.frontPids()]).toEqual(pids);
  expect(server.output()).not.toMatch(/child\.died|invariant\.broken|books\.unbalanced/);
  await server.stop();
  await proxy.stop();
  await database.stop();
});

test('connections cut in the middle of commits', () =>
  recoveries.measure('database connections cut under commits', async () => {
    const cuts = proxy.cutUnderCommits(20);
    await until(
      () => cuts() === 20,
      20_000,
      () => `only ${cuts()} connections were cut`,
    );
    proxy.heal();
    return performance.now();
  }));

test('all connections cut at once', () =>
  recoveries.measure('all database connections cut', async () => {
    proxy.cut();
    return performance.now();
  }));

test('stalled: nothing moves, and then all of it', () =>
  recoveries.measure(`database connections stalled for ${STALLED_MS / 1000} s`, async () => {
    proxy.stall();
    await Bun.sleep(STALLED_MS);
    proxy.heal();
    return performance.now();
  }));

test('swallowed: connections that never answer again', () =>
  recoveries.measure('database connections swallowed without a word', async () => {
    proxy.swallow();
    return performance.now();
  }));

test('slow: every answer takes long, and nothing fails of it', async () => {
  const load = new Load(server.port, 'slow');
  await load.start();
  proxy.slowDown(SLOW_MS);
  await Bun.sleep(3000);
  proxy.heal();
  await load.stop();
  console.log(`slow: ${load.summary}`);
  expect(load.failures).toEqual([]);
  await load.check(sql);
});

async function readyz(): Promise<{ status: number; missing: string[] }> {
  const response = await fetch(`${server.url}/readyz`);
  const { missing } = (await response.json()) as { missing: string[] };
  return { status: response.status, missing };
}

async function memoryOf(pid: number): Promise<number> {
  return Number(/VmRSS:\s*(\d+)/.exec(await Bun.file(`/proc/${pid}/status`).text())?.[1]) * 1024;
}

/** An import with a key that counts something at once, and comes to its end when it is told to. */
function counting(key: string) {
  const sku = `${server.url}/v1/stock/COUNTED`;
  const post = async (path: string, type: string, body: unknown) => {
    const headers = { 'content-type': type, 'idempotency-key': key };
    const response = await fetch(server.url + path, { method: 'POST', headers, body: body as string });
    const replayed = response.headers.get('idempotency-replayed') === 'true';
    return { status: response.status, replayed, body: await response.json() };
  };
  const file = 'sku,location,onHand\nCOUNTED,berlin,10\n';
  let mayEnd = false;
  let sent = file;
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(file);
    while (!mayEnd) {
      await Bun.sleep(200);
      sent += '\n';
      yield new TextEncoder().encode('\n');
    }
  }
  return {
    first: post('/v1/stock/import', 'text/csv', slowly()),
    end: () => {
      mayEnd = true;
    },
    again: () => post('/v1/stock/import', 'text/csv', sent),
    async sell(): Promise<void> {
      const isThere = async (): Promise<boolean> => (await fetch(sku)).status === 200;
      await until(isThere, 5000, server.output);
      const body = JSON.stringify({ delta: -4, reason: 'sold' });
      const response = await fetch(`${sku}/berlin/adjustments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(response.status).toBe(200);
    },
    async onHand(): Promise<number> {
      const { totals } = (await (await fetch(sku)).json()) as {
        totals: { onHand: number };
      };
      return totals.onHand;
    },
  };
}

test.if(embedded)(`away for ${AWAY_MS / 1000} s`, async () => {
  const load = new Load(server.port, 'away', { patienceMs: AWAY_MS + 60_000, clients: 100 });
  await load.start();
  await Bun.sleep(1000);
  const level = async (): Promise<{ status: number; age: number | undefined }> => {
    const { status, headers } = await fetch(`${server.url}/v1/stock/${load.skus[0]}`);
    return { status, age: headers.has('age') ? Number(headers.get('age')) : undefined };
  };
  expect(await level()).toEqual({ status: 200, age: undefined });
  const count = counting('away');
  await count.sell();
  const goneAt = Date.now();
  await database.goAway();
  const before = await Promise.all(pids.map(memoryOf));

  await until(async () => (await readyz()).status === 503, 5000, server.output);
  const [said] = (await readyz()).missing;
  expect(said).toMatch(/^worker \d commits nothing since \S+Z: the database is /);
  const since = Date.parse(/since (\S+):/.exec(said)![1]);
  expect(Math.abs(since - goneAt)).toBeLessThan(3000);

  // Everyone who writes hears at once that it does not work, and everyone who reads is answered, with an age that grows.
  const slowest = { read: 0, write: 0 };
  const codes = new Set<string>();
  let age = -1;
  await Bun.sleep(Math.min(3000, AWAY_MS / 2));
  while (Date.now() < goneAt + AWAY_MS) {
    if (Date.now() > goneAt + AWAY_MS - 6000) count.end();
    let startedAt = performance.now();
    const read = await level();
    slowest.read = Math.max(slowest.read, performance.now() - startedAt);
    expect(read.status).toBe(200);
    expect(read.age).toBeGreaterThanOrEqual(age);
    age = read.age!;
    startedAt = performance.now();
    const response = await fetch(`${server.url}/v1/stock/${load.skus[0]}/berlin`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"onHand": 1}',
    });
    slowest.write = Math.max(slowest.write, performance.now() - startedAt);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    codes.add(((await response.json()) as { code: string }).code);
    await Bun.sleep(50);
  }
  const after = await Promise.all(pids.map(memoryOf));
  const growth = after.map((bytes, i) => bytes - before[i]);

  expect(age).toBeGreaterThanOrEqual(Math.floor(AWAY_MS / 1000) - 3);
  expect([...codes]).toEqual(['overloaded']);
  await database.comeBack();
  const backAt = performance.now();
  await everythingServes(under());
  recoveries.note(`database away for ${AWAY_MS / 1000} s`, performance.now() - backAt);
  await until(async () => (await readyz()).status === 200, 5000, server.output);
  expect((await level()).age).toBeUndefined();
  // What it set counted, so it is written down that it has, however long that takes.
  const counted = await count.first;
  expect(counted).toMatchObject({ status: 200, replayed: false, body: { accepted: 1 } });
  expect(await count.again()).toEqual({ ...counted, replayed: true });
  expect(await count.onHand()).toBe(6);
  await load.stop();
  console.log(
    `away: slowest ms ${JSON.stringify(slowest)}, last age ${age}, growth in MB ${growth.map((bytes) => Math.round(bytes / 2 ** 20))}; ${load.summary}`,
  );
  await load.check(sql);
  for (const bytes of growth) expect(bytes).toBeLessThan(GROWTH_BYTES_MAX);
});

test('and in the end every level is what the answers say', () => recoveries.checkAll());
