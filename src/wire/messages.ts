/**
 * What a front asks a worker, and a worker another worker, and the answers.
 *
 * A request names the partition it is for; the worker that does not own it answers
 * `partition-unavailable`. A search names none: any worker can answer it, from the database. `deadline` is wall time in milliseconds: a command that is still queued
 * then is dropped before it takes effect, because its caller has gone.
 *
 * Reservations over several partitions: a participant gets `hold` with `home` set and holds until
 * told; then the home partition gets `hold` with `participants` set, and its record is the decision.
 */
import type { Keyring } from '../access/keyring.ts';
import type { TraceContext } from '../observability/trace-context.ts';
import type { Key } from '../reservations/key.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { Sold } from '../reservations/sold.ts';
import {
  type Allocation,
  type GrantedLine,
  type HoldLine,
  type LedgerEntry,
  type LineRefusal,
  type Mode,
  type Reservation,
  STATUSES,
  type Status,
  type StockLevel,
  type Strategy,
} from '../reservations/types.ts';
import type { ImportSummary } from './import-summary.ts';

/** Holds this partition's lines of a reservation. Answers: `granted`, `refused`, `problem`. */
export interface HoldRequest {
  kind: 'hold';
  partition: number;
  deadline: number;
  id: string;
  /**
   * - `decide`: this partition is the home; a grant makes the reservation held.
   * - `try`: this partition is a participant; it holds until the home has decided.
   * - `probe`: says what `decide` would refuse, and changes nothing.
   */
  role: 'decide' | 'try' | 'probe';
  /** The home partition; equals `partition` unless the role is `try`. */
  home: number;
  /** The other partitions of the reservation; only for the role `decide`. In mode `partial`, those that hold something. */
  participants: readonly number[];
  /**
   * Only for the role `decide`: the expired reservation that this one is confirmed for, at once and in
   * its name. The home answers with that reservation.
   */
  rehold?: { id: string; sold?: Sold };
  mode: Mode;
  createdAt: number;
  expiresAt: number;
  reference?: string;
  /** What the other partitions did not grant, to be part of this one's answer. */
  refused: readonly Omit<LineRefusal, 'sku'>[];
  key?: Key;
  strategy: Strategy;
  /** Where lines without a location may be sourced, in order of preference; empty: anywhere. */
  locations: string[];
  lines: HoldLine[];
}

/** Sets what a count found. Answers: `level`, `problem` (`version-mismatch`, `too-many-levels`). */
export interface PutLevelRequest {
  kind: 'put-level';
  partition: number;
  deadline: number;
  sku: string;
  location: string;
  onHand: number;
  /** Absent: unchanged, or 0 for a new level. */
  safetyStock?: number;
  backorderLimit?: number;
  /** If-Match: the version that the level must have. */
  ifVersion?: number;
}

/** What a count found of one level, as one row of an import. */
export interface ImportRow {
  sku: string;
  location: string;
  /** May be below 0. */
  onHand: number;
  /** Absent: unchanged, or 0 for a new level. */
  safetyStock?: number;
  backorderLimit?: number;
}

/**
 * Sets what counts found, row by row in this order; up to IMPORT_ROWS_PER_MESSAGE_MAX of them. As a
 * count says what is there, and not by how much it rose, sending it again is safe. Answers:
 * `imported`, `problem`.
 */
export interface ImportLevelsRequest {
  kind: 'import-levels';
  partition: number;
  deadline: number;
  rows: ImportRow[];
}

/** Answers: `levels`, `problem` (`unknown-sku`). */
export interface GetLevelsRequest {
  kind: 'get-levels';
  partition: number;
  deadline: number;
  sku: string;
}

/**
 * The levels of a partition by number, from `from` on, up to `limit` of them. A level keeps its number for
 * ever, so that pages neither overlap nor leave out a level that was there at the first. Answers:
 * `levels`, with `next` unless these were the last.
 */
export interface ExportLevelsRequest {
  kind: 'export-levels';
  partition: number;
  deadline: number;
  from: number;
  limit: number;
}

/** Read at the home partition, from the database. Answers: `reservation`, `problem` (`unknown-reservation`). */
export interface GetReservationRequest {
  kind: 'get-reservation';
  partition: number;
  deadline: number;
  id: string;
}

/** Changes `onHand` by what was received, written off or returned. Answers: `level`, `problem`. */
export interface AdjustRequest {
  kind: 'adjust';
  partition: number;
  deadline: number;
  sku: string;
  location: string;
  delta: number;
  reason: string;
  reference?: string;
  key?: Key;
}

/** Decided at the home partition. Answers: `reservation`, `problem`. */
export interface CancelRequest {
  kind: 'cancel';
  partition: number;
  deadline: number;
  id: string;
  key?: Key;
}

/** Decided at the home partition: the sale. Answers: `reservation`, `problem`. */
export interface ConfirmRequest {
  kind: 'confirm';
  partition: number;
  deadline: number;
  id: string;
  /** Absent: everything. The rest is released. */
  sold?: Sold;
  /** That it has expired is not the last word: the caller will try to hold its units again. */
  rehold: boolean;
  key?: Key;
}

/** Decided at the home partition: held for so long from now on. Answers: `reservation`, `problem`. */
export interface ExtendRequest {
  kind: 'extend';
  partition: number;
  deadline: number;
  id: string;
  expiresInMs: number;
  key?: Key;
}

/** Of a key's own partition: that this payload is the only one with this key, and that no other such request is under way. Answers: `claimed`, `problem`. */
export interface ClaimRequest {
  kind: 'claim';
  partition: number;
  deadline: number;
  key: Key;
  /** Of this claim and no other, whatever its key: a u32 that the front has drawn. */
  token: number;
}

/** Of a partition that may have decided what has this key. Answers: `replayed`; `claimed` if it has not; `problem`. */
export interface RecallRequest {
  kind: 'recall';
  partition: number;
  deadline: number;
  key: Key;
}

/** The request is over. Answers: `claimed`. */
export interface ReleaseRequest {
  kind: 'release';
  partition: number;
  deadline: number;
  key: Key;
  /** As in its claim: that of another request is left alone. */
  token: number;
  /** False: it certainly had no effect, so that the key is free. */
  used: boolean;
}

/** The request goes on: whoever waits for its key waits on. Answers: `claimed`. */
export interface ProlongRequest {
  kind: 'prolong';
  partition: number;
  deadline: number;
  key: Key;
  /** As in its claim: that of another request is left alone. */
  token: number;
}

/**
 * Of a key's own partition: writes down what a front has put together from the answers of many. Answers:
 * `sealed`; `replayed` where something was written down before; `problem`.
 */
export interface SealRequest {
  kind: 'seal';
  partition: number;
  deadline: number;
  key: Key;
  summary?: ImportSummary;
}

/** A participant asks the home what became of a reservation. Answers: `outcome`, `problem`. */
export interface AskRequest {
  kind: 'ask';
  partition: number;
  deadline: number;
  id: string;
}

/** The coordinator tells a participant what became of a reservation. Answers: `settled`, `problem`. */
export interface SettleRequest {
  kind: 'settle';
  partition: number;
  deadline: number;
  id: string;
  outcome: Outcome;
  /** With the outcome `held`: when to ask the home again. */
  expiresAt: number;
  /** With the outcome `confirmed`: what of the reservation's lines; absent: everything. */
  sold?: Sold;
}

/** Finds reservations, newest first. Answers: `found`, `problem` (`search-too-slow`). */
export interface FindReservationsRequest {
  kind: 'find-reservations';
  deadline: number;
  reference?: string;
  status?: Status;
  sku?: string;
  /** Only those whose id is smaller. */
  below?: string;
  limit: number;
}

/** Reads the changes of a SKU's levels, newest first. Answers: `entries`, `problem` (`unknown-sku`, `search-too-slow`). */
export interface ReadLedgerRequest {
  kind: 'read-ledger';
  deadline: number;
  sku: string;
  location?: string;
  /** Where to go on, as the page before gave it. Absent: from the newest entry on. */
  from?: number[];
  limit: number;
}

/** What the worker is doing, for /readyz, /metrics and /admin. Answers: `status`. */
export interface StatusRequest {
  kind: 'status';
}

/** The API keys, from the database. Any worker can answer it, also before it serves. Answers: `api-keys`, `problem`. */
export interface ReadApiKeysRequest {
  kind: 'read-api-keys';
}

/** Which SKUs are asked for most right now, and what is left of them. Answers: `hottest`. */
export interface HottestRequest {
  kind: 'hottest';
}

/** What can be part of a trace that somebody records. */
export interface Traceable {
  trace?: TraceContext;
}

export type Request = (
  | HoldRequest
  | PutLevelRequest
  | ImportLevelsRequest
  | GetLevelsRequest
  | ExportLevelsRequest
  | GetReservationRequest
  | AdjustRequest
  | CancelRequest
  | ConfirmRequest
  | ExtendRequest
  | ClaimRequest
  | ReleaseRequest
  | RecallRequest
  | ProlongRequest
  | SealRequest
  | AskRequest
  | SettleRequest
  | SearchRequest
  | StatusRequest
  | ReadApiKeysRequest
  | HottestRequest
) &
  Traceable;
export type SearchRequest = FindReservationsRequest | ReadLedgerRequest;

/** `never` means that the home has no such reservation and will never have it. */
export const OUTCOMES = [...STATUSES, 'never'] as const;
export type Outcome = Status | 'never';

export type Reply =
  /** `short`, in mode `partial`: lines that were not granted whole. */
  | {
      kind: 'granted';
      lines: { line: number; allocations: Allocation[] }[];
      short: Omit<LineRefusal, 'sku'>[];
    }
  | { kind: 'refused'; lines: Omit<LineRefusal, 'sku'>[] }
  | { kind: 'level'; created: boolean; level: StockLevel }
  /** Of the rows, `refused` names those without effect, by index; all others are as they say. */
  | { kind: 'imported'; changed: number; unchanged: number; refused: { row: number; code: ProblemCode }[] }
  /** `age`: seconds since the worker heard of its database, while that is away; absent while it answers. */
  | { kind: 'levels'; levels: StockLevel[]; next?: number; age?: number }
  | { kind: 'reservation'; reservation: Reservation }
  /** `next`: what the next page is to be below; absent on the last one. */
  | { kind: 'found'; reservations: Reservation[]; next?: string }
  /** `next`: the number of the last entry, and for each level the page of the ledger to go on with, 0 for none; absent on the last one. */
  | { kind: 'entries'; entries: LedgerEntry[]; next?: number[] }
  | { kind: 'outcome'; outcome: Outcome; expiresAt: number; sold?: Sold }
  /** What this partition held of the reservation; empty where it held nothing. */
  | { kind: 'settled'; lines: GrantedLine[] }
  | { kind: 'status'; status: WorkerStatus }
  | { kind: 'api-keys'; keyring: Keyring }
  /** From the most to the least. */
  | { kind: 'hottest'; skus: HotSku[] }
  /** `known`: the key was used before, so that its answer may be there already. */
  | { kind: 'claimed'; known: boolean }
  /** What a request with this key was answered before; of a reservation in mode `partial`, also what was not granted. */
  | { kind: 'replayed'; reply: Reply; short: Omit<LineRefusal, 'sku'>[] }
  | Sealed
  | { kind: 'problem'; code: ProblemCode };

/** What is remembered of a call that many partitions have a part in: that it was there, and of an import what became of it. */
export interface Sealed {
  kind: 'sealed';
  summary?: ImportSummary;
}

export interface PartitionStatus {
  partition: number;
  state: 'loading' | 'failing' | 'serving' | 'leaving';
  epoch: number;
  levels: number;
  held: number;
  mailboxDepth: number;
  commitSeq: number;
  /** Decided since the worker began. */
  commands: number;
}

export interface WorkerStatus {
  worker: number;
  /** Absent while the database answers; otherwise what it last said. */
  databaseProblem?: string;
  /** Since when, in milliseconds. */
  databaseProblemSince?: number;
  partitions: PartitionStatus[];
  commits: number;
  commands: number;
  memoryBytes: number;
}

/** A SKU that many ask for, and the sums of its levels. */
export interface HotSku {
  partition: number;
  sku: string;
  /** Lines a second that name it, at least; estimated from a sample. */
  asked: number;
  onHand: number;
  reserved: number;
  available: number;
}
