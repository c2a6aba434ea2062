/**
 * So many requests in so many seconds, as a bucket of tokens: it holds as many as the rate has requests, a request
 * takes one, and they come back evenly. What is missing is counted as the time in which it comes back. The header fields are those of draft-ietf-httpapi-ratelimit-headers (-10).
 *
 * A key has its rate of the whole server. Fronts know nothing of each other, so each grants its share of it: no more than
 * the rate ever gets through, and all of it where requests are spread evenly.
 */
import type { Rate } from '../access/keyring.ts';

/** Milliseconds: what fractions may add up to without being meant. */
const ROUNDING_MS = 1e-3;

export class RateLimit {
  /** The header RateLimit-Policy: what this front grants. */
  readonly policy: string;
  /** How long a request takes to come back, and all that the bucket holds. */
  private readonly requestMs: number;
  private readonly fullMs: number;
  /** How long until the bucket is full again. */
  private missingMs = 0;

  /** @param filledAt milliseconds since the Unix epoch */
  constructor(
    { requests, seconds }: Rate,
    fronts: number,
    private filledAt: number,
  ) {
    this.requestMs = (seconds * 1000 * fronts) / requests;
    // A bucket that can't hold one token would let nothing through.
    this.fullMs = Math.max(this.requestMs, seconds * 1000);
    this.policy = `"key";q=${this.requestsIn(this.fullMs)};w=${secondsOf(this.fullMs)}`;
  }

  /** @returns false where there is none left */
  take(now: number): boolean {
    // A clock that was set back gives nothing and takes nothing.
    this.missingMs = Math.max(0, this.missingMs - Math.max(0, now - this.filledAt));
    this.filledAt = now;
    if (this.left() < 1) return false;
    this.missingMs += this.requestMs;
    return true;
  }

  /** The header RateLimit: how many are left, and in how many seconds all of them are there again. */
  state(): string {
    return `"key";r=${this.left()};t=${secondsOf(this.missingMs)}`;
  }

  /** Whole seconds until the next one is there, where there is none. */
  retryAfter(): number {
    return Math.max(1, secondsOf(this.missingMs + this.requestMs - this.fullMs));
  }

  private left(): number {
    return this.requestsIn(this.fullMs - this.missingMs);
  }

  private requestsIn(ms: number): number {
    return Math.floor((ms + ROUNDING_MS) / this.requestMs);
  }
}

/** Whole ones, rounded up. */
function secondsOf(ms: number): number {
  return Math.ceil((ms - ROUNDING_MS) / 1000);
}
