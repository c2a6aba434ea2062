/**
 * A commit store that keeps rows in memory, compares epochs and sequences as the statement does, and
 * fails as it is told to. The double behind property tests of actors and lanes; Postgres itself has tests of
 * its own.
 */
import type { BatchRows } from '../../src/storage/commit-batch.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { FailureKind } from '../../src/storage/database.ts';
import type { PartitionHead } from '../../src/storage/take-partitions.ts';

/** What becomes of a commit: it works; or its answer is lost after it landed, or before; or it is refused. */
export type Fate = 'ok' | 'landed-unanswered' | 'lost' | 'refused';

export class StoreFailure extends Error {
  constructor(readonly kind: FailureKind) {
    super(kind);
  }
}

export interface StoredLevel {
  onHand: number;
  reserved: number;
  version: number;
}

export class MemoryStore implements CommitStore {
  readonly heads = new Map<number, PartitionHead>();
  readonly levels = new Map<string, StoredLevel>();
  readonly statuses = new Map<string, string>();
  readonly ledger: { key: string; seq: number; onHandDelta: number; reservedDelta: number }[] = [];
  fates: Fate[] = [];

  constructor(partitions: number[]) {
    for (const partition of partitions)
      this.heads.set(partition, { partition, epoch: 1, commitSeq: 0, ledgerSeq: 0 });
  }

  async commit(rows: BatchRows): Promise<void> {
    const fate = this.fates.shift() ?? 'ok';
    if (fate === 'lost') throw new StoreFailure('ambiguous');
    if (fate === 'refused') throw new StoreFailure('not-committed');
    this.apply(rows);
    if (fate === 'landed-unanswered') throw new StoreFailure('ambiguous');
  }

  private apply(rows: BatchRows): void {
    const { partitions: p, newLevels, levels, reservations: r, closed: c, ledger: g } = rows;
    p.partition.forEach((partition, i) => {
      const head = this.heads.get(partition)!;
      if (head.epoch !== p.epoch[i] || head.commitSeq !== p.commitSeq[i] - 1)
        throw new StoreFailure('fenced');
    });
    p.partition.forEach((partition, i) => {
      const head = { partition, epoch: p.epoch[i], commitSeq: p.commitSeq[i], ledgerSeq: p.ledgerSeq[i] };
      this.heads.set(partition, head);
    });
    for (const columns of [newLevels, levels]) {
      columns.level.forEach((level, i) => {
        const key = `${columns.partition[i]}/${level}`;
        if ((columns === newLevels) === this.levels.has(key)) throw new Error(`level ${key} is new, or not`);
        this.levels.set(key, {
          onHand: columns.onHand[i],
          reserved: columns.reserved[i],
          version: columns.version[i],
        });
      });
    }
    r.id.forEach((id, i) => {
      const key = `${r.partition[i]}/${id}`;
      if (this.statuses.has(key)) throw new Error(`reservation ${key} is there already`);
      this.statuses.set(key, r.status[i]);
    });
    c.id.forEach((id, i) => {
      const key = `${c.partition[i]}/${id}`;
      if (this.statuses.get(key) !== 'held') throw new Error(`reservation ${key} is not open`);
      this.statuses.set(key, c.status[i]);
    });
    g.seq.forEach((seq, i) => {
      const key = `${g.partition[i]}/${g.level[i]}`;
      this.ledger.push({ key, seq, onHandDelta: g.onHandDelta[i], reservedDelta: g.reservedDelta[i] });
    });
  }

  async readPartitions(partitions: number[]): Promise<PartitionHead[]> {
    return partitions.map((partition) => this.heads.get(partition)!);
  }
  failureKind(error: unknown): FailureKind {
    return error instanceof StoreFailure ? error.kind : 'defect';
  }
  failureText(error: unknown): string {
    return String(error);
  }
  async close(): Promise<void> {}
}
