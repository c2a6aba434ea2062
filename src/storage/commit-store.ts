/** The database as a commit lane sees it: one connection, with Postgres behind it or a test's double. */
import { COMMIT_ANSWER_MS } from '../limits.ts';
import type { DatabaseSpec } from '../process.ts';
import type { BatchRows } from './batch-rows.ts';
import { commitBatch } from './commit-batch.ts';
import { Connections, type FailureKind, failureKind, failureText, openLane } from './database.ts';
import { readCommitSeq } from './take-partitions.ts';

export interface CommitStore {
  commit(rows: BatchRows): Promise<void>;
  /** How many commits this owner has made, or undefined when another has taken its place. */
  readCommitSeq(epoch: number): Promise<number | undefined>;
  failureKind(error: unknown): FailureKind;
  failureText(error: unknown): string;
  close(): Promise<void>;
}

export function openCommitStore(spec: DatabaseSpec, name: string): CommitStore {
  const connection = new Connections(() => openLane(spec, name));
  return {
    commit: (rows) => connection.use((sql) => commitBatch(sql, rows), COMMIT_ANSWER_MS),
    readCommitSeq: (epoch) => connection.use((sql) => readCommitSeq(sql, epoch), COMMIT_ANSWER_MS),
    failureKind,
    failureText,
    close: () => connection.close(),
  };
}
