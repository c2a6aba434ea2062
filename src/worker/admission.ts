/**
 * How much a lane takes in: what it can make durable within ADMITTED_WAIT_MS, as long as it does not keep up.
 *
 * A count alone is no bound for a queue: what is a moment's work for one database keeps another one busy for longer than any
 * caller waits, and then it works for nobody. So the bound is a time. By Little's law a command waits for as long as all that
 * are inside take at the rate at which they leave, and that rate is measured (commit-rate.ts). What a commit takes at
 * least comes on top, twice, as a command may wait for one before its own: or a database that is slow to answer, and not
 * slow to work, would be given less, do less for it, and be given less again.
 *
 * The bound holds only from when batches have been late for longer than STANDING_MS, again beside what commits take, until what is
 * inside is less than the work of that time and nobody has been refused for a while: a burst that the next batches take is not refused. A batch
 * is late that leaves commands behind, and one that takes all but was waited for longer than commits need by LATE_MS: then its
 * callers are no more than commits can carry, and still too many. Until then twice as much is taken in where commands
 * have waited so long for a batch to be formed at all, and else anything: that may be a moment in which the database stands
 * still. This is CoDel's idea (RFC 8289): a queue that drains is good, one that stands is not.
 *
 * A database that has become slow to answer looks the same at first. So while the bound holds, one commit now and then is small and
 * alone: a probe, which shows what a commit takes at least.
 */
import type { Clock } from '../clock.ts';
import {
  ADMITTED_AT_FIRST_MIN,
  ADMITTED_IMPORT_ROWS_PER_SECOND,
  ADMITTED_IMPORT_WAIT_MS,
  ADMITTED_MIN,
  ADMITTED_WAIT_MS,
  LATE_MS,
  PROBE_EVERY_MS,
  STANDING_MS,
} from '../limits.ts';
import { CommitRate } from './commit-rate.ts';

/** So many times as much is taken in while it is not known yet whether the lane keeps up. */
const AT_FIRST = 2;

export class Admission {
  /** Commands that were taken in and are not yet durable; a row of an import is one. */
  inside = 0;
  /** Since when some have always been waiting for a batch, and since when each batch has been late. */
  private waitingSince: number | undefined;
  private lateSince: number | undefined;
  private isStanding = false;
  /** The next commit is to be a probe; and it is on its way. */
  isProbing = false;
  private isProbeSent = false;
  /** When the last one was over. */
  private probeAt = 0;
  private refusedAt = 0;
  private isAway = false;
  private readonly rate = new CommitRate();
  /** Rows of imports that are taken in whatever else waits, and when that was last reckoned. */
  private importRows = 0;
  private importAt = 0;

  constructor(private readonly clock: Clock) {}

  /** Whether it does not keep up. Who had come may have left before a commit could say that it is over: then nothing is inside. */
  get isOverloaded(): boolean {
    return this.isStanding && this.inside > 0;
  }

  /** Asked once for each command that comes. @param wait how long it may take at most, in milliseconds */
  refuses(wait = ADMITTED_WAIT_MS): boolean {
    if (this.inside < ADMITTED_MIN || this.isAway) return false;
    const now = this.clock.now();
    this.watchStanding(now);
    if (this.inside < this.room(now, wait)) return false;
    this.refusedAt = now;
    return true;
  }

  /** Commands that may be inside. */
  private room(now: number, wait: number): number {
    const { perMs, leastMs } = this.rate;
    const inTime = perMs * (wait + 2 * leastMs);
    if (this.isStanding) return inTime;
    return this.isLate(now) ? Math.max(AT_FIRST * inTime, ADMITTED_AT_FIRST_MIN) : Number.POSITIVE_INFINITY;
  }

  /** Some have waited for a batch for longer than the commits on their way need. */
  private isLate(now: number): boolean {
    return now - (this.waitingSince ?? now) >= LATE_MS + 2 * this.rate.leastMs;
  }

  /** For how long batches may be late; a lane with less work inside than it does in that time keeps up. */
  private get patienceMs(): number {
    return STANDING_MS + 2 * this.rate.leastMs;
  }

  /** An import leaves room for others, but has its share where others take all: goods come in during a sale, too. */
  refusesImport(rows: number): boolean {
    if (!this.refuses(ADMITTED_IMPORT_WAIT_MS)) return false;
    const now = this.clock.now();
    const share = (Math.max(0, now - this.importAt) * ADMITTED_IMPORT_ROWS_PER_SECOND) / 1000;
    this.importRows = Math.min(ADMITTED_IMPORT_ROWS_PER_SECOND, this.importRows + share);
    this.importAt = now;
    if (this.importRows <= 0) return true;
    this.importRows -= rows;
    return false;
  }

  entered(commands: number): void {
    this.inside += commands;
    this.waitingSince ??= this.clock.now();
  }

  /** A batch has been formed. @param isLeft whether it has left commands waiting */
  formed(isLeft: boolean): void {
    const now = this.clock.now();
    if (isLeft || this.isLate(now)) this.lateSince ??= now;
    else this.lateSince = undefined;
    this.watchStanding(now);
    if (!isLeft) this.waitingSince = undefined;
  }

  /** The commands of a batch needed no commit. */
  dropped(commands: number): void {
    this.inside -= commands;
  }

  /** A commit is on its way. */
  sent(): void {
    const now = this.clock.now();
    this.rate.sentAt(now);
    if (this.isProbing) this.isProbeSent = true;
    else this.isProbing = this.isStanding && Math.abs(now - this.probeAt) >= PROBE_EVERY_MS;
  }

  landed(commands: number): void {
    this.inside -= commands;
    if (this.isAway) return this.rate.recovered();
    const now = this.clock.now();
    if (this.isProbeSent) {
      this.rate.forgetLeast();
      this.isProbing = false;
      this.isProbeSent = false;
      this.probeAt = now;
    }
    this.rate.landedAt(now, commands, this.isStanding);
    if (this.inside > this.rate.perMs * this.patienceMs) return;
    this.lateSince = undefined;
    if (Math.abs(now - this.refusedAt) >= ADMITTED_WAIT_MS) this.isStanding = false;
  }

  /** The database takes no commits. How long it is waited for, others decide. */
  paused(): void {
    this.isAway = true;
  }

  /** It is back. That it was away says nothing of how fast it works. */
  resumed(): void {
    this.isAway = false;
    this.isStanding = false;
    this.lateSince = undefined;
    if (this.waitingSince !== undefined) this.waitingSince = this.clock.now();
    this.isProbing = false;
    this.isProbeSent = false;
    this.rate.restart();
    this.rate.forgetLeast();
  }

  private watchStanding(now: number): void {
    if (this.lateSince === undefined) return;
    // The clock may have been set back.
    if (this.lateSince > now) this.lateSince = now;
    if (now - this.lateSince >= this.patienceMs) this.isStanding = true;
  }
}
