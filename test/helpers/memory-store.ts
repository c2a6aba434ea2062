/**
 * A commit store that keeps rows in memory, compares epoch and sequence as the statement does, and
 * fails as it is told to. The double behind property tests of actors and lanes; Postgres itself has tests of
 * its own.
 */
import type { BatchRows } from '../../src/storage/commit-batch.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { FailureKind } from '../../src/storage/database.ts';

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
  /** Of the only owner there is. */
  readonly epoch = 1;
  private commitSeq = 0;
  readonly levels = new Map<string, StoredLevel>();
  readonly statuses = new Map<string, string>();
  readonly ledger: { key: string; seq: number; onHandDelta: number; reservedDelta: number }[] = [];
  fates: Fate[] = [];

  async commit(rows: BatchRows): Promise<void> {
    const fate = this.fates.shift() ?? 'ok';
    if (fate === 'lost') throw new StoreFailure('ambiguous');
    if (fate === 'refused') throw new StoreFailure('not-committed');
    this.apply(rows);
    if (fate === 'landed-unanswered') throw new StoreFailure('ambiguous');
  }

  private apply(rows: BatchRows): void {
    const { owner, newLevels, levels, reservations: r, changes: c, ledger: g } = rows;
    if (owner.epoch !== this.epoch || owner.commitSeq !== this.commitSeq + 1)
      throw new StoreFailure('fenced');
    this.commitSeq = owner.commitSeq;
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
      if (this.statuses.get(key) !== c.was[i]) throw new Error(`reservation ${key} is not ${c.was[i]}`);
      this.statuses.set(key, c.status[i]);
    });
    g.seq.forEach((seq, i) => {
      const key = `${g.partition[i]}/${g.level[i]}`;
      this.ledger.push({ key, seq, onHandDelta: g.onHandDelta[i], reservedDelta: g.reservedDelta[i] });
    });
  }

  async readCommitSeq(epoch: number): Promise<number | undefined> {
    return epoch === this.epoch ? this.commitSeq : undefined;
  }
  failureKind(error: unknown): FailureKind {
    return error instanceof StoreFailure ? error.kind : 'defect';
  }
  failureText(error: unknown): string {
    return String(error);
  }
  async close(): Promise<void> {}
}
