/**
 * Which units answer which lines: the one place where stock is promised (invariant I1).
 *
 * Lines are decided in order, each against what the lines before it left, so that two lines for the same
 * SKU can't be granted the same units. A level is promised to no further than `available`.
 */
import type { HoldLine, LineRefusal, Strategy } from './types.ts';

/** The stock of one partition, levels by number; -1 stands for none. */
export interface Stock {
  findSku(sku: string): number;
  levelsOfSku(sku: number): number[];
  /** The level of this SKU at the named location. */
  levelAt(sku: number, location: string): number;
  available(level: number): number;
  reserved: { [level: number]: number };
}

export interface Taken {
  line: number;
  level: number;
  quantity: number;
}

export interface Allocated {
  taken: Taken[];
  refused: LineRefusal[];
}

/**
 * Takes stock for all lines, or for none. On a refusal `taken` is empty, nothing is changed, and
 * `refused` has every line that could not be granted beside those that could.
 * @param locations where a line without a location may be sourced, in order of preference; empty: anywhere
 */
export function allocate(
  stock: Stock,
  lines: HoldLine[],
  strategy: Strategy,
  locations: string[],
): Allocated {
  const taken: Taken[] = [];
  const refused: LineRefusal[] = [];
  for (const line of lines) {
    const sku = stock.findSku(line.sku);
    if (sku < 0) {
      refused.push({
        line: line.line,
        sku: line.sku,
        code: 'unknown-sku',
        requested: line.quantity,
        available: 0,
      });
      continue;
    }
    const short = source(
      stock,
      sku,
      line,
      line.location === undefined ? strategy : 'in-order',
      locations,
      taken,
    );
    if (short === undefined) continue;
    refused.push({
      line: line.line,
      sku: line.sku,
      code: 'insufficient-stock',
      requested: line.quantity,
      available: Math.max(0, short),
    });
  }
  if (refused.length > 0) {
    giveBack(stock, taken);
    taken.length = 0;
  }
  return { taken, refused };
}

/** @returns undefined when the line was granted, else what could have been */
function source(
  stock: Stock,
  sku: number,
  line: HoldLine,
  strategy: Strategy,
  locations: string[],
  taken: Taken[],
): number | undefined {
  const candidates = candidatesOf(stock, sku, line, locations);
  if (strategy === 'split') return split(stock, candidates, line, taken);
  let chosen = -1;
  let most = 0;
  for (const level of candidates) {
    const available = stock.available(level);
    if (available <= most) continue;
    most = available;
    chosen = level;
    if (strategy === 'in-order' && available >= line.quantity) break;
  }
  if (most < line.quantity) return most;
  take(stock, line.line, chosen, line.quantity, taken);
  return undefined;
}

/** From the first candidates on, as much of each as it takes. */
function split(stock: Stock, candidates: number[], line: HoldLine, taken: Taken[]): number | undefined {
  let total = 0;
  for (const level of candidates) total += Math.max(0, stock.available(level));
  if (total < line.quantity) return total;
  let missing = line.quantity;
  for (const level of candidates) {
    const quantity = Math.min(missing, stock.available(level));
    if (quantity <= 0) continue;
    take(stock, line.line, level, quantity, taken);
    missing -= quantity;
    if (missing === 0) break;
  }
  return undefined;
}

function candidatesOf(stock: Stock, sku: number, line: HoldLine, locations: string[]): number[] {
  if (line.location !== undefined) return [stock.levelAt(sku, line.location)].filter((level) => level >= 0);
  if (locations.length === 0) return stock.levelsOfSku(sku);
  return [...new Set(locations)]
    .map((location) => stock.levelAt(sku, location))
    .filter((level) => level >= 0);
}

function take(stock: Stock, line: number, level: number, quantity: number, taken: Taken[]): void {
  stock.reserved[level] += quantity;
  taken.push({ line, level, quantity });
}

/** Undoes what `allocate` took. */
export function giveBack(stock: Stock, taken: Taken[]): void {
  for (const { level, quantity } of taken) stock.reserved[level] -= quantity;
}
