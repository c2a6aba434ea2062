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
/** What is read of partitions that are taken, one after the other. */
export type Loads = ReturnType<typeof loadsOver>;

export function openReadStore(spec: DatabaseSpec, name: string) {
  const connections = new Connections(() => openDatabase(spec, name, READS_AT_ONCE));
  // Of its own: behind the reads of many callers, a database that answers would seem to be away.
  const asking = new Connections(() => openDatabase(spec, `${name}, owner`));
  const on =
    <Args extends unknown[], T>(query: (sql: Sql, ...args: Args) => Promise<T>, withinMs?: number) =>
    (...args: Args): Promise<T> =>
      connections.use((sql) => query(sql, ...args), withinMs);
  const loading = new Set<Sql>();
  return {
    takePartitions: on(takePartitions),
    /** Over a connection of its own: loading lasts, and neither a read nor other loading is to wait for it. */
    async load(run: (loads: Loads) => Promise<void>): Promise<void> {
      const sql = openDatabase(spec, `${name}, loading`);
      loading.add(sql);
      try {
        await run(loadsOver(sql));
      } finally {
        loading.delete(sql);
        void sql.end({ timeout: 1 });
      }
    },
    findReservation: on(findReservation, REQUEST_DEADLINE_MS),
    findAnswer: on(findAnswer, REQUEST_DEADLINE_MS),
    isHeld: on(isHeld, REQUEST_DEADLINE_MS),
    readCommitSeq: (epoch: number) => asking.use((sql) => readCommitSeq(sql, epoch), PING_ANSWER_MS),
    forgetOwner: (epoch: number) => asking.use((sql) => forgetOwner(sql, epoch), PING_WAIT_MS),
    failureKind,
    failureText,
    close: async () => {
      const ended = [...loading].map((sql) => sql.end({ timeout: 0 }));
      await Promise.all([connections.close(), asking.close(), ...ended]);
    },
  };
}

function loadsOver(sql: Sql) {
  const on =
    <Args extends unknown[]>(load: (sql: Sql, ...args: Args) => Promise<void>) =>
    (...args: Args): Promise<void> =>
      load(sql, ...args);
  return {
    levels: on(loadLevels),
    open: on(loadOpen),
    never: on(loadNever),
    unsettled: on(loadUnsettled),
    keys: on(loadKeys),
  };
}
