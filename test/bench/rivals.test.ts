/** Rivals that are worth measuring: each holds what there is, to the unit, under more demand than stock. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { Holdfast } from '../../bench/holdfast.ts';
import { LOCATION } from '../../bench/load.ts';
import { RedisServer } from '../../bench/rivals/redis-server.ts';
import { SqlDatabase } from '../../bench/rivals/sql-database.ts';
import { type Service, startService } from '../../bench/service.ts';

const START_MS = 60_000;
const [ON_HAND, DEMAND] = [10, 40];
const POOL = { pool: 8 };

const SQL_RIVALS = [
  { file: 'transaction', setting: POOL, closes: true },
  { file: 'for-update', setting: POOL, closes: false },
  { file: 'statement', setting: { ...POOL, driver: 'postgres.js' }, closes: true },
  { file: 'statement', setting: { ...POOL, driver: 'Bun' }, closes: true },
  { file: 'batcher', setting: {}, closes: false },
] as const;

const started = new AsyncDisposableStack();
let database: SqlDatabase;
beforeAll(async () => {
  const holdfast = started.use(await Holdfast.start('holdfast', []));
  const { socketFolder, user } = holdfast.database();
  const skus = SQL_RIVALS.map((_, index) => `SKU-${index}`);
  database = started.use(await SqlDatabase.create(socketFolder, user, skus, ON_HAND));
}, START_MS);
afterAll(() => started.disposeAsync());

async function hold({ url }: Service, sku: string): Promise<{ status: number; id: string }> {
  const response = await fetch(`${url}/v1/reservations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ lines: [{ sku, quantity: 1, location: LOCATION }] }),
  });
  const { id } = (await response.json()) as { id: string };
  return { status: response.status, id };
}

async function post({ url }: Service, path: string): Promise<number> {
  return (await fetch(url + path, { method: 'POST' })).status;
}

async function storm(rival: Service, sku: string): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: DEMAND }, () => hold(rival, sku)));
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(DEMAND - ON_HAND);
  return answers.filter(({ status }) => status === 201).map(({ id }) => id);
}

test.each([...SQL_RIVALS.entries()])(
  '%p: %p never oversells, and keeps its books',
  async (index, rival) => {
    const { file, setting, closes } = rival;
    await using service = await startService(`rivals/${file}.ts`, database.connection);
    await service.set(setting);
    const before = await database.books();
    const [first, second, ...rest] = await storm(service, `SKU-${index}`);
    expect(rest).toHaveLength(ON_HAND - 2);
    let open = ON_HAND;
    if (closes) {
      for (const [id, how] of [
        [first, 'confirm'],
        [second, 'cancel'],
      ]) {
        expect(await post(service, `/v1/reservations/${id}/${how}`)).toBe(200);
        expect(await post(service, `/v1/reservations/${id}/${how}`)).toBe(409);
      }
      open -= 2;
    }
    const after = await database.books();
    expect(after.reserved!['in stock'] - before.reserved!['in stock']).toBe(open);
    expect(after.held!['in reservation'] - before.held!['in reservation']).toBe(open);
    expect(after.onHand!['in stock'] - before.onHand!['in stock']).toBe(closes ? -1 : 0);
    expect(after.confirmed!['in reservation'] - before.confirmed!['in reservation']).toBe(closes ? 1 : 0);
  },
  START_MS,
);

test.skipIf(!process.env.CI && Bun.which('redis-server') === null)(
  'Redis never oversells, and keeps its books',
  async () => {
    await using redis = await RedisServer.start('always', ['A'], ON_HAND);
    await using service = await startService('rivals/redis.ts', redis.url);
    await service.set({});
    expect(await storm(service, 'A')).toHaveLength(ON_HAND);
    expect(await redis.books()).toEqual({
      reserved: { 'in its levels': ON_HAND },
      held: { 'as keys': ON_HAND },
    });
  },
  START_MS,
);
