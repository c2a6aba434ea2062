/**
 * How fast a lane's commands become durable, and how long a commit takes at least: what the database does while it is asked
 * to. The time in which no commit is on its way does not count, or a server that keeps up would seem slow.
 *
 * Of the last two windows the better one counts, so that a stall, which says nothing of how fast the database works, spoils
 * none. The least time of a commit is forgotten slowly, as a database may have become slower to answer; but not while the lane
 * does not keep up: commits are then large, and show no more than that. Then one of few commands that is alone tells.
 */
import { COMMIT_LEAST_MS_MAX, RATE_WINDOW_MS } from '../limits.ts';

/** Each commit adds so much to the least time that one was ever seen to take. */
const FORGETTING = 1.01;

export class CommitRate {
  /** When the commits that are on their way were sent, oldest first. */
  private sent: number[] = [];
  /** What of the window has been measured: until when, how long, and how many commands. */
  private until = 0;
  private busyMs = 0;
  private commands = 0;
  private readonly windows = [0, 0];
  private least = COMMIT_LEAST_MS_MAX;

  /** Commands that become durable in a millisecond. */
  get perMs(): number {
    return Math.max(...this.windows);
  }

  /** Milliseconds from the sending of a commit to its answer, if it is small. */
  get leastMs(): number {
    return this.least;
  }

  sentAt(now: number): void {
    if (this.sent.length === 0) this.until = now;
    this.sent.push(now);
  }

  /** The oldest commit on its way is durable. @param isStanding it may be large, and says nothing of a greater least time */
  landedAt(now: number, commands: number, isStanding: boolean): void {
    const took = now - this.sent.shift()!;
    const elapsed = now - this.until;
    this.until = now;
    // The clock was set.
    if (took < 0 || elapsed < 0) return;
    const known = isStanding ? this.least : this.least * FORGETTING + 0.01;
    this.least = Math.min(took, known, COMMIT_LEAST_MS_MAX);
    this.busyMs += elapsed;
    this.commands += commands;
    if (this.busyMs < RATE_WINDOW_MS) return;
    this.windows.shift();
    this.windows.push(this.commands / this.busyMs);
    this.restart();
  }

  /** The oldest commit on its way is durable, after an absence of the database that says nothing of its rate. */
  recovered(): void {
    this.sent.shift();
  }

  /** The next commit shows it anew. */
  forgetLeast(): void {
    this.least = COMMIT_LEAST_MS_MAX;
  }

  /** What the window has is of no use. */
  restart(): void {
    this.busyMs = 0;
    this.commands = 0;
  }
}
