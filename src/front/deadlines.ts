/**
 * Gives up on what takes too long, without a timer for each of it: one sweep over everything that waits.
 * A wait ends up to SWEEP_MS after its deadline, never before.
 *
 * Waits are the links of a ring, so that a request joins and leaves with a few writes.
 */
import type { Clock } from '../clock.ts';
import { SWEEP_MS } from '../limits.ts';

export abstract class Waiting {
  previous: Waiting = this;
  next: Waiting = this;

  /** @param dueAt wall time in milliseconds */
  constructor(readonly dueAt: number) {}

  /** Called once, when the deadline has passed while this was still waiting. */
  abstract expire(): void;

  /** What was waited for has come. May be called again, and after the deadline. */
  leave(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }
}

class Calling extends Waiting {
  constructor(
    dueAt: number,
    private readonly call: () => void,
  ) {
    super(dueAt);
  }

  expire(): void {
    this.call();
  }
}

export class Deadlines {
  private readonly ring: Waiting = new Calling(Number.POSITIVE_INFINITY, () => {});
  private cancelSweep: () => void = () => {};

  constructor(private readonly clock: Clock) {
    this.schedule();
  }

  /** Waits until the returned one leaves, or its deadline passes. */
  wait(dueAt: number, expire: () => void): Waiting {
    return this.join(new Calling(dueAt, expire));
  }

  /** Waits until this one leaves, or its deadline passes. */
  join<T extends Waiting>(waiting: T): T {
    const { ring } = this;
    waiting.previous = ring.previous;
    waiting.next = ring;
    ring.previous.next = waiting;
    ring.previous = waiting;
    return waiting;
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
    let waiting = this.ring.next;
    while (waiting !== this.ring) {
      const { next } = waiting;
      if (waiting.dueAt <= now) {
        waiting.leave();
        waiting.expire();
      }
      waiting = next;
    }
  }
}
