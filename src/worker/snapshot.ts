/**
 * The stock levels of one partition, as a structure of arrays: level `n` is element `n` of each.
 *
 * DESIGN. A SKU is found through an open-addressing table of its hash (linear probing; nothing is
 * ever removed) and leads to a list of its levels, one for each location, in the order in which
 * they were made. Arrays double when they are full. No object is kept per row.
 */

import { QUANTITY_MAX } from '../limits.ts';
import type { StockLevel } from '../reservations/types.ts';
import { hashBytes } from '../routing/partition-map.ts';
import { ByteHeap } from './byte-heap.ts';

export const NONE = -1;
const CAPACITY_MIN = 16;
const encoder = new TextEncoder();
const scratch = new Uint8Array(1024);

/** Location names and their numbers, shared by the partitions of a worker: there are few, and they repeat. */
export class Locations {
  private readonly numbers = new Map<string, number>();
  private readonly names: string[] = [];

  /** The number of a location, or NONE if no level was ever at it. */
  find(name: string): number {
    return this.numbers.get(name) ?? NONE;
  }
  intern(name: string): number {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.names.push(name) - 1;
      this.numbers.set(name, number);
    }
    return number;
  }
  name(number: number): string {
    return this.names[number];
  }
}

export class Snapshot {
  levels = 0;
  onHand = new Int32Array(CAPACITY_MIN);
  reserved = new Uint32Array(CAPACITY_MIN);
  safetyStock = new Int32Array(CAPACITY_MIN);
  backorderLimit = new Int32Array(CAPACITY_MIN);
  version = new Uint32Array(CAPACITY_MIN);
  updatedAt = new Float64Array(CAPACITY_MIN);
  location = new Uint32Array(CAPACITY_MIN);
  /** The next level of the same SKU, or NONE. */
  nextLevel = new Int32Array(CAPACITY_MIN);
  private skuOfLevel = new Int32Array(CAPACITY_MIN);
  /** Levels that were restored. */
  private restored = 0;
  /** The number of the last batch that the level is in, so that a batch lists it once. */
  touchedBy = new Float64Array(CAPACITY_MIN);
  /** The level's last entry in the ledger, by its sequence number; 0 before the first. */
  lastEntry = new Float64Array(CAPACITY_MIN);

  private skus = 0;
  private keys = new ByteHeap();
  private keyOfSku = new Uint32Array(CAPACITY_MIN);
  private hashOfSku = new Uint32Array(CAPACITY_MIN);
  firstLevel = new Int32Array(CAPACITY_MIN);
  /** SKU number + 1 by hash; 0 is empty. Never more than half full. */
  private table = new Uint32Array(CAPACITY_MIN * 2);

  constructor(readonly locations: Locations) {}

  /** The number of a SKU, or NONE. */
  findSku(sku: string): number {
    const { written } = encoder.encodeInto(sku, scratch);
    return this.probe(hashBytes(scratch, 0, written), written);
  }

  /** The level of a SKU at a location, or NONE. */
  levelAt(sku: number, locationName: string): number {
    const location = this.locations.find(locationName);
    if (sku === NONE || location === NONE) return NONE;
    let level = this.firstLevel[sku];
    while (level !== NONE && this.location[level] !== location) level = this.nextLevel[level];
    return level;
  }

  /** @param sku NONE for no levels */
  levelsOfSku(sku: number): number[] {
    return sku === NONE ? [] : this.levelsFrom(this.firstLevel[sku]);
  }

  /** @param first the first level of a SKU, which is the same in every snapshot of the partition */
  levelsFrom(first: number): number[] {
    const levels: number[] = [];
    for (let level = first; level !== NONE; level = this.nextLevel[level]) levels.push(level);
    return levels;
  }

  /** Adds a level of zeros; the pair must not exist yet. @returns its number, the next in order */
  addLevel(sku: string, location: string): number {
    const level = this.levels;
    const number = this.setLevel(level, sku, location);
    this.nextLevel[level] = NONE;
    let last = this.firstLevel[number];
    if (last === NONE) {
      this.firstLevel[number] = level;
    } else {
      while (this.nextLevel[last] !== NONE) last = this.nextLevel[last];
      this.nextLevel[last] = level;
    }
    return level;
  }

  /** Adds a level of zeros that has its number. They may come in any order, before all others, and `linkLevels` after them. */
  restoreLevel(level: number, sku: string, location: string): void {
    this.setLevel(level, sku, location);
    this.restored++;
  }

  /** @throws Error where a number has no level */
  linkLevels(): void {
    if (this.restored !== this.levels)
      throw new Error(`${this.levels - this.restored} of ${this.levels} levels are missing`);
    for (let level = this.levels - 1; level >= 0; level--) {
      const sku = this.skuOfLevel[level];
      this.nextLevel[level] = this.firstLevel[sku];
      this.firstLevel[sku] = level;
    }
  }

  private setLevel(level: number, sku: string, location: string): number {
    const { written } = encoder.encodeInto(sku, scratch);
    const hash = hashBytes(scratch, 0, written);
    let number = this.probe(hash, written);
    if (number === NONE) number = this.addSku(hash, written);
    while (level >= this.onHand.length) this.growLevels();
    if (level >= this.levels) this.levels = level + 1;
    this.location[level] = this.locations.intern(location);
    this.skuOfLevel[level] = number;
    return number;
  }

  /**
   * What may still be promised. Never more than QUANTITY_MAX in all, whatever the limits allow: then no sale, after whatever
   * count, can bring `onHand` below what its column holds.
   */
  available(level: number): number {
    const available =
      this.onHand[level] - this.reserved[level] - this.safetyStock[level] + this.backorderLimit[level];
    return Math.min(available, QUANTITY_MAX - this.reserved[level]);
  }

  skuOf(level: number): string {
    return this.keys.text(this.keyOfSku[this.skuOfLevel[level]]);
  }
  locationOf(level: number): string {
    return this.locations.name(this.location[level]);
  }

  read(level: number): StockLevel {
    return {
      sku: this.skuOf(level),
      location: this.locationOf(level),
      onHand: this.onHand[level],
      reserved: this.reserved[level],
      safetyStock: this.safetyStock[level],
      backorderLimit: this.backorderLimit[level],
      version: this.version[level],
      updatedAt: this.updatedAt[level],
    };
  }

  private probe(hash: number, length: number): number {
    const mask = this.table.length - 1;
    for (let at = spread(hash) & mask; ; at = (at + 1) & mask) {
      const number = this.table[at] - 1;
      if (number === NONE) return NONE;
      if (this.hashOfSku[number] === hash && this.keys.equals(this.keyOfSku[number], scratch, length))
        return number;
    }
  }

  private addSku(hash: number, length: number): number {
    if (this.skus === this.keyOfSku.length) this.growSkus();
    const number = this.skus++;
    this.keyOfSku[number] = this.keys.appendKey(scratch, length);
    this.hashOfSku[number] = hash;
    this.firstLevel[number] = NONE;
    this.place(number);
    return number;
  }

  private place(number: number): void {
    const mask = this.table.length - 1;
    let at = spread(this.hashOfSku[number]) & mask;
    while (this.table[at] !== 0) at = (at + 1) & mask;
    this.table[at] = number + 1;
  }

  private growSkus(): void {
    const capacity = this.keyOfSku.length * 2;
    this.keyOfSku = enlarge(this.keyOfSku, capacity);
    this.hashOfSku = enlarge(this.hashOfSku, capacity);
    this.firstLevel = enlarge(this.firstLevel, capacity);
    this.table = new Uint32Array(capacity * 2);
    for (let number = 0; number < this.skus; number++) this.place(number);
  }

  private growLevels(): void {
    const capacity = this.onHand.length * 2;
    this.onHand = enlarge(this.onHand, capacity);
    this.reserved = enlarge(this.reserved, capacity);
    this.safetyStock = enlarge(this.safetyStock, capacity);
    this.backorderLimit = enlarge(this.backorderLimit, capacity);
    this.version = enlarge(this.version, capacity);
    this.updatedAt = enlarge(this.updatedAt, capacity);
    this.location = enlarge(this.location, capacity);
    this.nextLevel = enlarge(this.nextLevel, capacity);
    this.skuOfLevel = enlarge(this.skuOfLevel, capacity);
    this.touchedBy = enlarge(this.touchedBy, capacity);
    this.lastEntry = enlarge(this.lastEntry, capacity);
  }
}

/** The low bits of a SKU's hash chose its partition and are alike in all of them: others must choose the place. */
function spread(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 12;
}

type Column = Int32Array | Uint32Array | Float64Array | Uint16Array | Uint8Array;

/** A copy with more room; the new elements are 0. */
export function enlarge<T extends Column>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity);
  larger.set(column as never);
  return larger;
}
