/**
 * A disk that is full under the embedded database: no process of Holdfast ends of it, /readyz says what is wrong, whoever
 * writes gets 503, and when there is room again it serves by itself.
 *
 * The data folder is on a file system of its own, of limited size, which only root can mount.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { everythingServes, probesOf, Recoveries, stockProbes } from '../helpers/recovery.ts';
import { type Home, makeHome, startServer, type TestServer, until } from '../helpers/server.ts';

setDefaultTimeout(90_000);
const DISK = '256m';
/** What is left is used up by the load. */
const LEFT_BYTES = 256 * 1024;
const FULL_MS = 3000;
const FRONTS = 2;
const WORKERS = 2;
const WRITE_MS = 200;

function run(...command: string[]): boolean {
  return Bun.spawnSync(command).exitCode === 0;
}

function mount(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  return run('mount', '-t', 'tmpfs', '-o', `size=${DISK},mode=755`, 'holdfast-test', folder);
}

/** Also root may not, in some containers. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mount-'));
  const can = mount(folder) && run('umount', folder);
  rmSync(folder, { recursive: true });
  return can;
}

const isPossible =
  !process.env.DATABASE_URL && process.platform === 'linux' && process.getuid?.() === 0 && canMount();
if (!isPossible) console.log('skipped: a full disk takes root, mount and the embedded Postgres');

let home: Home;
let server: TestServer;
let sql: BooksSql;
const under = () => ({ server, sql, fronts: FRONTS, workers: WORKERS });
const recoveries = new Recoveries(under);
const loads: Load[] = [];

beforeAll(async () => {
  if (!isPossible) return;
  home = await makeHome();
  expect(mount(home.dataDir)).toBe(true);
  server = await startServer({
    home,
    env: { HOLDFAST_WORKERS: `${WORKERS}`, HOLDFAST_FRONTS: `${FRONTS}` },
  });
  sql = openBooks(server);
  await stockProbes(under());
});

afterAll(async () => {
  if (!isPossible) return;
  recoveries.print();
  await sql.end({ timeout: 1 });
  await server.stop().finally(async () => {
    run('umount', home.dataDir);
    await home.remove();
  });
});

/** Fills the disk but for a little, under load, for as long as it takes. */
async function whileFull(
  name: string,
  meanwhile: (load: Load, missing: () => Promise<string[]>) => Promise<void>,
): Promise<void> {
  const pids = [...server.workerPids(), ...server.frontPids()];
  const load = new Load(server.port, name);
  await load.start();
  await Bun.sleep(500);
  const ballast = join(home.dataDir, 'ballast');
  const { bavail, bsize } = statfsSync(home.dataDir);
  writeFileSync(ballast, new Uint8Array(bavail * bsize - LEFT_BYTES));
  const missing = async (): Promise<string[]> =>
    ((await (await fetch(`${server.url}/readyz`)).json()) as { missing: string[] }).missing;
  try {
    await meanwhile(load, missing);
    const put = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"onHand": 1}' };
    const refused = await fetch(`${server.url}/v1/stock/${load.skus[0]}/berlin`, put);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    const read = await fetch(`${server.url}/v1/stock/${load.skus[0]}`);
    expect([read.status, read.headers.has('age')]).toEqual([200, true]);
  } finally {
    rmSync(ballast);
  }
  const roomAt = performance.now();
  await everythingServes(under());
  recoveries.note(`${name}, from when there is room`, performance.now() - roomAt);
  await load.stop();
  console.log(`${name}: ${load.summary}`);
  expect([...server.workerPids(), ...server.frontPids()]).toEqual(pids);
  expect(server.output()).not.toMatch(/invariant\.broken|books\.unbalanced/);
  await load.checkAnswers(sql);
  loads.push(load);
}

/** Whether it is written, or refused, or waits. */
async function write(sku: string): Promise<void> {
  const body = JSON.stringify({ delta: 1, reason: 'found' });
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(WRITE_MS);
  const path = `/v1/stock/${sku}/berlin/adjustments`;
  await fetch(server.url + path, { method: 'POST', headers, body, signal }).catch(() => {});
}

test.if(isPossible)('a full disk', () =>
  whileFull('disk-full', async (load, missing) => {
    const full = expect.stringMatching(
      /^worker \d commits nothing since \S+Z: the disk of the database is full$/,
    );
    const late = () => `the disk is not full; ${load.summary}`;
    // All clients may wait for what one worker has: each is made to write, or the other would not notice.
    const isNoticed = async (): Promise<boolean> => {
      await Promise.all(probesOf(WORKERS).map(write));
      return (await missing()).length === WORKERS;
    };
    await until(isNoticed, 20_000, late);
    await Bun.sleep(FULL_MS);
    expect(await missing()).toEqual(Array.from({ length: WORKERS }, () => full));
  }),
);

test.if(isPossible)('a disk so full that Postgres ends, because it cannot write its log', () =>
  whileFull('log-full', async (_, missing) => {
    const own = openBooks(server);
    // Each begins another file of the log.
    const ends = async (): Promise<boolean> => {
      await Promise.race([own`select pg_switch_wal()`.catch(() => {}), Bun.sleep(500)]);
      return server.output().includes('postgres.died');
    };
    await until(ends, 20_000, server.output).finally(() => own.end({ timeout: 0 }));
    await until(async () => (await missing()).length === WORKERS, 5000, server.output);
    await Bun.sleep(FULL_MS);
  }),
);

test.if(isPossible)('and in the end every level is what the answers say', async () => {
  for (const load of loads) await load.check(sql);
});
