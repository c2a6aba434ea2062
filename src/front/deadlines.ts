/**
 * Gives up on what takes too long, without a timer for each of it: one sweep over everything that waits.
 * A wait ends up to SWEEP_MS after its deadline, never before.
 */
import type { Clock } from '../clock.ts';
import { SWEEP_MS } from '../limits.ts';

export interface Waiting {
  /** Wall time in milliseconds. */
  readonly dueAt: number;
  /** Called once, when the deadline passed while this was still waiting. */
  expire(): void;
}

export class Deadlines {
  private readonly waiting = new Set<Waiting>();
  private cancelSweep: () => void = () => {};

  constructor(private readonly clock: Clock) {
    this.schedule();
  }

  add(waiting: Waiting): void {
    this.waiting.add(waiting);
  }

  /** What waited has come; a wait that was not added, or has expired, is ignored. */
  delete(waiting: Waiting): void {
    this.waiting.delete(waiting);
  }

  close(): void {
    this.cancelSweep();
  }

  private schedule(): void {
    this.cancelSweep = this.clock.after(SWEEP_MS, () => {
      this.schedule();
      this.sweep();
    });
  }

  private sweep(): void {
    const now = this.clock.now();
    for (const waiting of this.waiting) {
      if (waiting.dueAt > now) continue;
      this.waiting.delete(waiting);
      waiting.expire();
    }
  }
}
