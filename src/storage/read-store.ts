/** The database as a worker reads it, and takes partitions of it: off the commit lanes, so that no commit waits. */
import { PING_ANSWER_MS, PING_WAIT_MS, READS_AT_ONCE, REQUEST_DEADLINE_MS } from '../limits.ts';
import type { DatabaseSpec } from '../process.ts';
import { Connections, failureKind, failureText, openDatabase, type Sql } from './database.ts';
import { findAnswer } from './find-answer.ts';
import { findReservation } from './find-reservation.ts';
import { isHeld } from './is-held.ts';
import { loadKeys } from './load-keys.ts';
import { loadLevels, loadNever, loadOpen, loadUnsettled } from './load-partitions.ts';
import { forgetOwner, readCommitSeq, takePartitions } from './take-partitions.ts';

export type ReadStore = ReturnType<typeof openReadStore>;

export function openReadStore(spec: DatabaseSpec, name: string) {
  const connections = new Connections(() => openDatabase(spec, name, READS_AT_ONCE));
  // Of its own: behind the reads of many callers, a database that answers would seem to be away.
  const asking = new Connections(() => openDatabase(spec, `${name}, owner`));
  const on =
    <Args extends unknown[], T>(query: (sql: Sql, ...args: Args) => Promise<T>, withinMs?: number) =>
    (...args: Args): Promise<T> =>
      connections.use((sql) => query(sql, ...args), withinMs);
  return {
    takePartitions: on(takePartitions),
    loadLevels: on(loadLevels),
    loadOpen: on(loadOpen),
    loadNever: on(loadNever),
    loadUnsettled: on(loadUnsettled),
    loadKeys: on(loadKeys),
    findReservation: on(findReservation, REQUEST_DEADLINE_MS),
    findAnswer: on(findAnswer, REQUEST_DEADLINE_MS),
    isHeld: on(isHeld, REQUEST_DEADLINE_MS),
    readCommitSeq: (epoch: number) => asking.use((sql) => readCommitSeq(sql, epoch), PING_ANSWER_MS),
    forgetOwner: (epoch: number) => asking.use((sql) => forgetOwner(sql, epoch), PING_WAIT_MS),
    failureKind,
    failureText,
    close: async () => {
      await Promise.all([connections.close(), asking.close()]);
    },
  };
}
