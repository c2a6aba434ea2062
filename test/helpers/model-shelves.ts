/**
 * The stock of the model: levels by SKU and location, what may be taken from where, and what each
 * change leaves. Versions rise by one with each change, and an allocation is one.
 */
import type { Strategy } from '../../src/reservations/types.ts';
import type { Line } from './shop.ts';

type Json = ReturnType<typeof JSON.parse>;

export interface Count {
  onHand: number;
  safetyStock?: number;
  backorderLimit?: number;
}

export interface Shelf extends Required<Count> {
  location: string;
  reserved: number;
  version: number;
  /** False after an order over several SKUs was refused: it may have held units here for a moment. */
  versionIsKnown: boolean;
}

export interface Sourcing {
  strategy: Strategy;
  locations?: string[];
}

/** A line as it is asked for: `line` is its place in the order. */
export interface Wanted extends Line {
  line: number;
}

/** A line as it is granted. */
export interface Taken {
  line: number;
  sku: string;
  quantity: number;
  allocations: { location: string; quantity: number }[];
}

/** A line of which there is too little. */
export interface Shortage {
  line: number;
  sku: string;
  code: 'insufficient-stock' | 'unknown-sku';
  requested: number;
  available: number;
}

export class Shelves {
  /** By SKU, in the order in which they were made. */
  readonly bySku = new Map<string, Shelf[]>();

  clone(): Shelves {
    const copy = new Shelves();
    for (const [sku, shelves] of this.bySku)
      copy.bySku.set(
        sku,
        shelves.map((shelf) => ({ ...shelf })),
      );
    return copy;
  }

  find(sku: string, location: string): Shelf | undefined {
    return this.bySku.get(sku)?.find((shelf) => shelf.location === location);
  }

  /** @returns the shelf, and whether it is new */
  put(sku: string, location: string, count: Count): { shelf: Shelf; isNew: boolean } {
    const found = this.find(sku, location);
    const nothing = { onHand: -1, reserved: 0, safetyStock: 0, backorderLimit: 0, version: 0 };
    const before = found ?? { location, ...nothing, versionIsKnown: true };
    const after = { ...before, ...count };
    if (Object.keys(count).some((name) => after[name as keyof Count] !== before[name as keyof Count]))
      after.version++;
    if (found !== undefined) return { shelf: Object.assign(found, after), isNew: false };
    this.bySku.set(sku, [...(this.bySku.get(sku) ?? []), after]);
    return { shelf: after, isNew: true };
  }

  /**
   * What there is for each line, in order, each against what the lines before it left. Changes nothing.
   * @param partly a line may get less than it asks for
   */
  source(wanted: Wanted[], sourcing?: Sourcing, partly = false): { taken: Taken[]; short: Shortage[] } {
    const rest = this.clone();
    const taken: Taken[] = [];
    const short: Shortage[] = [];
    for (const { line, sku, quantity, location } of wanted) {
      const candidates = rest.candidates(sku, location, sourcing);
      const isSplit = location === undefined && sourcing?.strategy === 'split';
      const one = bestOf(candidates, sourcing?.strategy === 'in-order' ? quantity : Infinity);
      const allocations: Taken['allocations'] = [];
      let missing = quantity;
      for (const shelf of isSplit ? candidates : one) {
        const part = Math.min(missing, availableOf(shelf));
        if (part <= 0) continue;
        missing -= part;
        allocations.push({ location: shelf.location, quantity: part });
      }
      const available = quantity - missing;
      if (missing === 0 || (partly && available > 0)) {
        taken.push({ line, sku, quantity: available, allocations });
        for (const part of allocations) rest.find(sku, part.location)!.reserved += part.quantity;
      }
      if (missing === 0) continue;
      const code = this.bySku.has(sku) ? 'insufficient-stock' : 'unknown-sku';
      short.push({ line, sku, code, requested: quantity, available });
    }
    return { taken, short };
  }

  /** Each allocation moves its units: into a reservation, back, or out of the house. */
  move(taken: Omit<Taken, 'line'>[], how: 'hold' | 'release' | 'sell'): void {
    for (const { sku, allocations } of taken)
      for (const { location, quantity } of allocations) {
        const shelf = this.find(sku, location)!;
        shelf.reserved += how === 'hold' ? quantity : -quantity;
        if (how === 'sell') shelf.onHand -= quantity;
        shelf.version++;
      }
  }

  /** @param seen the stock as it was answered */
  stockOf(sku: string, seen: Json): Json {
    const shelves = this.bySku.get(sku);
    if (shelves === undefined) return undefined;
    const levels = shelves.map((shelf, i) => levelOf(sku, shelf, seen?.levels?.[i]));
    const sum = (name: string): number => levels.reduce((total, level) => total + level[name], 0);
    const names = ['onHand', 'reserved', 'safetyStock', 'backorderLimit', 'available'];
    return { sku, totals: Object.fromEntries(names.map((name) => [name, sum(name)])), levels };
  }

  private candidates(sku: string, location: string | undefined, sourcing?: Sourcing): Shelf[] {
    const allowed = location === undefined ? sourcing?.locations : [location];
    if (allowed === undefined) return this.bySku.get(sku) ?? [];
    return allowed.flatMap((name) => this.find(sku, name) ?? []);
  }
}

/** The first shelf that has as much as is wanted; where none has, the first of those that have most. */
function bestOf(shelves: Shelf[], wanted: number): Shelf[] {
  const most = Math.max(...shelves.map(availableOf));
  return shelves.filter((shelf) => availableOf(shelf) >= Math.min(most, wanted)).slice(0, 1);
}

export function availableOf(
  level: Pick<Shelf, 'onHand' | 'reserved' | 'safetyStock' | 'backorderLimit'>,
): number {
  return level.onHand - level.reserved - level.safetyStock + level.backorderLimit;
}

/** As it is answered. @param seen this level as it was answered, which settles a version that is not known */
export function levelOf(sku: string, shelf: Shelf, seen: Json): Json {
  if (!shelf.versionIsKnown && seen?.version >= shelf.version) {
    shelf.version = seen.version;
    shelf.versionIsKnown = true;
  }
  const { versionIsKnown: _, ...level } = shelf;
  return { sku, ...level, available: availableOf(shelf) };
}
