/**
 * A rolling restart: every worker and every front is replaced by a new process, one after another, while the server serves.
 *
 * A worker: its partitions move to a spare worker, which runs for as long as this takes; it is drained and started again; they move
 * back. So it works with one worker too, and no other has to bear more. What was taken over from a worker while it was down
 * comes back here as well.
 *
 * A front: its successor gets everything ready but the port. The old one says that it is about to go (/livez answers 503, each answer
 * closes its connection), and after a while hands over the port, which is free for the few milliseconds that this takes: whoever
 * connects then is refused, unless there is another front and something that tries it. What the old one has, it finishes.
 *
 * A process that is not ready in time is ended, and the restart with it: the old one has not been touched by then, or, of a worker,
 * the spare one has all that it had. A front that ends just when it is to listen, or has to be ended, is started again at that port, as
 * any that dies; once it serves, the restart is over, and has failed.
 */
import { FRONT_NOTICE_MS, RESTARTED_WITHIN_MS } from '../limits.ts';
import type { KeptProcess } from './kept-process.ts';
import type { Placement } from './placement.ts';
import { within } from './within.ts';

/** Its name at the control socket. */
export const ROLLING = 'restart-rolling';

/** A front that is ready to take the place of another. */
export interface Successor {
  child: KeptProcess;
  /** Whoever is started in its place from now on listens without being told. */
  listensAtStart(): void;
}

export interface Restartable {
  placement: Placement;
  workers(): KeptProcess[];
  fronts(): KeptProcess[];
  /** Runs with one worker more, given by its number. */
  withSpare(run: (spare: number) => Promise<void>): Promise<void>;
  /** The successor of a front, ready but for the port. */
  prepareFront(front: number): Promise<Successor>;
  /**
   * From now on this is the front; the old one drains. Resolves when it is gone.
   * @throws Error where the successor did not come to listen, when another one does
   */
  replaceFront(front: number, successor: Successor): Promise<void>;
}

/**
 * @param say told of each step, in a sentence
 * @throws Error with a sentence, when something has gone wrong; what had been restarted by then is, and everything serves
 */
export async function restartRolling(server: Restartable, say: (progress: string) => void): Promise<void> {
  const workers = server.workers().length;
  await server.withSpare(async (spare) => {
    for (let worker = 0; worker < workers; worker++) await restartWorker(server, worker, spare, say);
  });
  for (const front of server.fronts().keys()) await restartFront(server, front, say);
}

async function restartWorker(
  server: Restartable,
  worker: number,
  spare: number,
  say: (progress: string) => void,
): Promise<void> {
  const { placement } = server;
  const kept = server.workers()[worker];
  const before = kept.pid;
  placement.restarting.add(worker);
  try {
    await moved(placement.moveAll(placement.ownedBy(worker), spare));
    await within(RESTARTED_WITHIN_MS, kept.restart(), `worker ${worker} does not come back`, () =>
      kept.kill(),
    );
    const back = [...placement.ownedBy(spare), ...placement.displacedFrom(worker)];
    await moved(placement.moveAll(back, worker));
    say(`worker ${worker} restarted: process ${before} → ${kept.pid}, ${back.length} partitions`);
  } finally {
    placement.restarting.delete(worker);
  }
}

async function moved(moving: Promise<string | undefined>): Promise<void> {
  const reason = await moving;
  if (reason !== undefined) throw new Error(`partitions could not be moved: ${reason}`);
}

async function restartFront(
  server: Restartable,
  front: number,
  say: (progress: string) => void,
): Promise<void> {
  const old = server.fronts()[front];
  const before = old.pid;
  const successor = await server.prepareFront(front);
  old.tell({ type: 'leave' });
  await Bun.sleep(FRONT_NOTICE_MS);
  await server.replaceFront(front, successor);
  say(`front ${front} restarted: process ${before} → ${successor.child.pid}`);
}
