/**
 * The partition of an Idempotency-Key sees to it that the key has one payload, wherever that takes effect, and
 * that of several requests with the key one is under way.
 *
 * A front claims the key, does what was asked, and releases it; where that takes long, it says so again and again. Whoever
 * claims meanwhile waits, and then finds where it was decided what the first one was answered. A claim is memory only:
 * after a crash the keys are those that have been decided, and where they were decided they are decided once, claimed or
 * not. A partition that moves takes its claims along.
 *
 * Each claim has a token, so that what is said of one never counts for another with the same key: after a crash, or where
 * one has outlasted its time, two requests with a key may be under way, and the one whose claim is lost goes on.
 */
import { CLAIM_MS, KEYS_PER_PARTITION_MAX } from '../limits.ts';
import type { ClaimUnderWay } from '../process.ts';
import type { Answer } from '../wire/link.ts';
import type { ClaimRequest, ProlongRequest, ReleaseRequest, Reply } from '../wire/messages.ts';
import type { Growth } from './columns.ts';
import { Keys } from './keys.ts';

const UNAVAILABLE: Reply = { kind: 'problem', code: 'partition-unavailable' };

interface Claimant {
  request: ClaimRequest;
  answer: Answer;
  /** The connection of its front. */
  caller: object | undefined;
}

interface Waiting {
  fingerprint: string;
  token: number;
  caller: object | undefined;
  /** When the front that has the key must have released it, in milliseconds. */
  deadline: number;
  /** The key has not been used before, and no other request with it is under way. */
  fresh: boolean;
  next: Claimant[];
}

export class Claims {
  readonly keys: Keys;
  private readonly underWay = new Map<string, Waiting>();

  constructor(growth?: Growth) {
    this.keys = new Keys(growth);
  }

  claim(request: ClaimRequest, now: number, answer: Answer, caller?: object): void {
    // It waited until its caller had gone.
    if (request.deadline <= now) return answer({ kind: 'problem', code: 'overloaded' });
    const { hash, fingerprint } = request.key;
    const known = this.keys.find(hash, fingerprint);
    if (known === 'other') return answer({ kind: 'problem', code: 'idempotency-key-reused' });
    const before = this.underWay.get(hash);
    // One that lasts beyond its deadline has a front that is gone.
    if (before !== undefined && before.deadline > now)
      return void before.next.push({ request, answer, caller });
    if (known === 'none') {
      if (this.keys.count >= KEYS_PER_PARTITION_MAX) return answer({ kind: 'problem', code: 'overloaded' });
      this.keys.add(hash, fingerprint, now);
    }
    const { token } = request;
    const fresh = known === 'none';
    const next = before?.next ?? [];
    this.underWay.set(hash, { fingerprint, token, caller, deadline: now + CLAIM_MS, fresh, next });
    answer({ kind: 'claimed', known: known === 'same' });
  }

  /** A claim that is not known here, because its partition has another owner now, is one from here on. */
  prolong({ key: { hash, fingerprint }, token }: ProlongRequest, now: number, caller?: object): void {
    const claim = this.underWay.get(hash);
    const deadline = now + CLAIM_MS;
    if (claim === undefined)
      this.underWay.set(hash, { fingerprint, token, caller, deadline, fresh: false, next: [] });
    else if (claim.token === token) Object.assign(claim, { caller, deadline });
    // The key is in use beside this claim, and is not free when it ends.
    else claim.fresh = false;
    this.keys.add(hash, fingerprint, now);
  }

  release({ key: { hash, fingerprint }, token, used }: ReleaseRequest, now: number): void {
    const claim = this.underWay.get(hash);
    // A claim of an earlier owner is not known here, and what it was for may have been decided after this one loaded.
    if (used) this.keys.add(hash, fingerprint, now);
    if (claim === undefined) return;
    if (claim.token !== token) {
      claim.fresh &&= !used;
      return;
    }
    this.underWay.delete(hash);
    if (!used && claim.fresh) this.keys.remove(hash);
    this.goOn(claim.next, now);
  }

  /**
   * The front is gone, or its connection: whoever waits for what it has claimed goes on at once, and finds where it is
   * decided whether it was. Its key stays used.
   */
  forsake(caller: object, now: number): void {
    for (const [hash, claim] of [...this.underWay]) {
      claim.next = claim.next.filter((waiting) => waiting.caller !== caller);
      if (claim.caller !== caller) continue;
      this.underWay.delete(hash);
      this.goOn(claim.next, now);
    }
  }

  /** For the next owner. Whoever waits for a key claims it there. */
  handOver(partition: number): ClaimUnderWay[] {
    const claims: ClaimUnderWay[] = [];
    for (const [hash, { fingerprint, token, deadline, fresh, next }] of this.underWay) {
      claims.push({ partition, hash, fingerprint, token, deadline, fresh });
      for (const { answer } of next) answer(UNAVAILABLE);
    }
    this.underWay.clear();
    return claims;
  }

  /** From the owner before, beside the keys that have been decided. */
  takeOver({ hash, fingerprint, token, deadline, fresh }: ClaimUnderWay, now: number): void {
    this.keys.add(hash, fingerprint, now);
    this.underWay.set(hash, { fingerprint, token, caller: undefined, deadline, fresh, next: [] });
  }

  /** Looks at up to `most` keys for those used before `before`, and lets those go on that wait for a front that is gone. */
  sweep(now: number, before: number, most: number): void {
    this.keys.sweep(before, most);
    for (const [hash, { deadline, next }] of this.underWay) {
      if (deadline > now) continue;
      this.underWay.delete(hash);
      this.goOn(next, now);
    }
  }

  private goOn(waiting: Claimant[], now: number): void {
    for (const { request, answer, caller } of waiting) this.claim(request, now, answer, caller);
  }
}
