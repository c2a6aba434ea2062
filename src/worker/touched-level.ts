/** A level that a batch changes, and how the batch writes it down: by a row of its own, or with a hold or a closing of it. */
import type { BatchRows } from '../storage/batch-rows.ts';
import type { Author } from './batch.ts';

/** In the place of where a row of a level stands: there is none, or the level has changed in other ways, too. */
export const NOWHERE = -1;
export const MIXED = -2;
/** In the place of the version of a level whose row is not this one. */
export const ELSEWHERE = -1;
/** In the place of a hold's units: it is not written, others are in its stead. */
export const SPELLED_OUT = 0;

/** With what it was before, except for the quantities, which the ledger has. */
export interface TouchedLevel {
  author: Author;
  level: number;
  /** Of a level that the batch makes: its first entry in the ledger. */
  first?: { seq: number; onHand: number };
  /** Where the last plain hold of it stands, and the last closing. */
  hold: number;
  closing: number;
  safetyStock: number;
  backorderLimit: number;
  version: number;
  updatedAt: number;
}

/**
 * Writes down what the level is now.
 * @returns whether it is a new one whose first entry in the ledger is still to be written
 */
export function writeLevel(rows: BatchRows, touched: TouchedLevel): boolean {
  const { author, level, first, hold, closing } = touched;
  const { snapshot } = author;
  const { holds, closings } = rows;
  if (first !== undefined && snapshot.version[level] === 1) {
    writeCounted(rows, author, level, first.seq);
  } else if (hold !== MIXED && closing !== NOWHERE) {
    closings.onHand[closing] = snapshot.onHand[level];
    closings.reserved[closing] = snapshot.reserved[level];
    closings.version[closing] = snapshot.version[level];
  } else if (hold >= 0 && holds.quantity[hold] !== SPELLED_OUT) {
    holds.reserved[hold] = snapshot.reserved[level];
    holds.version[hold] = snapshot.version[level];
  } else {
    writeRow(rows, author, level, first !== undefined);
    return first !== undefined;
  }
  return false;
}

/** Nothing but the count that made it has changed the level. */
function writeCounted(
  { counted }: BatchRows,
  { snapshot, partition }: Author,
  level: number,
  seq: number,
): void {
  counted.partition.push(partition);
  counted.level.push(level);
  counted.onHand.push(snapshot.onHand[level]);
  counted.safetyStock.push(snapshot.safetyStock[level]);
  counted.backorderLimit.push(snapshot.backorderLimit[level]);
  counted.seq.push(seq);
  counted.sku.push(snapshot.skuOf(level));
  counted.location.push(snapshot.locationOf(level));
}

function writeRow(
  { levels, newLevels }: BatchRows,
  { snapshot, partition }: Author,
  level: number,
  created: boolean,
): void {
  const columns = created ? newLevels : levels;
  columns.partition.push(partition);
  columns.level.push(level);
  columns.onHand.push(snapshot.onHand[level]);
  columns.reserved.push(snapshot.reserved[level]);
  columns.safetyStock.push(snapshot.safetyStock[level]);
  columns.backorderLimit.push(snapshot.backorderLimit[level]);
  columns.version.push(snapshot.version[level]);
  if (!created) return;
  newLevels.sku.push(snapshot.skuOf(level));
  newLevels.location.push(snapshot.locationOf(level));
}
