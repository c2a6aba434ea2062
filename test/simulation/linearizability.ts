/**
 * Linearizability per SKU (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS
 * 1990): every call seems to take effect at one moment between its request and its answer, and what it answers is right
 * there. It is local, so that SKUs can be looked at one by one.
 *
 * In general the search for such an order is hard; here there is no search, since every change of a level has a version, and
 * the ledger has them in order (compare Lowe, "Testing for linearizability", 2017, on histories whose order is known). So
 * two things are checked, and each is enough to see a stale read:
 *
 * - `sometime`. The moment of an effect is its commit, between request and answer. Whatever has no effect (a read, a refusal, a
 *   count that finds what is there) must be right after some step of the SKU's ledger that was the latest one at a moment
 *   between its request and its answer: with the quantities of all locations at once.
 * - `saw`. Of answers alone, without a look at when anything was committed: whoever asks after another has been answered sees no
 *   earlier version of a level than that other one did, and whoever changes it makes a later one.
 *
 * A read with an Age, while the database is away, is checked by the second alone, and for having been true at some time.
 *
 * With a key, a call begins when it was first asked, and with every repetition is one call.
 *
 * What is let pass, and counted: what a superseded owner says that does not know it yet. It can't commit, but it can read out and
 * refuse, until it asks the database whether it is still the owner (books.ts checks that it then ends).
 */
import { type Books, insist } from './books.ts';
import type { World } from './world.ts';

interface Sight {
  /** When it was answered, in microseconds. */
  at: number;
  version: number;
}

export class Linearizability {
  /** Reads and refusals of owners that did not know yet that they were superseded. */
  stale = 0;
  /** Of each level, by `sku location`: the sights that were the latest version so far. */
  private readonly latest = new Map<string, Sight[]>();

  constructor(
    private readonly world: World,
    private readonly books: Books,
  ) {}

  /** A moment between request and answer at which `isRight`, or one before it at which a superseded owner stopped to learn. */
  sometime(sku: string, from: number, isRight: (step: number) => boolean): boolean {
    const history = this.books.skus.get(sku);
    if (history === undefined) return isRight(-1);
    for (const step of history.during(from, this.world.now)) if (isRight(step)) return true;
    const staleSince = this.books.staleSince(history.partition, from);
    if (staleSince === undefined) return false;
    for (const step of history.during(Math.min(staleSince, from), this.world.now)) {
      if (!isRight(step)) continue;
      this.stale++;
      return true;
    }
    return false;
  }

  /** An answer, just given to what was asked at `from`, knows this version of a level. @param wrote it made the version */
  saw(sku: string, location: string, version: number, from: number, wrote: boolean): void {
    const key = `${sku} ${location}`;
    const sights = this.latest.get(key) ?? [];
    this.latest.set(key, sights);
    const before = sights.findLast(({ at }) => at < from);
    if (before !== undefined && (wrote ? before.version >= version : before.version > version)) {
      insist(
        !wrote && this.books.staleSince(this.books.skus.get(sku)!.partition, from) !== undefined,
        () =>
          `${key}: version ${version} ${wrote ? 'was made' : 'was answered'} for who asked at ${from}, ` +
          `and version ${before.version} had been answered at ${before.at}`,
      );
      this.stale++;
    }
    if (version > (sights.at(-1)?.version ?? 0)) sights.push({ at: this.world.now, version });
  }
}
