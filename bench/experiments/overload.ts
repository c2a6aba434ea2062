/**
 * More than it can carry: open loop at 1, 2 and 5 times the sustainable rate. The database is made the limit, as one behind a
 * narrow network is: on a machine that everything shares, nothing could be offered five times over otherwise.
 *
 *   generator ──HTTP, open loop──▶ front ▶ worker ──▶ proxy, slow and narrow ──▶ Postgres
 */
import { DatabaseProxy } from '../../test/helpers/database-proxy.ts';
import { Account } from '../books.ts';
import type { Measured } from '../generators/generator.ts';
import type { Holdfast } from '../holdfast.ts';
import { Latencies } from '../latencies.ts';
import { allOf, LOADS } from '../load.ts';
import { readable, rounded, sum } from '../numbers.ts';
import { type Figure, figureOf, measured } from '../results.ts';
import type { Server } from '../servers.ts';
import { AROUND_A_RUN_SECONDS, type Session, START_SECONDS } from '../session.ts';
import { stateOf } from '../soak/processes.ts';
import type { Workload } from '../workloads.ts';

const LOAD = LOADS.uniform;
const TIMES = [1, 2, 5];
/** Longer than queues take to fill, and callers to lose patience. */
const STEP_OF_A_RUN = 6;
const LATENCY_MS = 2;
const BYTES_A_SECOND = 70_000;
/** In a closed loop, to find the peak: the more there are the larger are the commits. */
const PEAK_CONNECTIONS = [64, 256];
/** As many callers as there may be in all; whoever finds none free waits, and that is part of what is measured. */
const CONNECTIONS = 2048;
const PORT = 5432;
const MIB = 2 ** 20;
const DATABASE = 'overload';

export const PEAK = 'peak';
export const REFUSED = 'refused at 5 ×';
export const SPINNING = `${CONNECTIONS} clients that come back at once`;
export const UNADVISED = 'refused without Retry-After';
export const OTHERWISE = 'answered otherwise, or not at all';
export const GROWTH = 'memory, growth';
export const timesPeak = (times: number): string => `${times} × the peak`;

export const overload: Workload = {
  title: 'open loop at 1, 2 and 5 times the sustainable rate, with a database that is the limit',
  seconds: ({ seconds }) =>
    2 * START_SECONDS +
    2 * PEAK_CONNECTIONS.length * (seconds + AROUND_A_RUN_SECONDS) +
    (TIMES.length + 1) * (STEP_OF_A_RUN * seconds + AROUND_A_RUN_SECONDS),
  async measure(session, workload) {
    const beside = await session.another('a database', []);
    const proxy = await session.once('a proxy', () => proxyBefore(beside));
    const url = proxy.urlOf(specOf(beside));
    const skus = allOf(LOAD.skus);
    const holdfast = await session.another(workload, skus, { DATABASE_URL: url });
    await holdfast.loadStock(skus);
    const { fronts, workers } = holdfast.pids();
    const parts = { processes: { front: fronts, worker: workers }, postmaster: beside.pids().postgres };
    const server: Server = { url: holdfast.url, parts, keeper: holdfast };
    const account = await Account.open(holdfast);
    const bytes = () => sum([...fronts, ...workers].map((pid) => stateOf(pid, 'VmRSS').bytes));

    proxy.slowDown(LATENCY_MS);
    proxy.narrow(BYTES_A_SECOND);
    const peaks = await findPeak(session, server, account);
    const rate = Math.max(...peaks.map(({ operations, seconds }) => operations / seconds));
    const before = bytes();
    const steps: Measured[] = [];
    for (const times of TIMES) {
      const seconds = STEP_OF_A_RUN * session.options.seconds;
      const how = { tool: 'open loop', rate: rate * times, seconds } as const;
      const shot = await session.run(server, LOAD, CONNECTIONS, `${workload}: ${timesPeak(times)}`, how);
      account.add(LOAD, shot.effects);
      steps.push(shot);
    }
    const growth = (bytes() - before) / MIB;
    const spinning = await session.run(server, LOAD, CONNECTIONS, `${workload}: ${SPINNING}`, {
      seconds: STEP_OF_A_RUN * session.options.seconds,
    });
    account.add(LOAD, spinning.effects);
    const last = steps.at(-1)!;
    const figures = [
      { ...figureOf('holdfast', PEAK, LOAD.unit, peaks.slice(-1)), value: readable(rate) },
      ...TIMES.map((times, index) => accepted(timesPeak(times), steps[index])),
      refused(last),
      figureOf('holdfast', SPINNING, LOAD.unit, [spinning]),
      measured('holdfast', UNADVISED, 'of all steps', [sum(steps.map(({ unadvised = 0 }) => unadvised))], 0),
      measured('holdfast', OTHERWISE, 'of all steps', [sum(steps.map(otherwise))], 0),
      measured('holdfast', GROWTH, 'MiB, front and worker', [growth], 0),
    ];
    proxy.heal();
    return {
      results: [{ workload, seconds: STEP_OF_A_RUN * session.options.seconds, figures }],
      faults: await account.faults(),
    };
  },
};

function specOf(beside: Holdfast) {
  return { ...beside.database(), port: PORT, database: DATABASE };
}

/** A database of its own in the Postgres of a server that does nothing else. */
async function proxyBefore(beside: Holdfast): Promise<DatabaseProxy & AsyncDisposable> {
  const sql = beside.connect();
  await sql.unsafe(`create database ${DATABASE}`);
  await sql.end();
  const proxy = await DatabaseProxy.start(specOf(beside));
  return Object.assign(proxy, { [Symbol.asyncDispose]: () => proxy.stop() });
}

/** Twice, because the first finds everything cold. */
async function findPeak(session: Session, server: Server, account: Account): Promise<Measured[]> {
  const shots: Measured[] = [];
  for (const connections of [...PEAK_CONNECTIONS, ...PEAK_CONNECTIONS]) {
    const shot = await session.run(server, LOAD, connections, `the peak with ${connections} connections`);
    account.add(LOAD, shot.effects);
    shots.push(shot);
  }
  return shots;
}

/** Of what was held while requests were being sent. */
function accepted(what: string, shot: Measured): Figure {
  const figure = figureOf('holdfast', what, LOAD.unit, [shot]);
  const rate = readable(shot.heldInTime! / shot.seconds);
  return { ...figure, value: rate, rounds: [rate], ...percentiles(shot, '201') };
}

function refused(shot: Measured): Figure {
  const rate = readable((shot.statuses['503'] ?? 0) / shot.seconds);
  return {
    server: 'holdfast',
    what: REFUSED,
    value: rate,
    unit: '/s',
    rounds: [rate],
    ...percentiles(shot, '503'),
  };
}

function percentiles({ byStatus }: Measured, status: string): Pick<Figure, 'p50Ms' | 'p99Ms' | 'p999Ms'> {
  const latencies = new Latencies(byStatus![status]);
  const at = (share: number) => rounded(latencies.percentileMs(share), 3);
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}

function otherwise({ statuses, effects }: Measured): number {
  const others = Object.entries(statuses).filter(([status]) => status !== '201' && status !== '503');
  return sum(others.map(([, times]) => times)) + effects.lost;
}
