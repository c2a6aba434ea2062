/**
 * What is sold of a reservation that is confirmed in part: units of each line, by the line's index. A line
 * that was split over locations is sold from its first allocations on, wherever that is worked out.
 */
import type { GrantedLine } from './types.ts';

/** Units of each line, 0 for the lines that are not listed; absent: everything. */
export type Sold = number[];

/** The lines of a confirmed reservation: what was sold of them, and none of which nothing was. */
export function soldLines(lines: GrantedLine[], sold: Sold | undefined): GrantedLine[] {
  if (sold === undefined) return lines;
  return lines.flatMap((line) => {
    const quantity = sold[line.line] ?? 0;
    if (quantity === 0) return [];
    let missing = quantity;
    const allocations = line.allocations.flatMap(({ location, quantity: held }) => {
      const part = Math.min(missing, held);
      missing -= part;
      return part === 0 ? [] : [{ location, quantity: part }];
    });
    return [{ ...line, quantity, allocations }];
  });
}

/** Asked for more of a SKU than is held. */
export interface Oversold {
  /** Index in `wanted` of the first that goes too far. */
  index: number;
  sku: string;
  held: number;
}

/** Spreads units by SKU over the lines that hold them, in the order of the lines. */
export function soldByLine(
  lines: GrantedLine[],
  wanted: { sku: string; quantity: number }[],
): Sold | Oversold {
  const sold: Sold = Array.from({ length: Math.max(...lines.map(({ line }) => line)) + 1 }, () => 0);
  for (const [index, { sku, quantity }] of wanted.entries()) {
    let missing = quantity;
    for (const line of lines) {
      if (line.sku !== sku) continue;
      const part = Math.min(missing, line.quantity - sold[line.line]);
      sold[line.line] += part;
      missing -= part;
    }
    if (missing === 0) continue;
    const held = lines.reduce((sum, line) => sum + (line.sku === sku ? line.quantity : 0), 0);
    return { index, sku, held };
  }
  return sold;
}
