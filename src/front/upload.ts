/**
 * A request's body of any size, chunk by chunk. The next chunk is read when it is asked for: until
 * then the sender has to wait, so that nothing gathers here. A sender that stops sending is given up. What has arrived is
 * hashed where a fingerprint of it is needed.
 */
import type { Clock } from '../clock.ts';
import { BODY_DEADLINE_MS } from '../limits.ts';
import type { Deadlines } from './deadlines.ts';
import { shortened } from './idempotency.ts';

/**
 * - `complete`: everything has arrived.
 * - `stalled`: nothing has arrived for BODY_DEADLINE_MS.
 * - `broken`: the sender has gone before the end; what arrived last may be half of something.
 */
export type UploadEnd = 'complete' | 'stalled' | 'broken';

export class Upload {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(
    request: Request,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
    private readonly hasher?: Bun.CryptoHasher,
  ) {
    this.reader = request.body?.getReader() as typeof this.reader;
  }

  async next(): Promise<Uint8Array | UploadEnd> {
    const { reader } = this;
    if (reader === undefined) return 'complete';
    return new Promise((resolve) => {
      const waiting = this.deadlines.wait(this.clock.now() + BODY_DEADLINE_MS, () => resolve('stalled'));
      const arrived = (chunk: Uint8Array | UploadEnd): void => {
        waiting.leave();
        if (typeof chunk !== 'string') this.hasher?.update(chunk);
        resolve(chunk);
      };
      reader.read().then(
        ({ value }) => arrived(value ?? 'complete'),
        () => arrived('broken'),
      );
    });
  }

  /** Reads what is left, for its fingerprint only. */
  async skip(): Promise<UploadEnd> {
    for (;;) {
      const chunk = await this.next();
      if (typeof chunk === 'string') return chunk;
    }
  }

  /** Of everything, when it has arrived; to be asked for once. */
  digest(): string {
    return shortened(this.hasher!);
  }
}
