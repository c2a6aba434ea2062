/**
 * A seeded source of numbers, the same on every machine. It and its callers use nothing but basic arithmetic,
 * because `Math.pow`, `log` and the like may differ in the last bit between platforms.
 */

/** Mulberry32 (Tommy Ettinger, public domain). @returns numbers from [0, 1) */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Zipf's law with exponent 1: rank r is drawn in proportion to 1/r.
 * @returns draws of ranks from 0 to `count` - 1, the most frequent first
 */
export function zipf(count: number, random: () => number): () => number {
  const upTo = new Float64Array(count);
  let total = 0;
  for (let rank = 0; rank < count; rank++) {
    total += 1 / (rank + 1);
    upTo[rank] = total;
  }
  return () => {
    const wanted = random() * total;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (upTo[middle] <= wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Fisher and Yates; a new array. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}
