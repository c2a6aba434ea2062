/**
 * HOLDFAST_RETENTION_DAYS on a real server under load: old history goes, what is open stays and can be closed, and the
 * books balance at every moment.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { PRUNE_EVERY_MS } from '../../src/limits.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { borrowDatabase } from '../../src/supervisor/borrowed-database.ts';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { FORGEABLE_LEDGER } from '../helpers/forgeable-ledger.ts';
import { Load } from '../helpers/load.ts';
import { fillBooks } from '../helpers/many-books.ts';
import { type Home, makeHome, startServer, type TestServer, until } from '../helpers/server.ts';
import { Shop } from '../helpers/shop.ts';
import { verify } from '../helpers/verify.ts';

setDefaultTimeout(2 * PRUNE_EVERY_MS);

const SIZE = { partitions: 256, levels: 512, reservations: 60_000, days: 10 };
const env = { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' };

let home: Home;
let server: TestServer | undefined;
let sql: BooksSql | undefined;

beforeAll(async () => {
  home = await makeHome();
  await (await startServer({ home, env })).stop();
  const { databaseUrl: url } = home;
  const borrowed =
    url === undefined ? await borrowDatabase(home.dataDir, new AbortController().signal) : undefined;
  const filling = openDatabase(borrowed?.database ?? { url }, 'test');
  await fillBooks(filling, SIZE);
  await filling`
    insert into holdfast.idempotency_key (partition, key, key_partition, fingerprint, answer, at)
    select i % 256, gen_random_uuid(), 0, gen_random_uuid(), '', now() - i * interval '1 minute'
      from generate_series(1, 6000) i`;
  await filling`
    insert into holdfast.reservation (partition, status, id, home, created_at, expires_at, participants, lines)
    select i, 'never', (select id from holdfast.reservation where partition = i limit 1), i,
           now() - case when i < 128 then interval '2 hours' else interval '2 minutes' end, now(), '{}', '{}'
      from generate_series(0, 255) i`;
  // Their reservations would contradict them.
  await filling`delete from holdfast.reservation n where status = 'never' and partition % 2 = 0`;
  await filling`
    update holdfast.reservation n set id = overlay(id::text placing 'ffff' from 20 for 4)::uuid where status = 'never'`;
  await filling.end();
  await borrowed?.giveBack();
});

afterAll(async () => {
  await sql?.end();
  await server?.kill9();
  await home.remove();
});

const count = async (table: string, where = 'true'): Promise<number> =>
  Number((await sql!.unsafe(`select count(*) as rows from holdfast.${table} where ${where}`))[0].rows);

const OLD = `now() - interval '5 days'`;

test('without it nothing goes but keys and marks', async () => {
  server = await startServer({ home, env });
  sql = openBooks(server);
  await until(
    async () =>
      (await count('idempotency_key')) < 1501 && (await count('reservation', `status = 'never'`)) < 65,
    1.5 * PRUNE_EVERY_MS,
    server.output,
  );
  expect(await count('idempotency_key')).toBeGreaterThan(25 * 60 - 10);
  expect(await count('reservation', `status = 'never'`)).toBe(64);
  expect(await count('ledger')).toBe(512 + 100_000);
  expect(await count('ledger_opening')).toBe(0);
  await sql.end();
  await server.stop();
});

test('history goes while orders come in', async () => {
  server = await startServer({
    home,
    env: { ...env, HOLDFAST_RETENTION_DAYS: '5', HOLDFAST_KEY_HOURS: '1' },
  });
  sql = openBooks(server);
  const load = new Load(server.port, 'retention');
  await load.start();
  let runs = 0;
  while ((await count('ledger', `at < ${OLD}`)) + (await count('reservation', `closed_at < ${OLD}`)) > 0) {
    const { code, stdout } = await verify(home);
    expect(code, stdout).toBe(0);
    runs++;
  }
  await load.stop();
  console.log(`verified ${runs} times meanwhile; ${load.summary}`);
  expect(runs).toBeGreaterThan(2);
  await load.check(sql);
  expect((await verify(home)).code).toBe(0);
  expect(await count('reservation', `status = 'held' and created_at < ${OLD}`)).toBe(SIZE.reservations / 3);
  expect(await count('ledger_opening')).toBe(SIZE.levels);
  expect(await count('idempotency_key', `at < now() - interval '2 minutes'`)).toBeLessThanOrEqual(119);
  expect(server.output()).toMatch(/"event":"prune.done"/);
  expect(server.output()).not.toContain('prune.failed');
});

test('what was open before the cut is closed as ever, also by the next server', async () => {
  await sql!.end();
  await server!.stop();
  server = await startServer({ home, env });
  sql = openBooks(server);
  const shop = new Shop(server, 2);
  const [{ id }] =
    await sql`select id from holdfast.reservation where status = 'held' and created_at < now() - interval '5 days' limit 1`;
  expect((await shop.cancel(id)).body.status).toBe('cancelled');
  const { code, stdout } = await verify(home);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/\nthe books balance\n$/)]);
  // Only half of the story is left of it, and the half must be right.
  await sql.unsafe(FORGEABLE_LEDGER);
  await sql`update holdfast.ledger set reserved_delta = 1 where reservation = ${id} and kind = 'cancelled'`;
  expect((await verify(home)).stdout).toContain(`reservation ${id} in partition `);
  await sql`update holdfast.stock_level set on_hand = on_hand + 3, reserved = reserved + 1`;
  await sql.end();
  await server.stop();
  const repaired = await verify(home, '--repair', '--yes');
  expect(repaired.stdout).toEndWith('\nthe books balance\n');
  expect(repaired.code).toBe(0);
});
