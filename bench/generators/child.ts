/** A load generator: a process of its own that runs one job after the other, so that it is warm. */
import type { Load } from '../load.ts';
import type { Shot } from '../shot.ts';
import { closedLoop } from './closed-loop.ts';
import { openLoop } from './open-loop.ts';

export interface Job {
  url: string;
  load: Load;
  connections: number;
  seconds: number;
  seed: number;
  /** Requests a second, sent by time and not by answer. Absent: each connection sends when it has its answer. */
  rate?: number;
}

export type FromGenerator =
  | { type: 'measuring' }
  | { type: 'measured' }
  | { type: 'done'; shot: Shot }
  | { type: 'failed'; reason: string };

/** How a run says when its measured time begins and ends, so that CPU time can be read at both. */
export interface Watch {
  begins(): void;
  ends(): void;
}

function say(message: FromGenerator): void {
  process.send!(message);
}

const watch: Watch = {
  begins: () => say({ type: 'measuring' }),
  ends: () => say({ type: 'measured' }),
};

process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (job: Job) => {
  // What the job before has left, so that it is not collected during this one: see generator.ts.
  Bun.gc(true);
  const run = job.rate === undefined ? closedLoop(job, watch) : openLoop({ ...job, rate: job.rate }, watch);
  run.then(
    (shot) => say({ type: 'done', shot }),
    (error) => say({ type: 'failed', reason: String(error) }),
  );
});
