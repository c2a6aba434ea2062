/** Columns of a structure of arrays, and how they grow. */

export const CAPACITY_MIN = 16;

type Column = Int32Array | Uint32Array | Float64Array | Uint16Array | Uint8Array;

/**
 * How long columns are made. Usually longer than needed by a share, so that little of them is empty; of a sixteenth, an element is copied some
 * sixteen times in all. While millions are restored they double, and are cut to size afterwards, by `fit` of each structure.
 */
export class Growth {
  doubles = false;

  /** @param share of what is needed, by which columns are longer */
  constructor(private readonly share = 1 / 16) {}

  room(needed: number): number {
    return needed + Math.max(CAPACITY_MIN, this.doubles ? needed : Math.floor(needed * this.share));
  }
}

/** A copy with more room, or less; new elements are 0. */
export function resized<T extends Column>(column: T, capacity: number): T {
  const copy = new (column.constructor as new (length: number) => T)(capacity);
  copy.set((column.length > capacity ? column.subarray(0, capacity) : column) as never);
  return copy;
}
