/**
 * Whether a server's own figures agree with the answers that it gave: each of them must have risen by
 * as much as was granted. A request without an answer may have been granted, or not.
 */

/** Figures that must rise by one with each reservation of one unit, by what they are. */
export type Books = Record<string, number>;

export interface Grants {
  granted: number;
  lost: number;
}

/** @returns a sentence for each figure that does not agree; none when the books balance */
export function imbalances(before: Books, after: Books, { granted, lost }: Grants): string[] {
  const rises = Object.entries(after).map(([figure, value]) => ({ figure, rise: value - before[figure] }));
  const faults = rises
    .filter(({ rise }) => rise < granted || rise > granted + lost)
    .map(
      ({ figure, rise }) =>
        `${figure} rose by ${rise}; granted were ${granted}, without an answer stayed ${lost}`,
    );
  if (new Set(rises.map(({ rise }) => rise)).size > 1 && faults.length === 0)
    faults.push(`the figures disagree: ${rises.map(({ figure, rise }) => `${figure} ${rise}`).join(', ')}`);
  return faults;
}
