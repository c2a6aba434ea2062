/**
 * The Idempotency-Key of a call that may take long, an import or a batch: claimed for as long as it is under way, which
 * the front says again and again, and sealed at its own partition. What is sealed is durable, and is found by a repetition
 * whoever owns that partition by then.
 *
 * A second call with the key waits for the first, though not without end: then its caller hears that the outcome is not
 * known yet, and sends it again.
 */
import { CLAIM_PROLONGED_EVERY_MS, KEY_WAIT_MS, REQUEST_DEADLINE_MS } from '../limits.ts';
import type { ImportSummary } from '../wire/import-summary.ts';
import { codeOf, problemFrom } from './answers.ts';
import type { Answer } from './backends.ts';
import type { FrontContext } from './context.ts';
import { askWith, type KeyInUse, release } from './idempotency.ts';
import { problem } from './problems.ts';

export class LongClaim {
  private cancel: () => void = () => {};

  private constructor(
    private readonly context: FrontContext,
    readonly key: KeyInUse,
  ) {
    this.prolong();
  }

  /** @returns the response to give where the key can't be used, or not now */
  static async take(context: FrontContext, key: KeyInUse): Promise<LongClaim | Response> {
    const { backends, clock, draining } = context;
    const deadline = clock.now() + KEY_WAIT_MS;
    const asked = backends.ask({ kind: 'claim', partition: key.partition, deadline, key });
    // A claim that is granted to a front that drains is forsaken when it ends.
    const answer = await unless(draining, asked);
    if (answer?.kind === 'claimed') {
      key.known = answer.known;
      return new LongClaim(context, key);
    }
    return answer === undefined || codeOf(answer, 'writes') === 'outcome-unknown'
      ? problem('outcome-unknown', {
          detail: 'Another request with this Idempotency-Key is still under way. Send it again with the key.',
        })
      : problemFrom(answer, 'writes');
  }

  /** What was sealed before; undefined: nothing was. */
  async recall(key = this.key): Promise<Answer | undefined> {
    const answer = await askWith(this.context.backends, { ...this.to(key), kind: 'recall' }, key);
    return answer.kind === 'claimed' ? undefined : answer;
  }

  /** @returns what is sealed now: where there was something before, that, and the key is `replayed` */
  seal(summary?: ImportSummary, key = this.key): Promise<Answer> {
    return askWith(this.context.backends, { ...this.to(key), kind: 'seal', summary }, key);
  }

  /** @param used false: it certainly had no effect, or may be sent again as if it had none */
  async release(used: boolean): Promise<void> {
    this.cancel();
    await release(this.context, this.key, used);
  }

  private to(key: KeyInUse) {
    return { partition: key.partition, deadline: this.context.clock.now() + REQUEST_DEADLINE_MS, key };
  }

  private prolong(): void {
    this.cancel = this.context.clock.after(CLAIM_PROLONGED_EVERY_MS, () => {
      void this.context.backends.ask({ ...this.to(this.key), kind: 'prolong' });
      this.prolong();
    });
  }
}

/** Resolves with undefined where the signal comes first. */
function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}
