/**
 * One batch of decisions made durable: one statement, one round trip, one fsync.
 *
 * The statement compares each partition's epoch and commit sequence before it writes anything, and
 * fails as a whole with SQLSTATE_FENCED if one is not as expected. So it is safe to send the next
 * batch before this one has been answered, and never possible to commit after another owner has come.
 *
 * Arrays travel as Postgres array literals (manual, 8.15.2) in text parameters: one statement text for
 * every size of batch.
 */
import type { Sql } from './database.ts';

/** The rows of one commit, a list per column. Times are milliseconds since the Unix epoch. */
export interface BatchRows {
  partitions: { partition: number[]; epoch: number[]; commitSeq: number[]; ledgerSeq: number[] };
  newLevels: LevelColumns & { sku: string[]; location: string[] };
  levels: LevelColumns;
  reservations: {
    partition: number[];
    status: string[];
    id: string[];
    home: number[];
    createdAt: number[];
    expiresAt: number[];
    reference: (string | null)[];
    /** Array literals, `{1,2}`. */
    participants: string[];
    lines: string[];
  };
  closed: { partition: number[]; id: string[]; status: string[]; at: number[] };
  ledger: {
    partition: number[];
    seq: number[];
    level: number[];
    kind: string[];
    onHandDelta: number[];
    reservedDelta: number[];
    reservation: (string | null)[];
    at: number[];
  };
}

export interface LevelColumns {
  partition: number[];
  level: number[];
  onHand: number[];
  reserved: number[];
  safetyStock: number[];
  backorderLimit: number[];
  version: number[];
  updatedAt: number[];
}

const PARAMETERS = 43;
const STATEMENT = `select holdfast.commit_batch(${Array.from({ length: PARAMETERS }, (_, i) => `$${i + 1}`).join(',')})`;

export async function commitBatch(sql: Sql, rows: BatchRows): Promise<void> {
  const { partitions: p, newLevels: n, levels: l, reservations: r, closed: c, ledger: g } = rows;
  await sql.unsafe(
    STATEMENT,
    [
      ...[p.partition, p.epoch, p.commitSeq, p.ledgerSeq].map(plain),
      ...[plain(n.partition), plain(n.level), quoted(n.sku), quoted(n.location)],
      ...[n.onHand, n.reserved, n.safetyStock, n.backorderLimit, n.version, n.updatedAt].map(plain),
      ...[l.partition, l.level].map(plain),
      ...[l.onHand, l.reserved, l.safetyStock, l.backorderLimit, l.version, l.updatedAt].map(plain),
      ...[r.partition, r.status, r.id, r.home, r.createdAt, r.expiresAt].map(plain),
      ...[quoted(r.reference), quoted(r.participants), quoted(r.lines)],
      ...[c.partition, c.id, c.status, c.at].map(plain),
      ...[g.partition, g.seq, g.level, g.kind, g.onHandDelta, g.reservedDelta].map(plain),
      ...[plainOrNull(g.reservation), plain(g.at)],
    ],
    { prepare: true },
  );
}

/** Numbers, UUIDs and enum labels need no quotes in an array literal. */
function plain(values: (number | string)[]): string {
  return `{${values.join(',')}}`;
}

function plainOrNull(values: (string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

function quoted(values: (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${value.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`;
}
