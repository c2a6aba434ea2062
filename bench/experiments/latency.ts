/**
 * How long an answer takes while the server is not at its limit: open loop at fixed parts of the measured peak,
 * beside what one durable commit takes on this disk.
 */
import { alternate } from '../alternate.ts';
import { Account } from '../books.ts';
import { emptyTransactions } from '../ceilings/empty-transaction.ts';
import { hasWrk } from '../generators/wrk.ts';
import { LOADS } from '../load.ts';
import { median } from '../numbers.ts';
import { figureOf } from '../results.ts';
import type { Server } from '../servers.ts';
import { AROUND_A_RUN_SECONDS, type Session } from '../session.ts';
import type { Workload } from '../workloads.ts';

const PARTS = [0.25, 0.5, 0.75];
/** Enough that none is waited for while the server keeps up. */
export const OPEN_CONNECTIONS = 256;
export const HALF = '1/2 of the peak';
const NAMES = new Map([
  [0.25, '1/4 of the peak'],
  [0.5, HALF],
  [0.75, '3/4 of the peak'],
]);

export const latency: Workload = {
  title: 'open loop at parts of the peak, beside an empty transaction made durable',
  seconds: ({ rounds, seconds }) => rounds * (2 + PARTS.length) * (seconds + AROUND_A_RUN_SECONDS),
  async measure(session, workload) {
    const { rounds, seconds } = session.options;
    const holdfast = (await session.server('holdfast'))!;
    const sql = await session.sql();
    const account = await Account.open(holdfast.keeper!);
    const peak = await peakOf(session, holdfast, account);
    const [empty, ...open] = await alternate(rounds, [
      () => {
        session.step(`${workload}: empty transactions`, seconds);
        return emptyTransactions(sql, seconds);
      },
      ...PARTS.map((part) => async () => {
        const how = { tool: 'open loop', rate: peak * part } as const;
        const step = `${workload}: holdfast at ${NAMES.get(part)}`;
        const shot = await session.run(holdfast, LOADS.uniform, OPEN_CONNECTIONS, step, how);
        account.add(LOADS.uniform, shot.effects);
        return shot;
      }),
    ]);
    const figures = [
      figureOf('empty transaction', undefined, 'commits/s', empty),
      ...PARTS.map((part, index) => figureOf('holdfast', NAMES.get(part), LOADS.uniform.unit, open[index])),
    ];
    return { results: [{ workload, seconds, figures }], faults: await account.faults() };
  },
};

/** @returns reservations a second with as many connections as the benchmark uses, by the generator that takes least */
export async function peakOf(session: Session, holdfast: Server, account: Account): Promise<number> {
  if (session.peak !== undefined) return session.peak;
  const { rounds, connections } = session.options;
  const many = Math.max(...connections);
  const rates: number[] = [];
  while (rates.length < rounds) {
    const tool = hasWrk() ? 'wrk' : 'autocannon';
    const step = `the peak with ${many} connections`;
    const { operations, seconds, effects } = await session.run(holdfast, LOADS.uniform, many, step, { tool });
    account.add(LOADS.uniform, effects);
    rates.push(operations / seconds);
  }
  session.peak = median(rates);
  return session.peak;
}
