/**
 * When a call is sent again, and after how long. Waits grow exponentially with full jitter, so that callers that failed
 * together do not come back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); what
 * the server asks for in Retry-After is waited first.
 */
import type { CallOptions } from './types.ts';

const TRIES_MAX = 10;
const DEADLINE_MS = 30_000;
const WAIT_FIRST_MS = 100;
const WAIT_MAX_MS = 5000;
/** Longer than the server takes to say that it does not know the outcome: its word is worth more than silence. */
const TRY_MS = 15_000;

/** One call's tries. */
export class Tries {
  private failures = 0;
  private readonly triesMax: number;
  private readonly endsAt: number;

  constructor({ triesMax = TRIES_MAX, deadlineMs = DEADLINE_MS }: CallOptions) {
    this.triesMax = triesMax;
    this.endsAt = performance.now() + deadlineMs;
  }

  /** How long the next try may take. */
  get tryMs(): number {
    return Math.max(1, Math.min(TRY_MS, this.endsAt - performance.now()));
  }

  /** @returns how long to wait before the next try; undefined if there is none */
  afterFailure(retryAfterMs: number): number | undefined {
    this.failures++;
    const ms = waitMs(this.failures, retryAfterMs, Math.random());
    return this.failures < this.triesMax && performance.now() + ms < this.endsAt ? ms : undefined;
  }
}

/** @param random from 0 to 1 */
export function waitMs(failures: number, retryAfterMs: number, random: number): number {
  return retryAfterMs + random * Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** (failures - 1));
}

/** Of a Retry-After header, which has seconds or a date (RFC 9110). */
export function retryAfterMs(header: string | null, now = Date.now()): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** @throws the signal's reason */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
