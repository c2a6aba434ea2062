/**
 * Checks after a replay that the books balance, from what the server shows alone: for each level, the
 * allocations that were granted must equal the rise of `reserved`, and nothing else may have moved.
 *
 * Two things may come between, and are allowed for by exactly as much as they can explain: orders
 * whose answer got lost may hold, and what an earlier replay held may run out during this one.
 */
import type { Level, Order, Placed } from './shop-client.ts';

export interface Books {
  /** Units promised beyond what was there to promise. */
  oversold: number;
  /** One sentence for each level that does not add up. */
  faults: string[];
  /** Units of earlier reservations that ran out meanwhile. */
  ranOut: number;
}

/** Adds up what a replay was granted. */
export class Granted {
  readonly byLevel = new Map<string, number>();
  /** By SKU, the units of orders with an unknown outcome. */
  readonly unknownBySku = new Map<string, number>();
  units = 0;

  add(order: Order, placed: Placed): void {
    if (placed.kind === 'unknown')
      for (const { sku, quantity } of order.lines) increase(this.unknownBySku, sku, quantity);
    if (placed.kind !== 'granted') return;
    for (const { sku, allocations } of placed.lines) {
      for (const { location, quantity } of allocations) {
        increase(this.byLevel, keyOf({ sku, location }), quantity);
        this.units += quantity;
      }
    }
  }
}

/** @param before as read when the stock had been counted and no order placed */
export function audit(before: Level[], after: Level[], granted: Granted): Books {
  const books: Books = { oversold: 0, faults: [], ranOut: 0 };
  const earlier = new Map(before.map((level) => [keyOf(level), level]));
  for (const level of after) {
    const key = keyOf(level);
    const was = earlier.get(key);
    if (was === undefined) {
      books.faults.push(`${key} appeared`);
      continue;
    }
    earlier.delete(key);
    books.oversold += Math.max(0, Math.min(0, was.available) - level.available);
    const expected = granted.byLevel.get(key) ?? 0;
    const difference = level.reserved - was.reserved - expected;
    if (difference > (granted.unknownBySku.get(level.sku) ?? 0) || difference < -was.reserved) {
      books.faults.push(
        `${key}: ${expected} units granted, but reserved went from ${was.reserved} to ${level.reserved}`,
      );
    } else if (difference < 0) books.ranOut -= difference;
    if (level.onHand !== was.onHand)
      books.faults.push(`${key}: on hand went from ${was.onHand} to ${level.onHand}`);
    const { onHand, reserved, safetyStock, backorderLimit, available } = level;
    if (available !== onHand - reserved - safetyStock + backorderLimit)
      books.faults.push(`${key}: available is ${available}, which is not what its parts add up to`);
  }
  for (const key of earlier.keys()) books.faults.push(`${key} disappeared`);
  for (const key of granted.byLevel.keys())
    if (!after.some((level) => keyOf(level) === key))
      books.faults.push(`${key} was granted, but is not there`);
  return books;
}

/** A space can't be mistaken here: the shop's names have none. */
function keyOf({ sku, location }: { sku: string; location: string }): string {
  return `${sku} ${location}`;
}

function increase(map: Map<string, number>, key: string, by: number): void {
  map.set(key, (map.get(key) ?? 0) + by);
}
