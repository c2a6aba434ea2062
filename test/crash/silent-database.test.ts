/**
 * A database that has stopped answering, without closing a connection: /readyz says so although nobody
 * writes, and is ready again by itself.
 */
import { afterAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { startServer, type TestServer, until } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const NOTICED_MS = 5000;
const embedded = !process.env.DATABASE_URL && process.platform === 'linux';

let server: TestServer | undefined;
afterAll(() => server?.kill9(), SLOW_MS);

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
        missing: ['worker 0 cannot reach the database'],
      });
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await until(async () => (await ready()) === 200, NOTICED_MS, output);
  },
  SLOW_MS,
);
