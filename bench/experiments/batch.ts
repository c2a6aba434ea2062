/**
 * The batch endpoint beside COPY: 10,000 reservations in a request, several requests on their way at once,
 * against the same rows written by COPY over one connection.
 */
import { alternate } from '../alternate.ts';
import { Account } from '../books.ts';
import { CopyCeiling } from '../ceilings/copy.ts';
import { LOADS } from '../load.ts';
import { figureOf } from '../results.ts';
import { AROUND_A_RUN_SECONDS } from '../session.ts';
import type { Workload } from '../workloads.ts';

/** Requests on their way at once: while one is committed, the next is read. */
const AT_ONCE = 4;

export const batch: Workload = {
  title: 'POST /v1/reservations/batch of 10,000, beside COPY of the same rows',
  seconds: ({ rounds, seconds }) => 2 * rounds * (seconds + AROUND_A_RUN_SECONDS),
  async measure(session, workload) {
    const { rounds, seconds } = session.options;
    const load = LOADS.batch;
    const holdfast = (await session.server('holdfast'))!;
    const account = await Account.open(holdfast.keeper!);
    const ceiling = await CopyCeiling.create(await session.sql(), load.batch);
    const [copied, held] = await alternate(rounds, [
      () => {
        session.step(`${workload}: COPY`, seconds);
        return ceiling.run(seconds);
      },
      async () => {
        const shot = await session.run(holdfast, load, AT_ONCE, `${workload}: holdfast`);
        account.add(load, { ...shot.effects, lost: shot.effects.lost * load.batch });
        return shot;
      },
    ]);
    const figures = [
      figureOf('COPY', undefined, load.unit, copied),
      figureOf('holdfast', undefined, load.unit, held),
    ];
    return {
      results: [{ workload, connections: AT_ONCE, seconds, figures }],
      faults: await account.faults(),
    };
  },
};
