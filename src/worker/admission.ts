/**
 * How much a lane takes in: what it can make durable within ADMITTED_WAIT_MS, as long as it does not keep up.
 *
 * A count alone is no bound for a queue: what is a moment's work for one database keeps another one busy for longer than any
 * caller waits, and then it works for nobody. So the bound is a time. By Little's law a command waits for as long as all that
 * are inside take at the rate at which they leave, and that rate is measured.
 *
 * It holds only from when commands have waited for a batch for longer than STANDING_MS until what is inside is less than
 * the work of that time and nobody has been refused for a while: a burst that the next batch takes whole is not
 * refused, whatever the rate was before. Below ADMITTED_MIN nothing is refused, or a database that is slow
 * to answer, and not slow to work, would be given less and less. Both ideas are those of CoDel (RFC 8289): a queue
 * that drains is good, one that stands is not.
 */
import type { Clock } from '../clock.ts';
import { ADMITTED_MIN, ADMITTED_WAIT_MS, RATE_WINDOW_MS, STANDING_MS } from '../limits.ts';

export class Admission {
  /** Commands that were taken in and are not yet durable. */
  private inside = 0;
  /** Since when some have always been waiting for a batch. */
  private waitingSince: number | undefined;
  private isStanding = false;
  private refusedAt = 0;
  private isAway = false;
  /** Commands a millisecond that became durable, when that was last measured. */
  private rate = 0;
  /** Since when it is being measured, while commits are on their way; and how many have landed since. */
  private measuredSince: number | undefined;
  private landedSince = 0;

  constructor(private readonly clock: Clock) {}

  /** Asked once for each command that comes. @param wait how long it may take at most, in milliseconds */
  refuses(wait = ADMITTED_WAIT_MS): boolean {
    if (this.inside < Math.max(ADMITTED_MIN, this.rate * wait)) return false;
    this.watchStanding();
    if (!this.isStanding || this.isAway) return false;
    this.refusedAt = this.clock.now();
    return true;
  }

  entered(commands: number): void {
    this.inside += commands;
    this.waitingSince ??= this.clock.now();
  }

  /** A batch has been formed. @param isLeft whether it has left commands waiting */
  formed(isLeft: boolean): void {
    this.watchStanding();
    if (!isLeft) this.waitingSince = undefined;
  }

  /** The commands of a batch needed no commit. */
  dropped(commands: number): void {
    this.inside -= commands;
  }

  /** A commit is on its way. */
  sent(): void {
    this.measuredSince ??= this.clock.now();
  }

  /** @param isLast whether no other commit is on its way */
  landed(commands: number, isLast: boolean): void {
    this.inside -= commands;
    this.landedSince += commands;
    const now = this.clock.now();
    const elapsed = now - (this.measuredSince ?? now);
    if (elapsed >= RATE_WINDOW_MS) this.rate = this.landedSince / elapsed;
    const isDrained = this.inside <= this.rate * STANDING_MS && now - this.refusedAt >= ADMITTED_WAIT_MS;
    if (isDrained) this.isStanding = false;
    if (elapsed < RATE_WINDOW_MS && !isLast) return;
    this.landedSince = 0;
    this.measuredSince = isLast ? undefined : now;
  }

  /** The database takes no commits. How long it is waited for, others decide. */
  paused(): void {
    this.isAway = true;
  }

  /** It is back. That it was away says nothing of how fast it works. */
  resumed(): void {
    this.isAway = false;
    this.measuredSince = undefined;
    this.landedSince = 0;
    if (this.waitingSince !== undefined) this.waitingSince = this.clock.now();
  }

  private watchStanding(): void {
    const since = this.waitingSince;
    if (since !== undefined && this.clock.now() - since >= STANDING_MS) this.isStanding = true;
  }
}
