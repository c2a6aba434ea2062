/**
 * A home that has said `never` keeps its word, whatever dies afterwards: a participant has given its
 * units back because of it, so a `decide` that arrives late must not be granted (invariant I6).
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { partitionOf } from '../../src/routing/partition-map.ts';
import type { Link } from '../../src/wire/link.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { type BooksSql, faultsOf, openBooks } from '../helpers/books.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';
import { deadline, holdOf, linkTo, newId } from '../helpers/workers.ts';

const SLOW_MS = 60_000;
setDefaultTimeout(SLOW_MS);
const NEVER: Reply = { kind: 'outcome', outcome: 'never', expiresAt: 0 };
const [sku] = skusOfWorker(0, 'never', 1);
const home = partitionOf(sku, 256);

let server: TestServer;
let sql: BooksSql;
let link: Link;

beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: '2' } });
  sql = openBooks(server);
  await new Shop(server).stockUp([sku], 'berlin', 10);
});

beforeEach(async () => {
  link = await linkTo(server);
});

afterAll(async () => {
  link?.close();
  await sql.end();
  await server.stop();
});

function ask(id: string): Promise<Reply> {
  return link.ask({ kind: 'ask', partition: home, deadline: deadline(), id });
}

async function restartWorker(): Promise<void> {
  link.close();
  const [before] = server.workerPids();
  process.kill(before, 'SIGKILL');
  await until(
    () => server.workerPids().length === 2 && server.workerPids()[0] !== before,
    10_000,
    server.output,
  );
  link = await linkTo(server);
  const serves = async (): Promise<boolean> =>
    (await link.ask({ kind: 'get-levels', partition: home, deadline: deadline(), sku })).kind === 'levels';
  await until(serves, 10_000, server.output);
}

test('a late decide is refused', async () => {
  const id = newId(home);
  expect(await ask(id)).toEqual(NEVER);
  expect(await ask(id)).toEqual(NEVER);
  expect(await link.ask(holdOf(sku, { id }))).toEqual({ kind: 'problem', code: 'partition-unavailable' });
});

test('also by the next owner', async () => {
  const id = newId(home);
  expect(await ask(id)).toEqual(NEVER);
  await restartWorker();
  expect(await link.ask(holdOf(sku, { id }))).toEqual({ kind: 'problem', code: 'partition-unavailable' });
  expect(await ask(id)).toEqual(NEVER);
});

test('a participant that asks again long afterwards gets the same answer, and the worker lives on', async () => {
  const id = newId(home);
  expect(await ask(id)).toEqual(NEVER);
  await sql`update holdfast.reservation set created_at = created_at - interval '1 hour' where id = ${id}`;
  await restartWorker();
  const pids = server.workerPids();
  expect(await ask(id)).toEqual(NEVER);
  expect(await ask(id)).toEqual(NEVER);
  expect((await link.ask(holdOf(sku))).kind).toBe('granted');
  expect(server.workerPids()).toEqual(pids);
});

test('a participant that the home does not know of gives its units back when it asks', async () => {
  const shop = new Shop(server);
  const [other] = skusOfWorker(1, 'never', 1);
  await shop.stockUp([other], 'berlin', 5);
  const second = await linkTo(server, 'worker-1.sock');
  const trying = holdOf(other, { role: 'try', home });
  expect((await second.ask(trying)).kind).toBe('granted');
  second.close();
  expect((await shop.level(other, 'berlin')).reserved).toBe(1);
  // It asks after ASK_HOME_AFTER_MS, or soon after a recovery.
  const before = server.workerPids()[1];
  process.kill(before, 'SIGKILL');
  const isBack = async (): Promise<boolean> =>
    (await shop.level(other, 'berlin').catch(() => undefined))?.reserved === 0;
  await until(isBack, 10_000, server.output);
  expect(await link.ask(holdOf(sku, { id: trying.id }))).toEqual({
    kind: 'problem',
    code: 'partition-unavailable',
  });
});

test('a cancel is acknowledged only when every participant has given back, also by the next owner', async () => {
  const shop = new Shop(server);
  const [here] = skusOfWorker(0, 'a-home', 1);
  const [there] = skusOfWorker(1, 'b-participant', 1);
  await shop.stockUp([here, there], 'berlin', 5);
  const { body } = await shop.hold([here, there].map((one) => ({ sku: one, quantity: 1 })));
  const reserved = async (): Promise<number> => (await shop.level(there, 'berlin')).reserved;
  expect(await reserved()).toBe(1);

  const participant = server.workerPids()[1];
  process.kill(participant, 'SIGSTOP');
  try {
    const first = shop.cancel(body.id);
    const second = shop.cancel(body.id);
    expect(await Promise.race([first, second, Bun.sleep(500).then(() => 'neither')])).toBe('neither');
    expect((await shop.read(body.id)).body.status).toBe('cancelled');
    await restartWorker();
    for (const { code } of await Promise.all([first, second])) expect(code).toBe('outcome-unknown');
    // The front, too, has found the new worker.
    await until(() => shop.level(here, 'berlin').then(Boolean, () => false), 10_000, server.output);
    const third = shop.cancel(body.id);
    expect(await Promise.race([third, Bun.sleep(500).then(() => 'not yet')])).toBe('not yet');
    process.kill(participant, 'SIGCONT');
    expect([(await third).status, await reserved()]).toEqual([200, 0]);
  } finally {
    process.kill(participant, 'SIGCONT');
  }
});

test('and the books balance', async () => {
  expect(await faultsOf(sql)).toEqual([]);
  expect(server.output()).not.toContain('invariant.broken');
});
