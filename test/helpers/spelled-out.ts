/** A batch in which what is told together is told apart, as in the tables: a level or a reservation, and its entry in the ledger. */
import type { StockLevel } from '../../src/reservations/types.ts';
import type { BatchRows, LevelColumns } from '../../src/storage/batch-rows.ts';

type LevelAt = (
  partition: number,
  level: number,
) => Pick<StockLevel, 'onHand' | 'safetyStock' | 'backorderLimit'>;

/** @param levelAt what a level is before the batch */
export function spelledOut(rows: BatchRows, levelAt: LevelAt): BatchRows {
  const { counted: c, holds: h, closings: o } = rows;
  const levels = appended(rows.levels, carriedBy(h, levelAt), carriedBy(o, levelAt));
  const newLevels = appended(rows.newLevels, {
    ...pick(c, 'partition', 'level', 'onHand', 'safetyStock', 'backorderLimit', 'sku', 'location'),
    reserved: c.level.map(() => 0),
    version: c.level.map(() => 1),
  });
  const reservations = appended(rows.reservations, {
    ...pick(h, 'partition', 'id', 'createdAt', 'expiresAt', 'reference'),
    status: h.id.map(() => 'held'),
    home: h.partition,
    participants: h.id.map(() => '{}'),
    lines: h.id.map((_, i) => `{0,${h.level[i]},${h.quantity[i]}}`),
    sold: h.id.map(() => null),
  });
  const changes = appended(rows.changes, {
    ...pick(o, 'partition', 'id', 'status', 'expiresAt'),
    was: o.id.map(() => 'held'),
    sold: o.id.map(() => null),
    reheldAs: o.id.map(() => null),
  });
  const ledger = appended(
    rows.ledger,
    entries(c.level.length, () => null, {
      ...pick(c, 'partition', 'seq', 'level'),
      previous: c.level.map(() => 0),
      kind: c.level.map(() => 'counted'),
      onHandDelta: c.onHand,
      reservedDelta: c.level.map(() => 0),
    }),
    entries(h.id.length, (i) => h.id[i], {
      ...pick(h, 'partition', 'seq', 'level', 'previous'),
      kind: h.id.map(() => 'held'),
      onHandDelta: h.id.map(() => 0),
      reservedDelta: h.quantity,
    }),
    entries(o.id.length, (i) => o.id[i], {
      ...pick(o, 'partition', 'seq', 'level', 'previous', 'onHandDelta', 'reservedDelta'),
      kind: o.status,
    }),
  );
  return {
    ...rows,
    counted: emptied(c),
    holds: emptied(h),
    closings: emptied(o),
    levels,
    newLevels: inOrder(newLevels, newLevels.level),
    reservations,
    changes,
    ledger: inOrder(ledger, ledger.seq),
  };
}

/** The levels of which these rows say what they are. */
function carriedBy(
  rows: Omit<LevelColumns, 'onHand' | 'safetyStock' | 'backorderLimit'> & { onHand?: number[] },
  levelAt: LevelAt,
): LevelColumns {
  const { partition, level, onHand, reserved, version } = rows;
  const carrying = version.flatMap((number, i) => (number >= 0 ? [i] : []));
  const before = carrying.map((i) => levelAt(partition[i], level[i]));
  return {
    partition: carrying.map((i) => partition[i]),
    level: carrying.map((i) => level[i]),
    onHand: carrying.map((i, at) => onHand?.[i] ?? before[at].onHand),
    reserved: carrying.map((i) => reserved[i]),
    safetyStock: before.map(({ safetyStock }) => safetyStock),
    backorderLimit: before.map(({ backorderLimit }) => backorderLimit),
    version: carrying.map((i) => version[i]),
  };
}

/** Without a note. */
function entries(
  count: number,
  reservation: (row: number) => string | null,
  columns: Omit<BatchRows['ledger'], 'reservation' | 'reason' | 'reference'>,
): BatchRows['ledger'] {
  const rows = Array.from({ length: count }, (_, row) => row);
  const none = rows.map(() => null);
  return { ...columns, reservation: rows.map(reservation), reason: none, reference: none };
}

function pick<T extends object, Name extends keyof T>(columns: T, ...names: Name[]): Pick<T, Name> {
  return Object.fromEntries(names.map((name) => [name, columns[name]])) as Pick<T, Name>;
}

function emptied<T extends object>(columns: T): T {
  return Object.fromEntries(Object.keys(columns).map((name) => [name, []])) as unknown as T;
}

type Columns = Record<string, unknown[]>;

function appended<T extends object>(columns: T, ...more: T[]): T {
  const both = Object.entries(columns as Columns).map(([name, values]) => [
    name,
    [...values, ...more.flatMap((rows) => (rows as Columns)[name])],
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
