/**
 * `restart --rolling` under load: every process is another one afterwards, and no request fails: with two fronts behind a
 * balancer none at all, and with one front and one worker none either but for connections that are opened while the port
 * changes hands.
 */
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { STARTED_WITHIN_MS } from '../../src/limits.ts';
import { Balanced } from '../helpers/balanced.ts';
import { faultsOf, openBooks } from '../helpers/books.ts';
import { makeHome, REPOSITORY, startServer, type TestServer, until } from '../helpers/server.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

const SLOW_MS = 90_000;
const LOADED_MS = 1000;
const STARTED_MS = 15_000;

let server: TestServer | undefined;
afterAll(() => server?.kill9(), SLOW_MS);

async function restart(dataDir: string, ...args: string[]) {
  const child = Bun.spawn([process.execPath, join(REPOSITORY, 'src', 'main.ts'), 'restart', ...args], {
    env: { ...process.env, HOLDFAST_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

test.each([
  { workers: 2, fronts: 2 },
  { workers: 1, fronts: 1 },
])(
  'workers and fronts: %o',
  async ({ workers, fronts }) => {
    const env = { HOLDFAST_WORKERS: String(workers), HOLDFAST_FRONTS: String(fronts) };
    server = await startServer({ env });
    const sql = openBooks(server);
    const before = [...server.workerPids(), ...server.frontPids()];
    const balanced = new Balanced(server, fronts);
    const load = new SteadyLoad(balanced, 'rolling');
    await load.start();
    await Bun.sleep(LOADED_MS);
    const quiet = load.lap();

    const { code, stdout, stderr } = await restart(server.home.dataDir, '--rolling');
    console.log(stdout, 'meanwhile:', load.lap(), 'before:', quiet);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.match(/restarted: process/g)).toHaveLength(workers + fronts);
    await Bun.sleep(LOADED_MS);
    if (fronts > 1) await load.stop();
    else {
      await load.stop().catch(() => {});
      const other = load.failures.filter((failure) => !/Unable to connect|closed unexpectedly/.test(failure));
      expect(other).toEqual([]);
      console.log(`refused while the port changed hands: ${load.failures.length} of ${load.requests}`);
    }
    balanced.close();

    const after = [...server.workerPids(), ...server.frontPids()];
    expect(after).toHaveLength(before.length);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    type Table = { partitions: { worker: number }[] };
    const table = (await (await fetch(`${server.url}/admin/partitions`)).json()) as Table;
    const owners = table.partitions.map(({ worker }) => worker);
    expect(owners).toEqual(
      Array.from({ length: 256 }, (_, partition) => Math.floor((partition * workers) / 256)),
    );
    expect(await faultsOf(sql, { settled: false })).toEqual([]);
    // Nothing is left of those that were replaced.
    expect(await sql`select from holdfast.owner`).toHaveLength(workers);
    expect(server.output()).not.toContain('"level":"error"');
    await sql.end();
    await server.stop();
    server = undefined;
  },
  SLOW_MS,
);

test(
  'a new front that does not get ready is ended, and the old one goes on',
  async () => {
    server = await startServer({ env: { HOLDFAST_WORKERS: '1', HOLDFAST_FRONTS: '1' } });
    const running = server;
    const [old] = running.frontPids();
    const restarting = restart(running.home.dataDir, '--rolling');
    const successor = (): number | undefined => running.frontPids().find((pid) => pid !== old);
    await until(
      () => successor() !== undefined,
      STARTED_MS,
      () => `no other front is started\n${running.output()}`,
    );
    process.kill(successor()!, 'SIGSTOP');
    expect(await restarting).toMatchObject({
      code: 1,
      stderr: `holdfast: front 0 is not ready within ${STARTED_WITHIN_MS / 1000} s\n`,
    });
    await until(
      () => successor() === undefined,
      STARTED_MS,
      () => 'it is still there',
    );
    expect(running.frontPids()).toEqual([old]);
    expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${running.url}/livez`)).status).toBe(200);
    expect(running.output()).toContain('"event":"restart.failed"');
    await running.stop();
    server = undefined;
  },
  SLOW_MS,
);

test(
  'of a new front that ends just when it is to listen, the restart says that it failed, and another one serves',
  async () => {
    server = await startServer({ env: { HOLDFAST_WORKERS: '1', HOLDFAST_FRONTS: '1' } });
    const running = server;
    const [old] = running.frontPids();
    const restarting = restart(running.home.dataDir, '--rolling');
    const statusOf = (path: string): Promise<number> =>
      fetch(`${running.url}${path}`).then(
        ({ status }) => status,
        () => 0,
      );
    // The old one says that it will go when the new one is ready, and after that hands the port over.
    await until(async () => (await statusOf('/livez')) === 503, STARTED_MS, running.output);
    const successor = running.frontPids().find((pid) => pid !== old)!;
    process.kill(successor, 'SIGSTOP');
    await until(async () => (await statusOf('/livez')) === 0, STARTED_MS, running.output);
    process.kill(successor, 'SIGKILL');
    expect(await restarting).toMatchObject({
      code: 1,
      stderr: 'holdfast: the new front 0 ended before it listened; another one serves\n',
      stdout: expect.not.stringContaining('front 0 restarted'),
    });
    expect(await statusOf('/livez')).toBe(200);
    // It has just begun to look for its workers.
    await until(async () => (await statusOf('/readyz')) === 200, STARTED_MS, running.output);
    expect(running.frontPids()).toHaveLength(1);
    expect([old, successor]).not.toContain(running.frontPids()[0]);
    expect(running.output()).toContain('"event":"restart.failed"');
    await running.stop();
    server = undefined;
  },
  SLOW_MS,
);

test('refuses what it does not know, and says where no server runs', async () => {
  const home = await makeHome();
  expect(await restart(home.dataDir)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--rolling'),
  });
  expect(await restart(home.dataDir, '--rolling')).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining(`no server runs on the data folder ${home.dataDir}`),
  });
  await home.remove();
});
