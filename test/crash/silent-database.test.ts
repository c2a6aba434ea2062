/**
 * A database that has stopped answering, without closing a connection: /readyz says so although nobody
 * writes, and is ready again by itself; and a lane whose own session is stuck finds another.
 */
import { afterEach, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { COMMIT_ANSWER_MS } from '../../src/limits.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const NOTICED_MS = 5000;
const embedded = !process.env.DATABASE_URL && process.platform === 'linux';

let server: TestServer | undefined;
afterEach(() => server?.kill9(), SLOW_MS);

/** The postmaster and all of its processes. */
function postgresPids(postmaster: number): number[] {
  const children = readdirSync('/proc').filter((name) => {
    try {
      return new RegExp(`^PPid:\\s+${postmaster}$`, 'm').test(readFileSync(`/proc/${name}/status`, 'utf8'));
    } catch {
      return false;
    }
  });
  return [postmaster, ...children.map(Number)];
}

test.if(embedded)(
  'a silent database makes the server not ready, without a write to find out',
  async () => {
    server = await startServer({ env: { HOLDFAST_WORKERS: '1', HOLDFAST_FRONTS: '1' } });
    const { url, output } = server;
    const ready = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
    const pids = postgresPids(server.postgresPid()!);
    expect(pids.length).toBeGreaterThan(3);
    expect(await ready()).toBe(200);
    try {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await until(async () => (await ready()) === 503, NOTICED_MS, output);
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
        status: 'not-ready',
        missing: [
          expect.stringMatching(/^worker 0 commits nothing since .*Z: the database is out of reach$/),
        ],
      });
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await until(async () => (await ready()) === 200, NOTICED_MS, output);
  },
  SLOW_MS,
);

test.if(embedded)(
  'a commit that is never answered is taken for lost, and the lane goes on over another connection',
  async () => {
    server = await startServer({ env: { HOLDFAST_WORKERS: '1', HOLDFAST_FRONTS: '1' } });
    const { url, output, workerPids } = server;
    const put = (onHand: number): Promise<Response> =>
      fetch(`${url}/v1/stock/stuck/dc1`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ onHand }),
      });
    expect((await put(1)).status).toBe(201);
    const worker = workerPids();
    const sql = postgres(`postgres://holdfast@localhost/postgres`, {
      host: join(server.home.dataDir, 'run'),
      max: 1,
    });
    const [{ pid }] =
      await sql`select pid from pg_stat_activity where application_name = 'holdfast worker 0 lane 0'`;
    await sql.end();
    process.kill(pid, 'SIGSTOP');
    try {
      const unknown = await put(2);
      expect([unknown.status, ((await unknown.json()) as { code: string }).code]).toEqual([
        503,
        'outcome-unknown',
      ]);
      await until(async () => (await put(3)).status === 200, 2 * COMMIT_ANSWER_MS, output);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    // The stuck session wakes to a partition that has gone on without it, and changes nothing.
    await Bun.sleep(500);
    const { levels } = (await (await fetch(`${url}/v1/stock/stuck`)).json()) as { levels: object[] };
    expect(levels[0]).toMatchObject({ onHand: 3, version: 3 });
    expect((await put(4)).status).toBe(200);
    expect(workerPids()).toEqual(worker);
  },
  SLOW_MS,
);
