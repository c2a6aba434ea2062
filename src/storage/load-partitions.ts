/**
 * Streams what a worker must know of its partitions, in bounded memory: every level, every open
 * part of a reservation with what its home has decided, and decisions that participants have not heard.
 */
import type { Sold } from '../reservations/sold.ts';
import type { Status, StockLevel } from '../reservations/types.ts';
import type { Sql } from './database.ts';
import { streamRows } from './stream-rows.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface LevelRow extends StockLevel {
  partition: number;
  level: number;
  /** The sequence number of its last entry in the ledger. */
  lastEntry: number;
}

export interface OpenRow {
  partition: number;
  id: string;
  home: number;
  /** What the home's row says; null where it has none. For a home's own row, `held`. */
  decision: Decision | null;
  /** With the decision `confirmed`: what was sold, where that was a part. */
  sold?: Sold;
  createdAt: number;
  expiresAt: number;
  reference: string | null;
  participants: number[];
  /** (line, level, quantity) repeated. */
  lines: number[];
}

export interface UnsettledRow {
  /** The home. */
  partition: number;
  id: string;
  decision: Exclude<Decision, 'held'>;
  sold?: Sold;
  participant: number;
}

type Decision = Status | 'never';

/** What a participant must know of the status of its home's row. */
const DECISION = `case when h.status = 'reheld' then 'confirmed' else h.status::text end`;

/** Levels by partition, each partition's in the order of their numbers, without gaps. */
export async function loadLevels(
  sql: Sql,
  partitions: number[],
  onRow: (row: LevelRow) => void,
): Promise<void> {
  const query = sql<LevelRow[]>`
    select partition, level, sku, location, on_hand as "onHand", reserved, safety_stock as "safetyStock",
           backorder_limit as "backorderLimit", version, last_entry as "lastEntry",
           round(extract(epoch from updated_at) * 1000)::float8 as "updatedAt"
      from holdfast.stock_level where partition = any(${arrayLiteral(partitions)}::smallint[])
     order by partition, level`;
  await streamRows(sql, query, onRow);
}

type Text<T, K extends keyof T> = Omit<T, K> & { [column in K]-?: string };
type OpenColumns = Text<OpenRow, 'participants' | 'lines'> & { sold: string | null };

export async function loadOpen(sql: Sql, partitions: number[], onRow: (row: OpenRow) => void): Promise<void> {
  const query = sql<OpenColumns[]>`
    select r.partition, r.id, r.home, r.reference, r.participants::text, r.lines::text,
           round(extract(epoch from r.created_at) * 1000)::float8 as "createdAt",
           round(extract(epoch from r.expires_at) * 1000)::float8 as "expiresAt",
           case when r.home = r.partition then 'held' else ${sql.unsafe(DECISION)} end as decision,
           h.sold::text as sold
      from holdfast.reservation r
      left join holdfast.reservation h
        on r.home <> r.partition and h.partition = r.home and h.id = r.id
       and h.status in ('held', 'confirmed', 'cancelled', 'expired', 'never', 'reheld')
     where r.partition = any(${arrayLiteral(partitions)}::smallint[]) and r.status = 'held'`;
  await streamRows(sql, query, (row) =>
    onRow({
      ...row,
      participants: parseIntegers(row.participants),
      lines: parseIntegers(row.lines),
      sold: parseSold(row.sold),
    }),
  );
}

/** Ids of which these homes have said, since a moment in milliseconds, that there will never be a reservation. */
export async function loadNever(
  sql: Sql,
  homes: number[],
  since: number,
  onRow: (row: { partition: number; id: string; at: number }) => void,
): Promise<void> {
  const query = sql<{ partition: number; id: string; at: number }[]>`
    select partition, id, round(extract(epoch from created_at) * 1000)::float8 as at
      from holdfast.reservation
     where partition = any(${arrayLiteral(homes)}::smallint[]) and status = 'never'
       and created_at > to_timestamp(${since}::float8 / 1000)`;
  await streamRows(sql, query, onRow);
}

/** Decisions of these homes that a participant's row does not show yet. */
export async function loadUnsettled(
  sql: Sql,
  homes: number[],
  onRow: (row: UnsettledRow) => void,
): Promise<void> {
  const query = sql<(Omit<UnsettledRow, 'sold'> & { sold: string | null })[]>`
    select h.partition, h.id, ${sql.unsafe(DECISION)} as decision, h.sold::text as sold, r.partition as participant
      from holdfast.reservation r
      join holdfast.reservation h
        on h.partition = r.home and h.id = r.id and h.status in ('confirmed', 'cancelled', 'expired', 'never', 'reheld')
     where r.partition = any(array(select partition from holdfast.partition)) and r.status = 'held'
       and r.home <> r.partition and r.home = any(${arrayLiteral(homes)}::smallint[])`;
  await streamRows(sql, query, (row) => onRow({ ...row, sold: parseSold(row.sold) }));
}

function parseSold(literal: string | null): Sold | undefined {
  return literal === null ? undefined : parseIntegers(literal);
}

/** Parses a one-dimensional array literal of integers. */
export function parseIntegers(literal: string): number[] {
  return literal === '{}' ? [] : literal.slice(1, -1).split(',').map(Number);
}
