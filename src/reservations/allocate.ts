/**
 * Which units answer which lines: the one place where stock is promised (invariant I1).
 *
 * Lines are decided in order, each against what the lines before it left, so that two lines for the same
 * SKU can't be granted the same units. A level is promised to no further than `available`.
 */
import type { HoldLine, LineRefusal, Mode, Strategy } from './types.ts';

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
 * Takes stock: in mode `all` for every line or for none, in mode `partial` what there is. `refused` has every
 * line that was not granted whole; in mode `all` nothing is then changed, and `taken` is empty.
 * @param locations where a line without a location may be sourced, in order of preference; empty: anywhere
 */
export function allocate(
  stock: Stock,
  lines: HoldLine[],
  strategy: Strategy,
  locations: string[],
  mode: Mode = 'all',
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
    const candidates = candidatesOf(stock, sku, line, locations);
    const part = { line: line.line, quantity: line.quantity, partly: mode === 'partial' };
    const lineStrategy = line.location === undefined ? strategy : 'in-order';
    const available =
      lineStrategy === 'split'
        ? split(stock, candidates, part, taken)
        : whole(stock, candidates, part, lineStrategy, taken);
    if (available >= line.quantity) continue;
    // A line that names several locations is asked for in parts.
    const known = refused.find((one) => one.line === line.line);
    if (known !== undefined) {
      known.requested += line.quantity;
      known.available += available;
      continue;
    }
    refused.push({
      line: line.line,
      sku: line.sku,
      code: 'insufficient-stock',
      requested: line.quantity,
      available,
    });
  }
  if (refused.length > 0 && mode === 'all') {
    giveBack(stock, taken);
    taken.length = 0;
  }
  return { taken, refused };
}

interface Part {
  line: number;
  quantity: number;
  /** Less than the quantity is welcome, too. */
  partly: boolean;
}

/** From one location. @returns units there were for the line; it was granted if they are enough */
function whole(
  stock: Stock,
  candidates: number[],
  { line, quantity, partly }: Part,
  strategy: Strategy,
  taken: Taken[],
): number {
  let chosen = -1;
  let most = 0;
  for (const level of candidates) {
    const available = stock.available(level);
    if (available <= most) continue;
    most = available;
    chosen = level;
    if (strategy === 'in-order' && available >= quantity) break;
  }
  if (most >= quantity || (partly && most > 0)) take(stock, line, chosen, Math.min(most, quantity), taken);
  return most;
}

/** From the first candidates on, as much of each as it takes. @returns units there were for the line */
function split(stock: Stock, candidates: number[], { line, quantity, partly }: Part, taken: Taken[]): number {
  let total = 0;
  for (const level of candidates) total += Math.max(0, stock.available(level));
  if (total < quantity && !partly) return total;
  let missing = quantity;
  for (const level of candidates) {
    const part = Math.min(missing, stock.available(level));
    if (part <= 0) continue;
    take(stock, line, level, part, taken);
    missing -= part;
    if (missing === 0) break;
  }
  return total;
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
