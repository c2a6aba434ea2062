/**
 * What a worker has decided and not yet committed: the rows of the next commit, and what waits for it.
 *
 * A level that many commands touch is in the batch once; its values are read when the batch is sealed,
 * so the row has the final ones.
 */
import type { BatchRows, LevelColumns } from '../storage/commit-batch.ts';
import type { Snapshot } from './snapshot.ts';

/** The part of an actor that a batch writes down: its place in its partition's history. */
export interface Author {
  readonly partition: number;
  readonly snapshot: Snapshot;
  epoch: number;
  commitSeq: number;
  ledgerSeq: number;
}

export type LedgerKind = 'counted' | 'held' | 'cancelled' | 'expired' | 'never' | 'confirmed';

function levelColumns(): LevelColumns {
  return {
    partition: [],
    level: [],
    onHand: [],
    reserved: [],
    safetyStock: [],
    backorderLimit: [],
    version: [],
    updatedAt: [],
  };
}

export class Batch {
  readonly rows: BatchRows = {
    partitions: { partition: [], epoch: [], commitSeq: [], ledgerSeq: [] },
    newLevels: { ...levelColumns(), sku: [], location: [] },
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
    },
    closed: { partition: [], id: [], status: [], at: [] },
    ledger: {
      partition: [],
      seq: [],
      level: [],
      kind: [],
      onHandDelta: [],
      reservedDelta: [],
      reservation: [],
      at: [],
    },
  };
  private readonly authors: Author[] = [];
  private readonly touched: { author: Author; level: number; created: boolean }[] = [];
  private waiting: (() => void)[] = [];
  durable = false;

  /** @param number marks levels as touched: unique among the batches that touch the same snapshot */
  constructor(readonly number: number) {}

  get empty(): boolean {
    return this.authors.length === 0;
  }

  /** Called once for each partition that the batch changes. */
  addAuthor(author: Author): void {
    this.authors.push(author);
  }

  touch(author: Author, level: number, created = false): void {
    if (author.snapshot.touchedBy[level] === this.number) return;
    author.snapshot.touchedBy[level] = this.number;
    this.touched.push({ author, level, created });
  }

  ledger(
    author: Author,
    level: number,
    kind: LedgerKind,
    onHandDelta: number,
    reservedDelta: number,
    reservation: string | null,
    at: number,
  ): void {
    const { ledger } = this.rows;
    ledger.partition.push(author.partition);
    ledger.seq.push(++author.ledgerSeq);
    ledger.level.push(level);
    ledger.kind.push(kind);
    ledger.onHandDelta.push(onHandDelta);
    ledger.reservedDelta.push(reservedDelta);
    ledger.reservation.push(reservation);
    ledger.at.push(at);
  }

  reservation(
    partition: number,
    status: 'held' | 'never',
    id: string,
    home: number,
    createdAt: number,
    expiresAt: number,
    reference: string | undefined,
    participants: number[],
    lines: string,
  ): void {
    const { reservations } = this.rows;
    reservations.partition.push(partition);
    reservations.status.push(status);
    reservations.id.push(id);
    reservations.home.push(home);
    reservations.createdAt.push(createdAt);
    reservations.expiresAt.push(expiresAt);
    reservations.reference.push(reference ?? null);
    reservations.participants.push(`{${participants.join(',')}}`);
    reservations.lines.push(lines);
  }

  closed(partition: number, id: string, status: string, at: number): void {
    const { closed } = this.rows;
    closed.partition.push(partition);
    closed.id.push(id);
    closed.status.push(status);
    closed.at.push(at);
  }

  /** Fills in what is known only when nothing more will be decided in this batch. */
  seal(): void {
    const { partitions, levels, newLevels } = this.rows;
    for (const { partition, epoch, commitSeq, ledgerSeq } of this.authors) {
      partitions.partition.push(partition);
      partitions.epoch.push(epoch);
      partitions.commitSeq.push(commitSeq);
      partitions.ledgerSeq.push(ledgerSeq);
    }
    for (const { author, level, created } of this.touched) {
      const { snapshot } = author;
      const columns = created ? newLevels : levels;
      columns.partition.push(author.partition);
      columns.level.push(level);
      columns.onHand.push(snapshot.onHand[level]);
      columns.reserved.push(snapshot.reserved[level]);
      columns.safetyStock.push(snapshot.safetyStock[level]);
      columns.backorderLimit.push(snapshot.backorderLimit[level]);
      columns.version.push(snapshot.version[level]);
      columns.updatedAt.push(snapshot.updatedAt[level]);
      if (!created) continue;
      newLevels.sku.push(snapshot.skuOf(level));
      newLevels.location.push(snapshot.locationOf(level));
    }
  }

  whenDurable(run: () => void): void {
    if (this.durable) run();
    else this.waiting.push(run);
  }

  landed(): void {
    this.durable = true;
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) run();
  }
}
