/**
 * The client's end of a Unix socket to a worker: many requests at once, answers matched by id.
 *
 * DESIGN. A frame is `u32 length · u32 id · payload`. Frames written in one turn of the event loop
 * leave in one write. What the kernel does not take waits, bounded, until `drain`. A link that breaks
 * fails what is unanswered with `LinkBroken` and connects again by itself, with backoff, until closed.
 */
import type { Reply, Request } from './messages.ts';

export interface Link {
  /**
   * Resolves with the worker's answer; rejects with LinkBroken.
   * `sent` says whether the worker can have seen the request: if not, it had no effect.
   */
  ask(request: Request): Promise<Reply>;
  /** Sends without waiting for the answer. */
  tell(request: Request): void;
  readonly connected: boolean;
  close(): void;
}

export class LinkBroken extends Error {
  constructor(
    readonly sent: boolean,
    reason: string,
  ) {
    super(reason);
  }
}

export declare function connect(path: string): Link;
