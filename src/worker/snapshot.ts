/**
 * The stock levels of one partition, as a structure of arrays: level `n` is element `n` of each.
 *
 * DESIGN. A SKU is known by the first of its levels, which is found through an open-addressing table of the
 * SKU's hash (linear probing; nothing is ever removed) and leads to the others, one for each location, in the order
 * in which they were made. Arrays grow by a sixteenth when they are full, so that little of them is empty: 52 bytes a level, and
 * 6 to 12 of the table a SKU. No object is kept per row.
 */

import { QUANTITY_MAX } from '../limits.ts';
import type { StockLevel } from '../reservations/types.ts';
import { hashBytes } from '../routing/partition-map.ts';
import { ByteHeap } from './byte-heap.ts';
import { CAPACITY_MIN, Growth, resized } from './columns.ts';

export const NONE = -1;
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
  /** Where the level stands in the last batch that it is in, so that a batch lists it once. */
  touchedAt = new Uint32Array(CAPACITY_MIN);
  /** The page of the level's last entry in the ledger; 0 before the first. */
  lastPage = new Float64Array(CAPACITY_MIN);
  /** The next level of the same SKU, plus one; 0 is none. */
  private next = new Uint32Array(CAPACITY_MIN);
  /** Where the text of its SKU is, which the levels of a SKU share. */
  private skuAt = new Uint32Array(CAPACITY_MIN);
  private readonly texts: ByteHeap;
  /** Levels that were restored. */
  private restored = 0;

  private skus = 0;
  /** The first level of a SKU, plus one, by the SKU's hash; 0 is empty. Never more than two thirds full. */
  private table = new Uint32Array(CAPACITY_MIN * 2);

  constructor(
    readonly locations: Locations,
    private readonly growth = new Growth(),
  ) {
    this.texts = new ByteHeap(growth);
  }

  /** The first level of a SKU, which is the same in every snapshot of the partition; NONE for one that is not known. */
  findSku(sku: string): number {
    const { written } = encoder.encodeInto(sku, scratch);
    return this.table[this.probe(hashBytes(scratch, 0, written), written)] - 1;
  }

  /** @param first the first level of the SKU, or NONE @returns its level at a location, or NONE */
  levelAt(first: number, locationName: string): number {
    const location = this.locations.find(locationName);
    if (location === NONE) return NONE;
    let level = first;
    while (level !== NONE && this.location[level] !== location) level = this.next[level] - 1;
    return level;
  }

  /** @param first the first level of the SKU; NONE for no levels */
  levelsOfSku(first: number): number[] {
    const levels: number[] = [];
    for (let level = first; level !== NONE; level = this.next[level] - 1) levels.push(level);
    return levels;
  }

  /** Adds a level of zeros; the pair must not exist yet. @returns its number, the next in order */
  addLevel(sku: string, location: string): number {
    const level = this.levels;
    this.setLevel(level, sku, location);
    return level;
  }

  /** Adds a level of zeros that has its number. They may come in any order, before all others; then `checkRestored` is due. */
  restoreLevel(level: number, sku: string, location: string): void {
    this.setLevel(level, sku, location);
    this.restored++;
  }

  /** @throws Error where a number has no level */
  checkRestored(): void {
    if (this.restored !== this.levels)
      throw new Error(`${this.levels - this.restored} of ${this.levels} levels are missing`);
  }

  private setLevel(level: number, sku: string, location: string): void {
    if (level >= this.onHand.length) this.resize(level + 1);
    if (level >= this.levels) this.levels = level + 1;
    this.location[level] = this.locations.intern(location);
    const { written } = encoder.encodeInto(sku, scratch);
    if (this.skus * 3 >= this.table.length * 2) this.growTable();
    const at = this.probe(hashBytes(scratch, 0, written), written);
    const first = this.table[at] - 1;
    if (first === NONE) {
      this.skuAt[level] = this.texts.append(scratch, written);
      this.skus++;
      this.table[at] = level + 1;
      return;
    }
    if (level === first) throw new Error(`level ${level} is there twice`);
    this.skuAt[level] = this.skuAt[first];
    if (level < first) {
      this.next[level] = first + 1;
      this.table[at] = level + 1;
      return;
    }
    let before = first;
    while (this.next[before] !== 0 && this.next[before] <= level) before = this.next[before] - 1;
    if (this.next[before] === level + 1) throw new Error(`level ${level} is there twice`);
    this.next[level] = this.next[before];
    this.next[before] = level + 1;
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
    return this.texts.text(this.skuAt[level]);
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

  /** The table position of the SKU in `scratch`, or the empty one where it belongs. */
  private probe(hash: number, length: number): number {
    const { table, texts, skuAt } = this;
    const mask = table.length - 1;
    for (let at = placeOf(hash, table); ; at = (at + 1) & mask) {
      const entry = table[at];
      if (entry === 0 || texts.equals(skuAt[entry - 1], scratch, length)) return at;
    }
  }

  private growTable(): void {
    const { texts, skuAt } = this;
    const table = new Uint32Array(this.table.length * 2);
    for (let from = 0; from < this.table.length; from++) {
      const entry = this.table[from];
      if (entry === 0) continue;
      const text = skuAt[entry - 1];
      let at = placeOf(hashBytes(texts.bytes, text + 1, text + 1 + texts.bytes[text]), table);
      while (table[at] !== 0) at = (at + 1) & (table.length - 1);
      table[at] = entry;
    }
    this.table = table;
  }

  fit(): void {
    this.resize(this.levels);
    this.texts.fit();
  }

  private resize(needed: number): void {
    const capacity = this.growth.room(needed);
    this.onHand = resized(this.onHand, capacity);
    this.reserved = resized(this.reserved, capacity);
    this.safetyStock = resized(this.safetyStock, capacity);
    this.backorderLimit = resized(this.backorderLimit, capacity);
    this.version = resized(this.version, capacity);
    this.updatedAt = resized(this.updatedAt, capacity);
    this.location = resized(this.location, capacity);
    this.touchedAt = resized(this.touchedAt, capacity);
    this.lastPage = resized(this.lastPage, capacity);
    this.next = resized(this.next, capacity);
    this.skuAt = resized(this.skuAt, capacity);
  }
}

/**
 * Fibonacci hashing (Knuth, TAOCP 3, 6.4): the high bits of a product, since the low bits of a SKU's hash chose its
 * partition and are alike in all of them.
 */
function placeOf(hash: number, { length }: Uint32Array): number {
  return Math.imul(hash, 0x9e3779b1) >>> (Math.clz32(length) + 1);
}
