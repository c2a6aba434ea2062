/**
 * A thread that says when each millisecond begins. Timers of the event loop are half a millisecond late and
 * more; a thread that sleeps by itself is a tenth late.
 */
import { parentPort, workerData } from 'node:worker_threads';

export interface Pace {
  /** Milliseconds since the Unix epoch. */
  startsAt: number;
  milliseconds: number;
}

const { startsAt, milliseconds } = workerData as Pace;
const nothing = new Int32Array(new SharedArrayBuffer(4));
for (let tick = 0; tick < milliseconds; tick++) {
  const left = startsAt + tick - (performance.timeOrigin + performance.now());
  if (left > 0) Atomics.wait(nothing, 0, 0, left);
  parentPort!.postMessage(tick);
}
