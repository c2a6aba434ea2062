/**
 * `kill -9` under load (invariants I1, I2, I3, I5, I6): whatever is killed comes back by itself, and what was answered is
 * what the books say, to the unit.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { keyOf } from '../../src/front/idempotency.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { Recoveries, ROUNDS, stockProbes } from '../helpers/recovery.ts';
import {
  freePorts,
  type Home,
  makeHome,
  processesOf,
  startServer,
  type TestServer,
} from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';
import { verify } from '../helpers/verify.ts';

setDefaultTimeout(ROUNDS * 60_000);
const FRONTS = 2;
const WORKERS = 2;
const embedded = !process.env.DATABASE_URL;

let home: Home;
let port: number;
let server: TestServer;
let sql: BooksSql;
const under = () => ({ server, sql, fronts: FRONTS, workers: WORKERS });
const recoveries = new Recoveries(under);

async function begin(): Promise<void> {
  const env = { HOLDFAST_WORKERS: `${WORKERS}`, HOLDFAST_FRONTS: `${FRONTS}`, PORT: `${port}` };
  server = await startServer({ home, env });
  sql = openBooks(server);
}

beforeAll(async () => {
  home = await makeHome();
  port = await freePorts(4);
  await begin();
  await stockProbes(under());
});

afterAll(async () => {
  recoveries.print();
  await sql.end({ timeout: 1 });
  expect(server.output()).not.toContain('books.unbalanced');
  expect(server.output()).not.toContain('invariant.broken');
  expect(await verify(home)).toMatchObject({ code: 0 });
  await server.stop().finally(() => home.remove());
});

function databasePids(): number[] {
  return processesOf(home.dataDir)
    .filter(({ command }) => !command.includes('main.ts') && !command.includes('start.ts'))
    .map(({ pid }) => pid);
}

/** @returns whether there was such a process to send it to */
function send(pid: number, signal: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

async function kill(pids: number[]): Promise<number> {
  const killedAt = performance.now();
  for (const pid of pids) send(pid, 'SIGKILL');
  while (pids.some((pid) => send(pid, 0))) await Bun.sleep(1);
  return killedAt;
}

async function laneOfWorker0(): Promise<number> {
  const [{ pid }] = await sql`
    select pid from pg_stat_activity where application_name = 'holdfast worker 0 lane 0'`;
  return pid;
}

test('a worker', () => recoveries.measure('a worker killed', () => kill([server.workerPids()[0]])));

test('all workers', () => recoveries.measure('all workers killed', () => kill(server.workerPids())));

test('a front', () => recoveries.measure('a front killed', () => kill([server.frontPids()[0]])));

test('a request whose front was killed under it is gone on with at once, through another one', async () => {
  const [sku] = skusOfWorker(1, 'gone-on', 1);
  await new Shop(server, FRONTS).stockUp([sku], 'berlin', 10);
  // Its key is claimed at one worker, and it is decided at the other one, which stands still.
  const isOfWorker0 = (text: string): boolean => partitionOf(keyOf(text, '', {}, 256).hash, 256) < 128;
  const key = Array.from({ length: 64 }, (_, i) => `key-${i}`).find(isOfWorker0)!;
  const order = { lines: [{ sku, quantity: 1 }] };
  const send = (front: number) =>
    new Shop(server, FRONTS).call('POST', '/v1/reservations', order, front, key);
  const [, decides] = server.workerPids();
  process.kill(decides, 'SIGSTOP');
  try {
    const broken = send(0).catch(() => 'broken');
    await Bun.sleep(300);
    await kill([server.frontPids()[0]]);
    expect(await broken).toBe('broken');
    const again = send(1);
    await Bun.sleep(300);
    process.kill(decides, 'SIGCONT');
    const answer = await Promise.race([again, Bun.sleep(3000).then(() => 'no answer')]);
    expect(answer).toMatchObject({ status: 201 });
  } finally {
    process.kill(decides, 'SIGCONT');
  }
  const level = await new Shop({ port: port + 1 }).level(sku, 'berlin');
  expect(level.reserved).toBe(1);
});

test('the session of a commit lane', () =>
  recoveries.measure('session of a commit lane ended', async () => {
    const pid = await laneOfWorker0();
    const endedAt = performance.now();
    await sql`select pg_terminate_backend(${pid})`;
    return endedAt;
  }));

test.if(embedded)('one process of the database, after which the database restarts all others', () =>
  recoveries.measure('a Postgres backend killed', async () => kill([await laneOfWorker0()])),
);

test.if(embedded)('the whole database', () =>
  recoveries.measure('all of Postgres killed', () => kill(databasePids())),
);

test('the supervisor, then a new start beside what it has left behind', () =>
  recoveries.measure('the supervisor killed, then started', async () => {
    process.kill(server.pid, 'SIGKILL');
    await server.exited;
    await sql.end({ timeout: 0 });
    const startedAt = performance.now();
    await begin();
    return startedAt;
  }));

test('everything at once, then a new start on the same data folder', () =>
  recoveries.measure('everything killed, then started', async () => {
    await Promise.all([server.kill9(), sql.end({ timeout: 0 })]);
    const startedAt = performance.now();
    await begin();
    return startedAt;
  }));

test('and in the end every level is what the answers say', () => recoveries.checkAll());
