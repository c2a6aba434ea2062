/**
 * Deletes in the background what a worker's partitions keep no longer: history beyond its retention, idempotency keys
 * that are out of time, and the marks of what was never made.
 *
 * It has a connection of its own, deletes few rows at a time and pauses after them, so that no commit waits for it. It need
 * not know whether the partitions are still this worker's: see storage/prune.ts.
 */
import type { Clock } from '../clock.ts';
import { KEYS_LINGER_MS, NEVER_KEPT_MS, PRUNE_EVERY_MS, PRUNE_PAUSE_MS, PRUNE_ROWS_MAX } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Retention } from '../process.ts';
import { firstIdOf } from '../reservations/id.ts';
import { type Connections, failureText } from '../storage/database.ts';
import {
  CLOSED,
  deleteKeys,
  deleteNeverMarks,
  deleteReservations,
  foldLedger,
  type Pruned,
} from '../storage/prune.ts';

const FIRST_ID = firstIdOf(0);

export class Pruner {
  private stopped = false;
  private endPause: () => void = () => {};
  /** Keys from before this are gone. */
  private keysSince = 0;
  /** By partition, the id up to which marks have been looked at: younger ones follow in order, bar a few. */
  private readonly marksSeen = new Map<number, string>();

  constructor(
    private readonly connection: Connections,
    /** Those of the worker, which change. */
    private readonly partitionsOf: () => number[],
    private readonly retention: Retention,
    private readonly clock: Clock,
  ) {}

  /** Goes on until it is stopped. */
  async run(): Promise<void> {
    while (!this.stopped) {
      const deleted = { keys: 0, entries: 0, reservations: 0 };
      try {
        await this.round(deleted);
      } catch (error) {
        if (!this.stopped) log.warn('prune.failed', { reason: failureText(error) });
      }
      if (deleted.keys + deleted.entries + deleted.reservations > 0) log.info('prune.done', deleted);
      await this.pause(PRUNE_EVERY_MS);
    }
  }

  /** Ends also a statement that is under way; it may have been for nothing. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.endPause();
    await this.connection.close();
  }

  private async round(deleted: { keys: number; entries: number; reservations: number }): Promise<void> {
    const { connection, retention } = this;
    const partitions = this.partitionsOf();
    const now = this.clock.now();
    const keysBefore = now - retention.keysMs - KEYS_LINGER_MS;
    await this.repeat(async () => {
      const keys = await connection.use((sql) => deleteKeys(sql, partitions, this.keysSince, keysBefore));
      deleted.keys += keys;
      return keys;
    });
    this.keysSince = keysBefore;
    for (const partition of partitions) {
      let marksSeen = this.marksSeen.get(partition) ?? FIRST_ID;
      marksSeen = await this.walk(marksSeen, deleted, (after) =>
        connection.use((sql) => deleteNeverMarks(sql, partition, now - NEVER_KEPT_MS, after)),
      );
      this.marksSeen.set(partition, marksSeen);
    }
    if (retention.historyMs === undefined) return;
    const before = now - retention.historyMs;
    // The same for all partitions, whoever has them.
    let after = 0;
    await this.repeat(async () => {
      const { entries, last, more } = await connection.use((sql) => foldLedger(sql, before, after));
      after = last;
      deleted.entries += entries;
      return more ? PRUNE_ROWS_MAX : entries && 1;
    });
    // Only then, as a reservation goes when the ledger is cut behind it.
    for (const partition of partitions) {
      for (const status of CLOSED) {
        await this.walk(FIRST_ID, deleted, (after) =>
          connection.use((sql) => deleteReservations(sql, partition, status, before, after)),
        );
      }
    }
  }

  /** Takes steps in the order of ids. @returns the last id that was seen */
  private async walk(
    from: string,
    deleted: { reservations: number },
    step: (after: string) => Promise<Pruned>,
  ): Promise<string> {
    let at = from;
    await this.repeat(async () => {
      const pruned = await step(at);
      deleted.reservations += pruned.deleted;
      at = pruned.last ?? at;
      return pruned.seen;
    });
    return at;
  }

  /** @param step returns how many rows it has looked at; a full step is followed by another one */
  private async repeat(step: () => Promise<number>): Promise<void> {
    let seen = PRUNE_ROWS_MAX;
    while (seen >= PRUNE_ROWS_MAX && !this.stopped) {
      seen = await step();
      if (seen > 0) await this.pause(PRUNE_PAUSE_MS);
    }
  }

  private pause(ms: number): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.clock.after(ms, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
