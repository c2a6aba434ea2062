/**
 * Whether the database answers, asked again and again. A commit on its way to a database that is
 * silent does not fail, and a worker without work commits nothing: neither would tell /readyz. What it is asked is
 * whether this is still the owner, since a worker without work would not hear that either.
 */
import type { Clock } from '../clock.ts';
import { PING_EVERY_MS, PING_WAIT_MS } from '../limits.ts';

export class Pulse {
  /** What is wrong; undefined while the database answers. */
  problem: string | undefined;
  problemSince = 0;
  private answeredAt: number;
  private stopped = false;
  private cancelNext = (): void => {};

  /** @param reasonOf a rejection's text for an operator */
  constructor(
    private readonly ping: () => Promise<void>,
    private readonly reasonOf: (error: unknown) => string,
    private readonly clock: Clock,
  ) {
    this.answeredAt = clock.now();
  }

  /** One ping at a time, however long it takes. */
  async beat(): Promise<void> {
    const answered = this.clock.after(PING_WAIT_MS, () => this.note('the database does not answer'));
    try {
      await this.ping();
      this.problem = undefined;
      this.answeredAt = this.clock.now();
    } catch (error) {
      this.note(this.reasonOf(error));
    }
    answered();
    if (!this.stopped) this.cancelNext = this.clock.after(PING_EVERY_MS, () => void this.beat());
  }

  /** Whole seconds since it last answered. */
  silentSeconds(): number {
    return Math.max(0, Math.floor((this.clock.now() - this.answeredAt) / 1000));
  }

  private note(problem: string): void {
    if (this.problem === undefined) this.problemSince = this.clock.now();
    this.problem = problem;
  }

  /** A ping that is under way is still answered. */
  stop(): void {
    this.stopped = true;
    this.cancelNext();
  }
}
