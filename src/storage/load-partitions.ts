/**
 * Streams what a worker must know of its partitions, in bounded memory: every level, every open
 * part of a reservation with what its home has decided, and decisions that participants have not heard.
 * There may be millions of them, and until they are loaded nothing is sold: see copy-rows.ts.
 */
import { formatId } from '../reservations/id.ts';
import type { Sold } from '../reservations/sold.ts';
import type { Status, StockLevel } from '../reservations/types.ts';
import { type CopiedRow, copyRows, copyRowsOfPartitions } from './copy-rows.ts';
import type { Sql } from './database.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface LevelRow extends StockLevel {
  partition: number;
  level: number;
  /** Of its last entry in the ledger. */
  lastPage: number;
}

export interface OpenRow {
  partition: number;
  /** Its four words, valid until the callback returns. */
  id: Uint32Array;
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

export interface NeverRow {
  partition: number;
  /** Its four words, valid until the callback returns. */
  id: Uint32Array;
  /** Milliseconds since the Unix epoch. */
  at: number;
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

const words = new Uint32Array(4);

/** In no order: in that of their numbers, Postgres would read the table here and there rather than through. */
export function loadLevels(sql: Sql, partitions: number[], onRow: (row: LevelRow) => void): Promise<void> {
  return copyRowsOfPartitions(
    sql,
    `select partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit, version, updated_at, last_page
       from holdfast.stock_level where ${isOneOf('partition', partitions)}`,
    (row) =>
      onRow({
        partition: row.int16(),
        level: row.int32(),
        sku: row.text(),
        location: row.text(),
        onHand: row.int32(),
        reserved: row.int64(),
        safetyStock: row.int32(),
        backorderLimit: row.int32(),
        version: row.int64(),
        updatedAt: row.time(),
        lastPage: row.int64(),
      }),
  );
}

export function loadOpen(sql: Sql, partitions: number[], onRow: (row: OpenRow) => void): Promise<void> {
  return copyRowsOfPartitions(
    sql,
    // With a limit, each row of a home is looked up by the primary key, and only for a part: a join would read the whole table.
    `select r.partition, r.id, r.home, ${DECISION}, h.sold, r.created_at, r.expires_at, r.reference, r.participants, r.lines
       from holdfast.reservation r
       left join lateral (
         select h.status, h.sold from holdfast.reservation h
          where r.home <> r.partition and h.partition = r.home and h.id = r.id
            and h.status in ('held', 'confirmed', 'cancelled', 'expired', 'never', 'reheld')
          limit 1) h on true
      where ${isOneOf('r.partition', partitions)} and r.status = 'held'`,
    (row) => {
      const partition = row.int16();
      const id = row.uuid(words);
      const home = row.int16();
      const decision = row.isNull() ? null : (row.text() as Decision);
      onRow({
        partition,
        id,
        home,
        decision: home === partition ? 'held' : decision,
        sold: readSold(row),
        createdAt: row.time(),
        expiresAt: row.time(),
        reference: row.isNull() ? null : row.text(),
        participants: row.integers(),
        lines: row.integers(),
      });
    },
  );
}

/** Ids of which these homes have said, since a moment in milliseconds, that there will never be a reservation. */
export function loadNever(
  sql: Sql,
  homes: number[],
  since: number,
  onRow: (row: NeverRow) => void,
): Promise<void> {
  return copyRows(
    sql,
    `select partition, id, created_at from holdfast.reservation
      where ${isOneOf('partition', homes)} and status = 'never' and created_at > ${timestamp(since)}`,
    (row) => onRow({ partition: row.int16(), id: row.uuid(words), at: row.time() }),
  );
}

/** Decisions of these homes that a participant's row does not show yet. */
export function loadUnsettled(sql: Sql, homes: number[], onRow: (row: UnsettledRow) => void): Promise<void> {
  return copyRows(
    sql,
    `select h.partition, h.id, ${DECISION}, h.sold, r.partition
       from holdfast.reservation r
       join holdfast.reservation h
         on h.partition = r.home and h.id = r.id and h.status in ('confirmed', 'cancelled', 'expired', 'never', 'reheld')
      where r.partition = any(array(select partition from holdfast.partition)) and r.status = 'held'
        and r.home <> r.partition and ${isOneOf('r.home', homes)}`,
    (row) =>
      onRow({
        partition: row.int16(),
        id: formatId(row.uuid(words), 0),
        decision: row.text() as UnsettledRow['decision'],
        sold: readSold(row),
        participant: row.int16(),
      }),
  );
}

function readSold(row: CopiedRow): Sold | undefined {
  return row.isNull() ? undefined : row.integers();
}

/** In the text of a query, as COPY has no parameters. */
export function isOneOf(column: string, partitions: number[]): string {
  return `${column} = any('${arrayLiteral(partitions)}'::smallint[])`;
}
export function timestamp(ms: number): string {
  return `to_timestamp(${ms}::float8 / 1000)`;
}
