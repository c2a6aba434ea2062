/**
 * How long to wait before something that died is started again: 100 ms, doubling to 5 s, and from the
 * beginning after it has lived for half a minute.
 */
import { systemClock } from '../clock.ts';

const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5000;
const STEADY_AFTER_MS = 30_000;

export class Backoff {
  private waitMs = BACKOFF_MS_MIN;
  private startedAt = 0;

  constructor(private readonly now: () => number = systemClock.now) {}

  started(): void {
    this.startedAt = this.now();
  }

  next(): number {
    if (this.now() - this.startedAt >= STEADY_AFTER_MS) this.waitMs = BACKOFF_MS_MIN;
    const waitMs = this.waitMs;
    this.waitMs = Math.min(waitMs * 2, BACKOFF_MS_MAX);
    return waitMs;
  }
}
