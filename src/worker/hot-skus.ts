/**
 * Which SKUs are asked for most right now, for a person who watches a sale: in bounded memory, and for
 * next to nothing on the way of a hold.
 *
 * One line in HOT_SAMPLE is looked at, at random distances, so that no rhythm of orders hides a SKU. Those go
 * into HOT_SKUS_TRACKED counters as in Space-Saving (Metwally, Agrawal, El Abbadi, 2005): a SKU without a
 * counter takes the smallest one over, with its count, which is remembered as what may be too much; what is told is
 * the rest. Counts fade by a factor of e in HOT_FADE_MS: newer ones weigh more, instead of all older ones being made
 * less (forward decay: Cormode, Shkapenyuk, Srivastava, Xu, 2009).
 *
 * Refused lines count as well: what is sold out may be what everybody wants.
 */
import { HOT_FADE_MS, HOT_SAMPLE, HOT_SKUS_TOLD, HOT_SKUS_TRACKED } from '../limits.ts';
import type { HoldLine } from '../reservations/types.ts';
import type { HotSku } from '../wire/messages.ts';
import { NONE, type Snapshot } from './snapshot.ts';

/** Weights are made smaller, all at once, before they get out of hand. */
const WEIGHT_MAX = 1e100;
const LEVELS_PER_PARTITION = 2 ** 32;

interface Stocked {
  partition: number;
  snapshot: Snapshot;
}

interface Counter {
  partition: number;
  /** The SKU's first. */
  level: number;
  count: number;
  /** How much of the count may be of those that had the counter before. */
  inherited: number;
}

export class HotSkus {
  private readonly counters: Counter[] = [];
  private readonly byKey = new Map<number, Counter>();
  /** Lines until the next one that is looked at. */
  private skip = 1;
  private random = 1;
  /** When a line weighs 1. */
  private from = 0;

  count({ partition, snapshot }: Stocked, lines: HoldLine[], now: number): void {
    this.skip -= lines.length;
    while (this.skip <= 0) {
      const sku = snapshot.findSku(lines[lines.length - 1 + this.skip].sku);
      if (sku !== NONE) this.add(partition, sku, this.weightAt(now));
      this.skip += this.distance();
    }
  }

  /** The hottest of all, from the most to the least; `snapshotOf` for those partitions that are still here. */
  hottest(now: number, snapshotOf: (partition: number) => Snapshot | undefined): HotSku[] {
    const linesPerSecond = (HOT_SAMPLE * 1000) / HOT_FADE_MS / this.weightAt(now);
    return this.counters
      .filter(({ count, inherited }) => count > inherited)
      .sort((a, b) => b.count - b.inherited - (a.count - a.inherited))
      .slice(0, HOT_SKUS_TOLD)
      .flatMap(({ partition, level, count, inherited }) => {
        const snapshot = snapshotOf(partition);
        // One that is being loaded may not have it yet.
        if (snapshot === undefined || level >= snapshot.levels) return [];
        const asked = (count - inherited) * linesPerSecond;
        return { partition, asked, ...stockOf(snapshot, snapshot.levelsOfSku(level)) };
      });
  }

  private add(partition: number, level: number, weight: number): void {
    const key = partition * LEVELS_PER_PARTITION + level;
    let counter = this.byKey.get(key);
    if (counter === undefined) {
      counter = this.takeCounter();
      Object.assign(counter, { partition, level });
      this.byKey.set(key, counter);
    }
    counter.count += weight;
  }

  /** A new one while there is room, then the smallest. */
  private takeCounter(): Counter {
    const { counters } = this;
    if (counters.length < HOT_SKUS_TRACKED) {
      const counter = { partition: 0, level: 0, count: 0, inherited: 0 };
      counters.push(counter);
      return counter;
    }
    let smallest = counters[0];
    for (const counter of counters) if (counter.count < smallest.count) smallest = counter;
    this.byKey.delete(smallest.partition * LEVELS_PER_PARTITION + smallest.level);
    smallest.inherited = smallest.count;
    return smallest;
  }

  private weightAt(now: number): number {
    if (this.from === 0) this.from = now;
    // A clock that was set back must not make what comes weigh nothing.
    if (now < this.from) this.from = now;
    const weight = Math.exp((now - this.from) / HOT_FADE_MS);
    if (weight < WEIGHT_MAX) return weight;
    this.from = now;
    for (const counter of this.counters) {
      counter.count /= weight;
      counter.inherited /= weight;
    }
    return 1;
  }

  /** 1 to 2 × HOT_SAMPLE − 1, each as likely; by xorshift (Marsaglia, 2003), which is the same in every run. */
  private distance(): number {
    this.random ^= this.random << 13;
    this.random ^= this.random >>> 17;
    this.random ^= this.random << 5;
    return 1 + ((this.random >>> 0) % (2 * HOT_SAMPLE - 1));
  }
}

/** Of all levels of the SKU together. */
function stockOf(
  snapshot: Snapshot,
  levels: number[],
): Pick<HotSku, 'sku' | 'onHand' | 'reserved' | 'available'> {
  const sum = (of: (level: number) => number): number =>
    levels.reduce((total, level) => total + of(level), 0);
  return {
    sku: snapshot.skuOf(levels[0]),
    onHand: sum((level) => snapshot.onHand[level]),
    reserved: sum((level) => snapshot.reserved[level]),
    available: sum((level) => snapshot.available(level)),
  };
}
