/** What a stock level and a held reservation take in a worker: by its arrays, and by what the system has given it. */
import { join } from 'node:path';
import { secondsToBig, secondsToRestart, sizeOf } from '../big.ts';
import { count } from '../numbers.ts';
import { measured } from '../results.ts';
import type { Workload } from '../workloads.ts';
import type { ArrayBytes } from './memory-probe.ts';

const MIB = 2 ** 20;
/** For the progress bar. */
const ADDED_A_SECOND = 300_000;

export const memory: Workload = {
  title: 'bytes in a worker of a level and of a held reservation',
  seconds: (options) =>
    secondsToBig(options) + secondsToRestart(options) + (options.levels + options.held) / ADDED_A_SECOND,
  async measure(session, workload) {
    const { levels, held } = session.options;
    const { holdfast } = await session.big();
    session.step(`${workload}: filling arrays`, (levels + held) / ADDED_A_SECOND);
    const { level, reservation } = await probe(levels, held);
    const figures = [
      measured('a level', 'besides its key bytes', 'B', [level], 1),
      measured('a held reservation', undefined, 'B', [reservation], 1),
      measured('a worker in all', `${sizeOf(session)}`, 'MiB', [holdfast.workerBytes / MIB], 0),
    ];
    return { results: [{ workload, figures }], faults: holdfast.contradictions() };
  },
};

/** In a process of its own, which is busy for a while and then gone with what it took. */
async function probe(levels: number, held: number): Promise<ArrayBytes> {
  const file = join(import.meta.dir, 'memory-probe.ts');
  const child = Bun.spawn([process.execPath, file, String(levels), String(held)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${count(levels)} levels could not be measured`);
  return JSON.parse(output);
}
