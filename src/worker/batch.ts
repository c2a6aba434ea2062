/**
 * What a worker has decided and not yet committed: the rows of the next commit, and what waits for it.
 *
 * A level that many commands touch is in the batch once; its values are read when the batch is sealed,
 * so the row has the final ones.
 */

import type { TraceContext } from '../observability/trace-context.ts';
import type { Key } from '../reservations/key.ts';
import type { LedgerKind, StockLevel } from '../reservations/types.ts';
import { type BatchRows, emptyRows } from '../storage/batch-rows.ts';
import type { Amendment, Closing, NewHold, NewReservation, Note } from './batch-entries.ts';
import type { Snapshot } from './snapshot.ts';
import { ELSEWHERE, MIXED, NOWHERE, SPELLED_OUT, type TouchedLevel, writeLevel } from './touched-level.ts';
import { BatchTraces } from './traces.ts';

/** The part of a partition that a batch writes down. */
export interface Author {
  readonly partition: number;
  readonly snapshot: Snapshot;
  /** The number of its last entry in the ledger. */
  ledgerSeq: number;
}

/** Where rows of `hold` begin, for `amend`: beyond those of `reservation`. */
const FIRST_HOLD = 2 ** 30;
/** In the place of where a row stands. */
const CLOSED = -FIRST_HOLD;

export class Batch {
  readonly rows: BatchRows;
  private changed = false;
  private hasSpelledOut = false;
  private readonly touched: TouchedLevel[] = [];
  private waiting: (() => void)[] = [];
  private traces: BatchTraces | undefined;
  durable = false;
  /** How much in it had come due. */
  due = 0;
  /** Commands from mailboxes that were decided in it. */
  commands = 0;

  /**
   * @param number marks reservations as written: unique among the batches that write down the same partition
   * @param page of the ledger: greater than any before it of the same partitions
   */
  constructor(
    readonly number: number,
    now: number,
    page: number,
  ) {
    this.rows = emptyRows(now, page);
  }

  get empty(): boolean {
    return !this.changed;
  }

  /** Called by each partition that the batch changes. */
  change(): void {
    this.changed = true;
  }

  get rowCount(): number {
    const { counted, holds, reservations, closings, changes, ledger, keys } = this.rows;
    const ofReservations = holds.id.length + reservations.id.length + closings.id.length + changes.id.length;
    const ofLedger = [counted, holds, closings, ledger].filter(({ seq }) => seq.length > 0).length;
    return this.touched.length + ofReservations + ofLedger + keys.key.length;
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
      hold: NOWHERE,
      closing: NOWHERE,
      safetyStock: snapshot.safetyStock[level],
      backorderLimit: snapshot.backorderLimit[level],
      version: snapshot.version[level],
      updatedAt: snapshot.updatedAt[level],
    });
  }

  /** A count has made a level. */
  create(author: Author, level: number, onHand: number): void {
    const { snapshot } = author;
    const first = { seq: ++author.ledgerSeq, onHand };
    snapshot.touchedAt[level] = this.touched.length;
    snapshot.lastPage[level] = this.rows.page;
    this.touched.push({
      author,
      level,
      first,
      hold: MIXED,
      closing: NOWHERE,
      safetyStock: 0,
      backorderLimit: 0,
      version: 0,
      updatedAt: 0,
    });
  }

  private touchedOf({ snapshot: { touchedAt } }: Author, level: number): TouchedLevel {
    return this.touched[touchedAt[level]];
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
    const { holds, closings } = this.rows;
    for (let hold = 0; hold < holds.id.length; hold++) {
      if (holds.level[hold] === level && holds.partition[hold] === author.partition)
        before.reserved -= holds.quantity[hold];
    }
    for (let closing = 0; closing < closings.id.length; closing++) {
      if (closings.level[closing] !== level || closings.partition[closing] !== author.partition) continue;
      before.reserved -= closings.reservedDelta[closing];
      before.onHand -= closings.onHandDelta[closing];
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
    this.touchedOf(author, level).hold = MIXED;
    this.entry(
      author.partition,
      ++author.ledgerSeq,
      level,
      this.turnTo(author, level),
      kind,
      onHandDelta,
      reservedDelta,
      reservation,
      note,
    );
  }

  /** The level has an entry on this page. @returns the page of the one before it */
  private turnTo({ snapshot: { lastPage } }: Author, level: number): number {
    const previous = lastPage[level];
    lastPage[level] = this.rows.page;
    return previous;
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

  /**
   * A reservation that is line 0 and of one level, and its entry in the ledger.
   * @returns where the row stands, for `amend`
   */
  hold(author: Author, level: number, quantity: number, reservation: NewHold): number {
    const { holds } = this.rows;
    const touched = this.touchedOf(author, level);
    if (touched.hold !== MIXED) touched.hold = holds.id.length;
    this.enter(holds, author, level);
    holds.quantity.push(quantity);
    holds.reserved.push(0);
    holds.version.push(ELSEWHERE);
    holds.createdAt.push(reservation.createdAt);
    holds.expiresAt.push(reservation.expiresAt);
    holds.reference.push(reservation.reference ?? null);
    return FIRST_HOLD + holds.id.push(reservation.id) - 1;
  }

  /** Such a row is to say more: it becomes two. @returns where the reservation's stands */
  private spellOut(hold: number): number {
    const { holds } = this.rows;
    const partition = holds.partition[hold];
    const [id, level, quantity] = [holds.id[hold], holds.level[hold], holds.quantity[hold]];
    this.entry(partition, holds.seq[hold], level, holds.previous[hold], 'held', 0, quantity, id);
    // What stands behind it stays where it is.
    holds.quantity[hold] = SPELLED_OUT;
    this.hasSpelledOut = true;
    return this.reservation({
      partition,
      status: 'held',
      id,
      home: partition,
      createdAt: holds.createdAt[hold],
      expiresAt: holds.expiresAt[hold],
      reference: holds.reference[hold] ?? undefined,
      participants: [],
      lines: `{0,${level},${quantity}}`,
    });
  }

  /** The entry in the ledger of a row that is also a reservation's. */
  private enter(rows: BatchRows['holds'] | BatchRows['closings'], author: Author, level: number): void {
    rows.partition.push(author.partition);
    rows.level.push(level);
    rows.seq.push(++author.ledgerSeq);
    rows.previous.push(this.turnTo(author, level));
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

  /**
   * A reservation that an earlier batch has inserted is over: one level gets all its units back, or has sold them.
   * @returns for `amend`, which refuses to say more of it
   */
  close(author: Author, level: number, quantity: number, id: string, as: Closing, expiresAt: number): number {
    const { closings } = this.rows;
    this.touchedOf(author, level).closing = closings.id.length;
    this.enter(closings, author, level);
    closings.onHandDelta.push(as === 'confirmed' ? -quantity : 0);
    closings.reservedDelta.push(-quantity);
    closings.onHand.push(0);
    closings.reserved.push(0);
    closings.version.push(ELSEWHERE);
    closings.id.push(id);
    closings.status.push(as);
    closings.expiresAt.push(expiresAt);
    return CLOSED;
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

  /**
   * Changes once more what this batch already says of a reservation.
   * @param row as `hold`, `reservation` or `changeOf` gave it
   * @returns where it stands now
   */
  amend(row: number, amendment: Amendment): number {
    if (row === CLOSED) throw new Error('a reservation that is over was changed');
    if (row >= FIRST_HOLD) return this.amend(this.spellOut(row - FIRST_HOLD), amendment);
    const rows = row >= 0 ? this.rows.reservations : this.rows.changes;
    const at = row >= 0 ? row : ~row;
    const { status, expiresAt, sold } = amendment;
    rows.status[at] = status;
    rows.expiresAt[at] = expiresAt;
    rows.sold[at] = sold;
    return row;
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
    for (const touched of this.touched) {
      if (!writeLevel(this.rows, touched)) continue;
      const { author, level, first } = touched;
      this.entry(author.partition, first!.seq, level, 0, 'counted', first!.onHand, 0, null);
    }
    if (this.hasSpelledOut) this.dropSpelledOut();
    this.rows.traceparent = this.traces?.sent(this.rowCount, commitSeq);
  }

  private dropSpelledOut(): void {
    const { holds } = this.rows;
    const isWritten = holds.quantity.map((quantity) => quantity !== SPELLED_OUT);
    for (const column of Object.keys(holds) as (keyof typeof holds)[])
      holds[column] = (holds[column] as never[]).filter((_, hold) => isWritten[hold]);
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
