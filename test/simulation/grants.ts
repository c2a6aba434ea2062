/** What must be granted of lines of one SKU: worked out anew from the contract, as a second opinion on the code. */
import type { Sourcing } from './calls.ts';

export interface NumberedLine {
  line: number;
  quantity: number;
  location?: string;
}

export interface Grant {
  line: number;
  requested: number;
  allocations: { location: string; quantity: number }[];
  /** Units there were for it. */
  available: number;
}

/** @param stock of the SKU, in the order in which its locations were first counted */
export function grantsOf(
  stock: { location: string; available: number }[],
  lines: NumberedLine[],
  sourcing: Sourcing,
  mode: 'all' | 'partial',
): Grant[] {
  const left = stock.map((one) => ({ ...one }));
  return lines.map(({ line, quantity, location }) => {
    const strategy = location === undefined ? sourcing.strategy : 'in-order';
    const wanted = location === undefined ? sourcing.locations : [location];
    const candidates =
      wanted === undefined
        ? left
        : [...new Set(wanted)].flatMap((name) => left.filter((one) => one.location === name));
    const sources = strategy === 'split' ? candidates : oneOf(candidates, quantity, strategy);
    const available = sources.reduce((sum, one) => sum + Math.max(0, one.available), 0);
    const allocations: Grant['allocations'] = [];
    let missing = available < quantity && mode === 'all' ? 0 : quantity;
    for (const source of sources) {
      const part = Math.min(missing, source.available);
      if (part <= 0) continue;
      source.available -= part;
      missing -= part;
      allocations.push({ location: source.location, quantity: part });
    }
    return { line, requested: quantity, allocations, available };
  });
}

/** Where a line that may not be split comes from: the first with enough, or else the one with the most. */
function oneOf<T extends { available: number }>(
  candidates: T[],
  quantity: number,
  strategy: 'most-available' | 'in-order',
): T[] {
  const enough = candidates.find(({ available }) => available >= quantity);
  if (strategy === 'in-order' && enough !== undefined) return [enough];
  const most = Math.max(...candidates.map(({ available }) => available));
  return candidates.filter(({ available }) => available === most).slice(0, 1);
}
