/**
 * The Idempotency-Key of a call that may take long, an import or a batch: claimed for as long as it is under way, which
 * the front says again and again, and sealed at its own partition. What is sealed is durable, and is found by a repetition
 * whoever owns that partition by then.
 *
 * A second call with the key waits for the first, though neither without end nor without a client; then its caller is to
 * send it again. Those that wait have a bound of their own: they leave the room of bulk calls to those that work.
 */
import { resultWithin } from '../clock.ts';
import {
  CLAIM_PROLONGED_EVERY_MS,
  KEY_AT_ONCE_MS,
  KEY_WAIT_MS,
  KEY_WAITS_MAX,
  REQUEST_DEADLINE_MS,
} from '../limits.ts';
import { mayBeSentAgain } from '../reservations/outcomes.ts';
import type { ImportSummary } from '../wire/import-summary.ts';
import { problemFrom } from './answers.ts';
import type { Answer } from './backends.ts';
import type { FrontContext } from './context.ts';
import type { Place } from './gate.ts';
import { askWith, type KeyInUse, release } from './idempotency.ts';
import { Pauses } from './pauses.ts';
import { problem } from './problems.ts';

const UNDER_WAY = 'Another request with this Idempotency-Key is still under way. Send it again with the key.';
const MANY_WAIT = `Another request with this Idempotency-Key is still under way, and ${KEY_WAITS_MAX} wait for one already. Send it again with the key.`;
const STOPPING =
  'The server began to stop while this request waited for another with its Idempotency-Key. Send it again with the key.';

export class LongClaim {
  private cancel: () => void = () => {};

  private constructor(
    private readonly context: FrontContext,
    readonly key: KeyInUse,
  ) {
    this.prolong();
  }

  /**
   * @param place among the bulk calls; it is left while another call has the key
   * @param gone aborted when its client has gone
   * @returns the response to give where the key can't be used, or not now
   */
  static async take(
    context: FrontContext,
    key: KeyInUse,
    place: Place,
    gone: AbortSignal,
  ): Promise<LongClaim | Response> {
    const { backends, clock, draining, keyWaits } = context;
    const { partition, token } = key;
    const deadline = clock.now() + KEY_WAIT_MS;
    const asked = backends.ask({ kind: 'claim', partition, deadline, key, token });
    let answer = await resultWithin(clock, KEY_AT_ONCE_MS, asked);
    const waits = answer === undefined && keyWaits.tryEnter(1);
    if (waits) {
      place.leave();
      answer = await unless(draining, unless(gone, asked)).finally(() => keyWaits.leave(1));
    }
    if (answer === undefined) {
      forsake(context, key, asked);
      return problem('outcome-unknown', {
        detail: draining.aborted ? STOPPING : waits ? UNDER_WAY : MANY_WAIT,
      });
    }
    if (answer.kind !== 'claimed')
      return clock.now() >= deadline
        ? problem('outcome-unknown', { detail: UNDER_WAY })
        : problemFrom(answer, 'reads');
    key.known = answer.known;
    if (place.tryEnter()) return new LongClaim(context, key);
    await release(context, key, false);
    return problem('overloaded');
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

  /** As `seal`, of what has taken effect: asked again for so long while it may not be written down. */
  async sealWithin(forMs: number, summary?: ImportSummary, key = this.key): Promise<Answer> {
    const pauses = new Pauses(this.context, forMs);
    for (let isFirst = true; ; isFirst = false) {
      const answer = await this.seal(summary, key);
      const isOpen = answer.kind === 'lost' || (answer.kind === 'problem' && mayBeSentAgain(answer.code));
      if (isOpen && (await pauses.next())) continue;
      // What was sealed before was sealed by an attempt whose answer got lost.
      const isOurs = answer.kind === 'sealed' && answer.summary?.digest === summary?.digest;
      if (!isFirst && isOurs) key.replayed = false;
      return answer;
    }
  }

  /**
   * Resolves when whoever is told that nothing has happened may use the key for something else; at once where it is used.
   * @param used false: it certainly had no effect, or may be sent again as if it had none
   */
  async release(used: boolean): Promise<void> {
    this.cancel();
    const released = release(this.context, this.key, used);
    if (!used) await released;
  }

  private to(key: KeyInUse) {
    return { partition: key.partition, deadline: this.context.clock.now() + REQUEST_DEADLINE_MS, key };
  }

  private prolong(): void {
    this.cancel = this.context.clock.after(CLAIM_PROLONGED_EVERY_MS, () => {
      void this.context.backends.ask({ ...this.to(this.key), kind: 'prolong', token: this.key.token });
      this.prolong();
    });
  }
}

/** It is not waited for any more: if it is granted after all, nothing comes of it. */
function forsake(context: FrontContext, key: KeyInUse, asked: Promise<Answer>): void {
  void asked.then((answer) => {
    if (answer.kind === 'claimed') void release(context, key, false);
  });
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
