/**
 * Whether a large stock slows anything: the same load on a Holdfast with 10,000 levels and on one with many; and whether holds
 * expire in time there, beside all that are held.
 */
import { alternate } from '../alternate.ts';
import { secondsToRestart, sizeOf } from '../big.ts';
import { Account } from '../books.ts';
import { LOADS } from '../load.ts';
import { median } from '../numbers.ts';
import { figureOf, measured } from '../results.ts';
import { AROUND_A_RUN_SECONDS } from '../session.ts';
import type { Workload } from '../workloads.ts';
import { expired, latenessSince } from './expiry.ts';

export const LARGE = 'holdfast, large';
export const EXPIRED = 'holds expired late by at most';
const HOLD_SECONDS = 1;

export const growth: Workload = {
  title: 'uniform holds, and their expiry, on a large stock, beside 10,000 levels',
  seconds: ({ rounds, seconds, ...sizes }) =>
    (3 * rounds + 2) * (seconds + AROUND_A_RUN_SECONDS) + secondsToRestart(sizes),
  async measure(session, workload) {
    const { rounds, seconds, connections } = session.options;
    const [many] = connections;
    const big = await session.big();
    const small = (await session.server('holdfast'))!;
    const kinds = [
      { server: 'holdfast', running: small, load: LOADS.uniform, what: '10,000 levels' },
      {
        server: LARGE,
        running: { url: big.holdfast.url, parts: big.holdfast.parts, keeper: big.holdfast },
        load: { ...LOADS.uniform, skus: big.skus },
        what: sizeOf(session),
      },
    ];
    const accounts = new Map<object, Account>();
    for (const { running } of kinds) accounts.set(running, await Account.open(running.keeper!));
    const run = async ({ server, running, load }: (typeof kinds)[number]) => {
      const shot = await session.run(running, load, many, `${workload}: ${server}`);
      accounts.get(running)!.add(load, shot.effects);
      return shot;
    };
    // The large one has just been started: its code has not run yet.
    await run(kinds[1]);
    const shots = await alternate(
      rounds,
      kinds.map((kind) => () => run(kind)),
    );
    const figures = kinds.map(({ server, what, load }, index) =>
      figureOf(server, what, load.unit, shots[index]),
    );
    const [, { running, load }] = kinds;
    const sql = big.holdfast.connect();
    const rate = median(shots[1].map(({ operations, seconds }) => operations / seconds)) / 2;
    const late: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const startedAt = new Date();
      const how = { tool: 'open loop', rate } as const;
      const short = { ...load, expiresInSeconds: HOLD_SECONDS };
      const { effects } = await session.run(running, short, many, `${workload}: holds that expire`, how);
      late.push(await latenessSince(sql, startedAt, effects.held));
      expired(accounts.get(running)!, effects.held);
    }
    await sql.end();
    figures.push(measured(LARGE, `${EXPIRED}, at half of this peak`, 's', late));
    const faults: string[] = [];
    for (const account of accounts.values()) faults.push(...(await account.faults()));
    return { results: [{ workload, connections: many, seconds, figures }], faults };
  },
};
