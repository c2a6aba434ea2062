/** What a count changes of a level; it makes the level if it is new. */
import { LEVELS_PER_SKU_MAX, QUANTITY_MAX } from '../limits.ts';
import type { ImportRow } from '../wire/messages.ts';
import { NONE, type Snapshot } from './snapshot.ts';

export interface Counted {
  level: number;
  created: boolean;
  /** False when the level was already as the count says. */
  changed: boolean;
  /** The rise of `onHand`. */
  delta: number;
  safetyStock: number;
  backorderLimit: number;
}

/** Changes nothing, except that a new level is there, with zeros; or says why there is nothing to be changed. */
export function count(
  snapshot: Snapshot,
  { sku, location, onHand, ifVersion, safetyStock, backorderLimit }: ImportRow & { ifVersion?: number },
): Counted | 'version-mismatch' | 'too-many-levels' | 'stock-below-zero' {
  const number = snapshot.findSku(sku);
  let level = snapshot.levelAt(number, location);
  const created = level === NONE;
  if (ifVersion !== undefined && (created || snapshot.version[level] !== ifVersion))
    return 'version-mismatch';
  // What is promised may be sold, and must then still be a number that the column holds.
  if (onHand - (created ? 0 : snapshot.reserved[level]) < -QUANTITY_MAX) return 'stock-below-zero';
  if (created) {
    if (snapshot.levelsOfSku(number).length >= LEVELS_PER_SKU_MAX) return 'too-many-levels';
    level = snapshot.addLevel(sku, location);
  }
  const safety = safetyStock ?? snapshot.safetyStock[level];
  const backorder = backorderLimit ?? snapshot.backorderLimit[level];
  const delta = onHand - snapshot.onHand[level];
  const changed =
    created ||
    delta !== 0 ||
    safety !== snapshot.safetyStock[level] ||
    backorder !== snapshot.backorderLimit[level];
  return { level, created, changed, delta, safetyStock: safety, backorderLimit: backorder };
}
