/** A database that the first version left behind: the server of today brings it forward, finds everything, and its books balance. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { sql as firstSchema } from '../../src/storage/migrations/001-reservations.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { startServer, type TestServer } from '../helpers/server.ts';
import { Shop } from '../helpers/shop.ts';
import { verify } from '../helpers/verify.ts';

const SLOW_MS = 60_000;
const PARTITIONS = 256;
const SKU = 'MUG-BLUE';
const PARTITION = partitionOf(SKU, PARTITIONS);
/** It ends with its home partition; see src/reservations/id.ts. */
const HELD = `01a20b3b-e8e9-7868-a7e2-8ebaa95d${PARTITION.toString(16).padStart(4, '0')}`;

let database: TestDatabase;
let folder: string;
let server: TestServer;
beforeAll(async () => {
  database = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'holdfast-upgrade-'));
  await leaveBehind(await database.url());
}, SLOW_MS);
afterAll(async () => {
  await server?.stop();
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
}, SLOW_MS);

/** Ten mugs were counted, and three of them are held. */
async function leaveBehind(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql.unsafe(`
    create schema holdfast; set search_path to holdfast;
    create table migration (number integer primary key, applied_at timestamptz not null default now());
    create table setting (name text primary key, value text not null);
    ${firstSchema};
    insert into migration (number) values (1);
    insert into setting values ('partitions', '${PARTITIONS}');
    insert into partition (partition) select generate_series(0, ${PARTITIONS - 1});
    update partition set epoch = 7, commit_seq = 2, ledger_seq = 2 where partition = ${PARTITION};
    insert into stock_level values (${PARTITION}, 0, '${SKU}', 'berlin', 10, 3, 0, 0, 2, now());
    insert into reservation (partition, status, id, home, created_at, expires_at, reference, participants, lines)
      values (${PARTITION}, 'held', '${HELD}', ${PARTITION}, now(), now() + interval '1 day', 'order-1', '{}', '{0, 0, 3}');
    insert into ledger values
      (${PARTITION}, 1, 0, 'counted', 10, 0, null, now()),
      (${PARTITION}, 2, 0, 'held', 0, 3, '${HELD}', now());`);
  await sql.end();
}

test(
  'a server brings it forward and goes on with it',
  async () => {
    const home = { dataDir: join(folder, 'data'), databaseUrl: await database.url(), remove: async () => {} };
    server = await startServer({ home });
    const shop = new Shop(server);
    expect(await shop.level(SKU, 'berlin')).toMatchObject({
      onHand: 10,
      reserved: 3,
      available: 7,
      version: 2,
    });
    expect((await shop.read(HELD)).body).toMatchObject({
      status: 'held',
      reference: 'order-1',
      lines: [{ sku: SKU, quantity: 3 }],
    });
    expect((await shop.hold([{ sku: SKU, quantity: 8 }])).code).toBe('insufficient-stock');
    expect((await shop.confirm(HELD)).status).toBe(200);
    expect(await shop.level(SKU, 'berlin')).toMatchObject({ onHand: 7, reserved: 0, available: 7 });
    expect(await verify(home)).toMatchObject({ code: 0 });
  },
  SLOW_MS,
);
