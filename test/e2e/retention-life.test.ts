/** Every end that a reservation over two partitions can have, long ago: all of it is deleted, and what is open is not. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { PRUNE_EVERY_MS } from '../../src/limits.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { borrowDatabase } from '../../src/supervisor/borrowed-database.ts';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { ageBooks } from '../helpers/many-books.ts';
import { type Home, makeHome, startServer, type TestServer, until } from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';
import { verify } from '../helpers/verify.ts';

setDefaultTimeout(2 * PRUNE_EVERY_MS);

const env = { HOLDFAST_WORKERS: '2' };
const skus = [...skusOfWorker(0, 'life', 1), ...skusOfWorker(1, 'life', 1)];
const lines = skus.map((sku) => ({ sku, quantity: 3 }));

let home: Home;
let server: TestServer | undefined;
let sql: BooksSql | undefined;

beforeAll(async () => {
  home = await makeHome();
});

afterAll(async () => {
  await sql?.end();
  await server?.kill9();
  await home.remove();
});

const statuses = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    await sql!`select status::text, count(*)::float8 from holdfast.reservation group by 1 order by 1`.values(),
  );

test('the books of all of them balance', async () => {
  server = await startServer({ home, env });
  sql = openBooks(server);
  const shop = new Shop(server);
  await shop.stockUp(skus, 'berlin', 100);
  const hold = async (seconds?: number): Promise<string> =>
    (await shop.hold(lines, seconds === undefined ? {} : { expiresInSeconds: seconds })).body.id;
  await hold();
  expect((await shop.confirm(await hold())).status).toBe(200);
  expect((await shop.confirm(await hold(), { lines: [{ sku: skus[0], quantity: 2 }] })).status).toBe(200);
  expect((await shop.cancel(await hold())).status).toBe(200);
  expect((await shop.adjust(skus[0], 'berlin', { delta: -1, reason: 'broken' })).status).toBe(200);
  const [expired, reheld, inPart] = [await hold(1), await hold(1), await hold(1)];
  await until(async () => (await shop.read(inPart)).body.status === 'expired', 5000, server.output);
  expect((await shop.confirm(reheld, { ifExpired: 'rehold' })).status).toBe(200);
  const part = { lines: [{ sku: skus[1], quantity: 1 }], ifExpired: 'rehold' };
  expect((await shop.confirm(inPart, part)).status).toBe(200);
  expect((await shop.read(expired)).body.status).toBe('expired');
  const { code, stdout } = await verify(home);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/\nthe books balance\n$/)]);
});

test('once they are old, only what is held is left, and the books balance', async () => {
  await sql!.end();
  await server!.stop();
  const { databaseUrl: url } = home;
  const borrowed =
    url === undefined ? await borrowDatabase(home.dataDir, new AbortController().signal) : undefined;
  const aging = openDatabase(borrowed?.database ?? { url }, 'test');
  await ageBooks(aging, 10);
  await aging.end();
  await borrowed?.giveBack();

  server = await startServer({ home, env: { ...env, HOLDFAST_RETENTION_DAYS: '5' } });
  sql = openBooks(server);
  const shop = new Shop(server);
  const before = await shop.levels(skus);
  await until(
    async () => Object.keys(await statuses()).join() === 'held',
    1.5 * PRUNE_EVERY_MS,
    () => JSON.stringify(server!.output()),
  );
  expect(await statuses()).toEqual({ held: 2 });
  expect(await sql`select count(*)::float8 from holdfast.ledger`.values()).toEqual([[0]] as never);
  const { code, stdout } = await verify(home);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/\nthe books balance\n$/)]);

  const [{ id }] = await sql`select id from holdfast.reservation limit 1`;
  expect((await shop.confirm(id)).body.status).toBe('confirmed');
  const after = await shop.levels(skus);
  expect(after.map(({ onHand, reserved }) => ({ onHand, reserved }))).toEqual(
    before.map(({ onHand }) => ({ onHand: onHand - 3, reserved: 0 })),
  );
  expect((await verify(home)).stdout).toEndWith('\nthe books balance\n');
  const ledger = await shop.call<{ items: unknown[] }>('GET', `/v1/stock/${skus[0]}/ledger`);
  expect([ledger.status, ledger.body.items.length]).toEqual([200, 1]);
});
