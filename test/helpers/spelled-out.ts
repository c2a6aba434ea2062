/** A batch in which each level that a count has made is two rows, as in the tables: its own, and its first entry's in the ledger. */
import type { BatchRows } from '../../src/storage/commit-batch.ts';

export function spelledOut(rows: BatchRows): BatchRows {
  const { counted: c } = rows;
  const all = <T>(value: T): T[] => c.level.map(() => value);
  const { partition, level, onHand, safetyStock, backorderLimit, entry, sku, location } = c;
  const newLevels = appended(rows.newLevels, {
    partition,
    level,
    onHand,
    reserved: all(0),
    safetyStock,
    backorderLimit,
    version: all(1),
    lastEntry: entry,
    sku,
    location,
  });
  const ledger = appended(rows.ledger, {
    partition,
    seq: entry,
    level,
    previous: all(0),
    kind: all('counted'),
    onHandDelta: onHand,
    reservedDelta: all(0),
    reservation: all(null),
    reason: all(null),
    reference: all(null),
  });
  const none = Object.fromEntries(Object.keys(c).map((name) => [name, []])) as unknown as typeof c;
  return {
    ...rows,
    counted: none,
    newLevels: inOrder(newLevels, newLevels.level),
    ledger: inOrder(ledger, ledger.seq),
  };
}

type Columns = Record<string, unknown[]>;

function appended<T extends object>(columns: T, more: { [Name in keyof T]: T[Name] }): T {
  const both = Object.entries(columns as Columns).map(([name, values]) => [
    name,
    [...values, ...(more as Columns)[name]],
  ]);
  return Object.fromEntries(both);
}

/** By partition, and within it by number. */
function inOrder<T extends { partition: number[] }>(columns: T, number: number[]): T {
  const { partition } = columns;
  const order = number.map((_, row) => row);
  order.sort((a, b) => partition[a] - partition[b] || number[a] - number[b]);
  const sorted = Object.entries(columns as unknown as Columns).map(([name, values]) => [
    name,
    order.map((row) => values[row]),
  ]);
  return Object.fromEntries(sorted);
}
