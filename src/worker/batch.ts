/**
 * What a worker has decided and not yet committed: the rows of the next commit, and what waits for it.
 *
 * A level that many commands touch is in the batch once; its values are read when the batch is sealed,
 * so the row has the final ones.
 */

import type { TraceContext } from '../observability/trace-context.ts';
import type { Key } from '../reservations/key.ts';
import type { LedgerKind, StockLevel } from '../reservations/types.ts';
import type { BatchRows, LevelColumns } from '../storage/commit-batch.ts';
import type { Snapshot } from './snapshot.ts';
import { BatchTraces } from './traces.ts';

/** The part of a partition that a batch writes down. */
export interface Author {
  readonly partition: number;
  readonly snapshot: Snapshot;
  ledgerSeq: number;
}

/** Why a level was changed by hand. */
export interface Note {
  reason: string;
  reference?: string;
}

/** A reservation's row, when it is inserted. */
export interface NewReservation {
  partition: number;
  status: 'held' | 'never';
  id: string;
  home: number;
  createdAt: number;
  expiresAt: number;
  reference?: string;
  participants: number[];
  /** (line, level, quantity) repeated, as an array literal. */
  lines: string;
}

/** What a change of a reservation's row writes. */
export interface Amendment {
  status: string;
  expiresAt: number;
  /** Units of each line, as an array literal. */
  sold: string | null;
  /** The id under which its units were taken again. */
  reheldAs?: string;
}

function levelColumns(): LevelColumns {
  return {
    partition: [],
    level: [],
    onHand: [],
    reserved: [],
    safetyStock: [],
    backorderLimit: [],
    version: [],
    lastEntry: [],
  };
}

/** A level that the batch changes, with what it was before, except for the quantities, which the ledger has. */
interface Touched {
  author: Author;
  level: number;
  /** Of a level that the batch makes: its first entry in the ledger. */
  first?: { seq: number; onHand: number };
  safetyStock: number;
  backorderLimit: number;
  version: number;
  updatedAt: number;
}

export class Batch {
  readonly rows: BatchRows;
  private changed = false;
  private readonly touched: Touched[] = [];
  private waiting: (() => void)[] = [];
  private traces: BatchTraces | undefined;
  durable = false;
  /** How much in it had come due. */
  due = 0;
  /** Commands from mailboxes that were decided in it. */
  commands = 0;

  /** @param number marks reservations as written: unique among the batches that write down the same partition */
  constructor(
    readonly number: number,
    now: number,
  ) {
    this.rows = emptyRows(now);
  }

  get empty(): boolean {
    return !this.changed;
  }

  /** Called by each partition that the batch changes. */
  change(): void {
    this.changed = true;
  }

  get rowCount(): number {
    const { counted, reservations, changes, ledger, keys } = this.rows;
    const entries = ledger.seq.length + counted.entry.length;
    return this.touched.length + entries + reservations.id.length + changes.id.length + keys.key.length;
  }

  /** Must be called before the level has another version. */
  touch(author: Author, level: number): void {
    const { snapshot } = author;
    // Of the newest batch that it is in, the level says where it stands (Briggs and Torczon, "An efficient representation for sparse sets", 1993).
    const listed = this.touched[snapshot.touchedAt[level]];
    if (listed?.level === level && listed.author === author) return;
    snapshot.touchedAt[level] = this.touched.length;
    this.touched.push({
      author,
      level,
      safetyStock: snapshot.safetyStock[level],
      backorderLimit: snapshot.backorderLimit[level],
      version: snapshot.version[level],
      updatedAt: snapshot.updatedAt[level],
    });
  }

  /** A count has made a level. */
  create(author: Author, level: number, onHand: number): void {
    const { snapshot } = author;
    const seq = ++author.ledgerSeq;
    const first = { seq, onHand };
    snapshot.touchedAt[level] = this.touched.length;
    snapshot.lastEntry[level] = seq;
    this.touched.push({ author, level, first, safetyStock: 0, backorderLimit: 0, version: 0, updatedAt: 0 });
  }

  /** @param after a level as it is after this batch @returns as it was before; undefined where the batch has made it */
  before(author: Author, level: number, after: StockLevel): StockLevel | undefined {
    const touched = this.touched.find((one) => one.level === level && one.author === author);
    if (touched === undefined) return after;
    if (touched.first !== undefined) return undefined;
    const { safetyStock, backorderLimit, version, updatedAt } = touched;
    const before = { ...after, safetyStock, backorderLimit, version, updatedAt };
    const { ledger } = this.rows;
    for (let entry = 0; entry < ledger.seq.length; entry++) {
      if (ledger.level[entry] !== level || ledger.partition[entry] !== author.partition) continue;
      before.onHand -= ledger.onHandDelta[entry];
      before.reserved -= ledger.reservedDelta[entry];
    }
    return before;
  }

  ledger(
    author: Author,
    level: number,
    kind: LedgerKind,
    onHandDelta: number,
    reservedDelta: number,
    reservation: string | null,
    note?: Note,
  ): void {
    const { lastEntry } = author.snapshot;
    const seq = ++author.ledgerSeq;
    this.entry(
      author.partition,
      seq,
      level,
      lastEntry[level],
      kind,
      onHandDelta,
      reservedDelta,
      reservation,
      note,
    );
    lastEntry[level] = seq;
  }

  private entry(
    partition: number,
    seq: number,
    level: number,
    previous: number,
    kind: LedgerKind,
    onHandDelta: number,
    reservedDelta: number,
    reservation: string | null,
    note?: Note,
  ): void {
    const { ledger } = this.rows;
    ledger.partition.push(partition);
    ledger.seq.push(seq);
    ledger.level.push(level);
    ledger.previous.push(previous);
    ledger.kind.push(kind);
    ledger.onHandDelta.push(onHandDelta);
    ledger.reservedDelta.push(reservedDelta);
    ledger.reservation.push(reservation);
    ledger.reason.push(note?.reason ?? null);
    ledger.reference.push(note?.reference ?? null);
  }

  /** @returns where the row stands, for `amend` */
  reservation(reservation: NewReservation): number {
    const { reservations } = this.rows;
    reservations.partition.push(reservation.partition);
    reservations.status.push(reservation.status);
    reservations.home.push(reservation.home);
    reservations.createdAt.push(reservation.createdAt);
    reservations.expiresAt.push(reservation.expiresAt);
    reservations.reference.push(reservation.reference ?? null);
    reservations.participants.push(`{${reservation.participants.join(',')}}`);
    reservations.lines.push(reservation.lines);
    reservations.sold.push(null);
    return reservations.id.push(reservation.id) - 1;
  }

  /** Changes the row of a reservation that an earlier batch has inserted. @returns where the change stands, for `amend` */
  changeOf(partition: number, id: string, was: string, amendment: Amendment): number {
    const { status, expiresAt, sold, reheldAs } = amendment;
    const { changes } = this.rows;
    changes.partition.push(partition);
    changes.was.push(was);
    changes.status.push(status);
    changes.expiresAt.push(expiresAt);
    changes.sold.push(sold);
    changes.reheldAs.push(reheldAs ?? null);
    return ~(changes.id.push(id) - 1);
  }

  /** Changes once more what this batch already says of a reservation. @param row as `reservation` or `changeOf` gave it */
  amend(row: number, { status, expiresAt, sold }: Amendment): void {
    const rows = row >= 0 ? this.rows.reservations : this.rows.changes;
    const at = row >= 0 ? row : ~row;
    rows.status[at] = status;
    rows.expiresAt[at] = expiresAt;
    rows.sold[at] = sold;
  }

  /** What a repetition of a request with this key will be answered. @param answer hexadecimal */
  key(partition: number, { hash, fingerprint, partition: keyPartition }: Key, answer: string): void {
    const { keys } = this.rows;
    keys.partition.push(partition);
    keys.key.push(hash);
    keys.keyPartition.push(keyPartition);
    keys.fingerprint.push(fingerprint);
    keys.answer.push(answer);
  }

  /** The last that is written of a partition by this owner. */
  release(partition: number): void {
    this.changed = true;
    this.rows.releases.push(partition);
  }

  /** A command that is part of a trace is decided in this batch. */
  follow(trace: TraceContext): void {
    this.traces ??= new BatchTraces();
    this.traces.decided(trace);
  }

  /** Fills in what is known only when nothing more will be decided in this batch. */
  seal(epoch: number, commitSeq: number): void {
    const { owner } = this.rows;
    owner.epoch = epoch;
    owner.commitSeq = commitSeq;
    for (const { author, level, first } of this.touched) {
      const { snapshot, partition } = author;
      if (first !== undefined && snapshot.version[level] === 1) {
        this.count(author, level);
        continue;
      }
      if (first !== undefined) this.entry(partition, first.seq, level, 0, 'counted', first.onHand, 0, null);
      this.level(author, level, first !== undefined);
    }
    this.rows.traceparent = this.traces?.sent(this.rowCount, commitSeq);
  }

  /** Nothing but the count that made it has changed the level. */
  private count({ snapshot, partition }: Author, level: number): void {
    const { counted } = this.rows;
    counted.partition.push(partition);
    counted.level.push(level);
    counted.onHand.push(snapshot.onHand[level]);
    counted.safetyStock.push(snapshot.safetyStock[level]);
    counted.backorderLimit.push(snapshot.backorderLimit[level]);
    counted.entry.push(snapshot.lastEntry[level]);
    counted.sku.push(snapshot.skuOf(level));
    counted.location.push(snapshot.locationOf(level));
  }

  private level({ snapshot, partition }: Author, level: number, created: boolean): void {
    const { levels, newLevels } = this.rows;
    const columns = created ? newLevels : levels;
    columns.partition.push(partition);
    columns.level.push(level);
    columns.onHand.push(snapshot.onHand[level]);
    columns.reserved.push(snapshot.reserved[level]);
    columns.safetyStock.push(snapshot.safetyStock[level]);
    columns.backorderLimit.push(snapshot.backorderLimit[level]);
    columns.version.push(snapshot.version[level]);
    columns.lastEntry.push(snapshot.lastEntry[level]);
    if (!created) return;
    newLevels.sku.push(snapshot.skuOf(level));
    newLevels.location.push(snapshot.locationOf(level));
  }

  whenDurable(run: () => void): void {
    if (this.durable) run();
    else this.waiting.push(run);
  }

  landed(): void {
    this.durable = true;
    this.traces?.landed();
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) run();
  }
}

function emptyRows(at: number): BatchRows {
  return {
    owner: { epoch: 0, commitSeq: 0 },
    at,
    traceparent: undefined,
    newLevels: { ...levelColumns(), sku: [], location: [] },
    counted: {
      partition: [],
      level: [],
      onHand: [],
      safetyStock: [],
      backorderLimit: [],
      entry: [],
      sku: [],
      location: [],
    },
    levels: levelColumns(),
    reservations: {
      partition: [],
      status: [],
      id: [],
      home: [],
      createdAt: [],
      expiresAt: [],
      reference: [],
      participants: [],
      lines: [],
      sold: [],
    },
    changes: { partition: [], id: [], was: [], status: [], expiresAt: [], sold: [], reheldAs: [] },
    ledger: {
      partition: [],
      seq: [],
      level: [],
      previous: [],
      kind: [],
      onHandDelta: [],
      reservedDelta: [],
      reservation: [],
      reason: [],
      reference: [],
    },
    keys: { partition: [], key: [], keyPartition: [], fingerprint: [], answer: [] },
    releases: [],
  };
}
