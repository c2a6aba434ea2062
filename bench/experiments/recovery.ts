/** A cold start on a large stock: seconds from starting the processes until every partition is served. */
import { restartBig, secondsToBig, secondsToRestart, sizeOf } from '../big.ts';
import { measured } from '../results.ts';
import type { Workload } from '../workloads.ts';

export const recovery: Workload = {
  title: 'a cold start with a large stock, until it serves',
  seconds: (options) => secondsToBig(options) + options.rounds * secondsToRestart(options),
  async measure(session, workload) {
    const { holdfast, startedInSeconds } = await session.big();
    const starts = [startedInSeconds];
    while (starts.length < session.options.rounds) starts.push(await restartBig(session, holdfast));
    const figures = [measured('holdfast', sizeOf(session), 's', starts)];
    return { results: [{ workload, figures }], faults: holdfast.contradictions() };
  },
};
