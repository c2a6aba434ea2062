/** A clock that stands still until it is moved; what was asked for `soon` runs when the test says so. */
import type { Clock } from '../../src/clock.ts';

export class ManualClock implements Clock {
  private time = 1_795_480_000_000;
  private timers: { at: number; run: () => void }[] = [];
  private turns: (() => void)[] = [];

  readonly now = (): number => this.time;

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  soon(run: () => void): void {
    this.turns.push(run);
  }

  /** Moves time, timer by timer, and lets everything that follows happen. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await this.settle();
      const next = this.timers.sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.timers.shift();
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await this.settle();
  }

  /** Runs what is due now, until nothing more comes of it. */
  async settle(): Promise<void> {
    let quiet = 0;
    while (quiet < 50) {
      const turns = this.turns.splice(0);
      for (const run of turns) run();
      await Promise.resolve();
      quiet = turns.length > 0 ? 0 : quiet + 1;
    }
  }
}
