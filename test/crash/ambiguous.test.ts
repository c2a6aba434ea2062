/**
 * Commits whose answer never came: the connection of a commit lane is ended again and again under
 * load. What landed is found out exactly, so nobody notices but by the clock: no refusal, no unknown
 * outcome, no effect twice, no worker that has to be started again.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { startServer, type TestServer } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const FOR_MS = 4000;

let server: TestServer;
let sql: BooksSql;

beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' } });
  sql = openBooks(server);
}, SLOW_MS);

afterAll(async () => {
  await sql.end();
  await server.stop();
}, SLOW_MS);

test(
  'connections that end under a commit',
  async () => {
    const pids = server.workerPids();
    const load = new Load(server.port, 'ambiguous');
    await load.start();
    let ended = 0;
    let underCommit = 0;
    for (const until = Date.now() + FOR_MS; Date.now() < until; await Bun.sleep(100 * Math.random())) {
      const rows = await sql`
        select state, pg_terminate_backend(pid) from pg_stat_activity
         where application_name in ('holdfast worker 0 lane 0', 'holdfast worker 1 lane 0')
           and (application_name = 'holdfast worker 0 lane 0' or random() < 0.3)`;
      ended += rows.length;
      underCommit += rows.filter(({ state }) => state === 'active').length;
    }
    await load.stop();
    console.log(`${ended} connections ended, ${underCommit} of them under a commit; ${load.summary}`);
    expect(underCommit).toBeGreaterThan(10);
    expect(load.failures).toEqual([]);
    await load.check(sql);
    expect(server.workerPids()).toEqual(pids);
    expect(server.output()).not.toContain('child.died');
  },
  SLOW_MS,
);
