/** A commit lane's store over tables in memory, which fails as it is told to. */
import type { BatchRows } from '../../src/storage/batch-rows.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { FailureKind } from '../../src/storage/database.ts';
import type { Loads } from '../../src/storage/read-store.ts';
import { MemoryDatabase, StoreFailure } from './memory-database.ts';

/** What a database has of partitions without anything. */
export const NOTHING_TO_LOAD: Loads = {
  levels: async () => {},
  open: async () => {},
  never: async () => {},
  unsettled: async () => {},
  keys: async () => {},
};

/** What becomes of a commit: it works; or its answer is lost after it landed, or before; or it is refused. */
export type Fate = 'ok' | 'landed-unanswered' | 'lost' | 'refused';

export class MemoryStore implements CommitStore {
  readonly database = new MemoryDatabase();
  fates: Fate[] = [];

  async commit(rows: BatchRows): Promise<void> {
    const fate = this.fates.shift() ?? 'ok';
    if (fate === 'lost') throw new StoreFailure('ambiguous');
    if (fate === 'refused') throw new StoreFailure('not-committed');
    this.database.commit(rows);
    if (fate === 'landed-unanswered') throw new StoreFailure('ambiguous');
  }

  async readCommitSeq(epoch: number): Promise<number | undefined> {
    return this.database.readCommitSeq(epoch);
  }
  failureKind(error: unknown): FailureKind {
    return error instanceof StoreFailure ? error.kind : 'defect';
  }
  failureText(error: unknown): string {
    return String(error);
  }
  async close(): Promise<void> {}
}
