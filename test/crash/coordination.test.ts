/**
 * Orders over several partitions while homes, participants and fronts die at any moment between try, decide and settle
 * (invariant I6): each order is held wholly or not at all, and what nobody finished is swept up within the bound.
 *
 * A real process can't be stopped at an exact line (the simulation does that), so many are killed at random moments.
 * HOLDFAST_TEST_SECONDS says for how long.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type BooksSql, openBooks, strayHolds } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { HELD_AFTER_EXPIRY_MS } from '../helpers/promises.ts';
import { everythingServes, stockProbes } from '../helpers/recovery.ts';
import { startServer, type TestServer } from '../helpers/server.ts';

const FRONTS = 2;
const WORKERS = 3;
const KILLING_MS = Number(process.env.HOLDFAST_TEST_SECONDS ?? 8) * 1000;
const PAUSE_MS_MAX = 1500;
setDefaultTimeout(KILLING_MS + 90_000);

let server: TestServer;
let sql: BooksSql;
const under = () => ({ server, fronts: FRONTS, workers: WORKERS });

beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: `${WORKERS}`, HOLDFAST_FRONTS: `${FRONTS}` } });
  sql = openBooks(server);
  await stockProbes(under());
});

afterAll(async () => {
  await sql.end();
  expect(server.output()).not.toMatch(/invariant\.broken|books\.unbalanced/);
  await server.stop();
});

test('homes, participants and fronts die at any moment', async () => {
  const load = new Load(server.port, 'together', { fronts: FRONTS, together: true });
  await load.start();
  let killed = 0;
  let mostUnfinished = 0;
  for (const end = Date.now() + KILLING_MS; Date.now() < end; ) {
    await Bun.sleep(PAUSE_MS_MAX * Math.random());
    // Mostly workers: while no front is there, nothing is under way that could be left unfinished.
    const running = Math.random() < 0.8 ? server.workerPids() : server.frontPids();
    const pid = running[Math.floor(Math.random() * running.length)];
    if (pid === undefined) continue;
    try {
      process.kill(pid, 'SIGKILL');
      killed++;
    } catch {
      // It has ended, and the list is from before.
    }
    mostUnfinished = Math.max(mostUnfinished, await strayHolds(sql));
  }
  await everythingServes(under());
  await load.stop();
  const servedAt = performance.now();
  expect(killed).toBeGreaterThan(3);
  await load.check(sql);
  const sweptAfterMs = Math.round(performance.now() - servedAt);
  console.log(
    `${killed} processes killed, up to ${mostUnfinished} unfinished parts at once, all swept up ${sweptAfterMs} ms after everything served; ${load.summary}`,
  );
  expect(sweptAfterMs).toBeLessThan(HELD_AFTER_EXPIRY_MS + 3000);
});
