/** The processes that a supervisor keeps, and how a rolling restart replaces them. What it does in which order is in rolling.ts. */
import { systemClock } from '../clock.ts';
import { FRONT_DRAIN_MS, STARTED_WITHIN_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { KeptProcess } from './kept-process.ts';
import type { Placement } from './placement.ts';
import { type Restartable, restartRolling, type Successor } from './rolling.ts';
import { within } from './within.ts';

export interface Kept {
  workers: KeptProcess[];
  fronts: KeptProcess[];
  /** Fronts that are ready to take the place of another. */
  standby: KeptProcess[];
}

export interface ReplacingParts {
  /** The number of the spare worker: the one after the last. */
  spare: number;
  socketOf(worker: number): string;
  newWorker(worker: number): KeptProcess;
  newFront(front: number): Successor;
}

export class Replacing implements Restartable {
  private underWay = false;

  constructor(
    readonly placement: Placement,
    private readonly kept: Kept,
    private readonly parts: ReplacingParts,
  ) {}

  /** @throws Error with a sentence, when something has gone wrong; everything serves */
  async restartRolling(say: (progress: string) => void): Promise<void> {
    if (this.underWay) throw new Error('a rolling restart is under way');
    this.underWay = true;
    log.info('restart.begins', {});
    try {
      await restartRolling(this, say);
      log.info('restart.done', {});
    } catch (error) {
      log.error('restart.failed', { reason: (error as Error).message });
      throw error;
    } finally {
      this.underWay = false;
    }
  }

  workers(): KeptProcess[] {
    return this.kept.workers.slice(0, this.parts.spare);
  }
  fronts(): KeptProcess[] {
    return this.kept.fronts;
  }

  /** What the spare worker could not give back it keeps, and stays; the next time it is used again. */
  async withSpare(step: (spare: number) => Promise<void>): Promise<void> {
    const { placement, kept } = this;
    const { spare, socketOf, newWorker } = this.parts;
    try {
      if (kept.workers.length === spare) {
        await placement.grow(socketOf(spare));
        const worker = newWorker(spare);
        kept.workers.push(worker);
        await startInTime(worker);
      }
      await step(spare);
    } finally {
      const isGone = await placement.shrink(async () => kept.workers[spare]?.drain());
      if (isGone) kept.workers.splice(spare);
    }
  }

  async prepareFront(front: number): Promise<Successor> {
    const successor = this.parts.newFront(front);
    this.kept.standby.push(successor.child);
    try {
      await startInTime(successor.child);
    } catch (error) {
      this.kept.standby.pop();
      throw error;
    }
    return successor;
  }

  async replaceFront(front: number, { child, listensAtStart }: Successor): Promise<void> {
    const old = this.kept.fronts[front];
    const closed = old.hears('closed');
    const cancel = systemClock.after(FRONT_DRAIN_MS, () => old.kill());
    const drained = old.drain();
    await closed;
    listensAtStart();
    const listening = child.hears('listening');
    child.tell({ type: 'listen' });
    const late = systemClock.after(STARTED_WITHIN_MS, () => child.kill());
    const listens = (await listening.finally(late)) !== undefined;
    this.kept.fronts[front] = child;
    this.kept.standby.pop();
    if (!listens) await serveAgain(child);
    await drained.finally(cancel);
    if (!listens) throw new Error(`the new ${child.name} ended before it listened; another one serves`);
  }
}

/** Whoever has died is started again by itself. */
function serveAgain(child: KeptProcess): Promise<void> {
  const late = `nobody serves as ${child.name}`;
  return within(STARTED_WITHIN_MS, child.serves(), late, () => child.kill());
}

/** It has nothing to load. */
function startInTime(child: KeptProcess): Promise<void> {
  return within(STARTED_WITHIN_MS, child.start(), `${child.name} is not ready`, () => child.kill());
}
