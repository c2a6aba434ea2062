/**
 * Taking partitions: become their owner, so that no earlier one can commit any more, then stream
 * their rows into memory.
 */
import type { Clock } from '../clock.ts';
import { TOMBSTONE_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { UnsettledRow } from '../storage/load-partitions.ts';
import type { ReadStore } from '../storage/read-store.ts';
import type { Partition } from './partition.ts';

/** A participant whose home has no record may have asked too early: the home's front may still be deciding. */
const ASK_AFTER_RECOVERY_MS = 1000;

export interface Recovered {
  /** Of the new owner. */
  epoch: number;
  /** Decisions that participants may not have heard. */
  unsettled: UnsettledRow[];
}

/**
 * Takes and fills them.
 * @param keysMs how long idempotency keys are remembered, in milliseconds
 * @param joining the epoch of a living owner, which gets them in addition; absent: a new one
 * Rows that contradict each other are logged, and the server goes on: refusing to start would not mend them.
 */
export async function recover(
  reader: ReadStore,
  owned: Partition[],
  clock: Clock,
  keysMs: number,
  joining?: number,
): Promise<Recovered> {
  const partitions = owned.map(({ partition }) => partition);
  const byNumber = new Map(owned.map((partition) => [partition.partition, partition]));
  const epoch = await reader.takePartitions(partitions, joining);
  await reader.loadLevels(partitions, (row) => {
    const partition = byNumber.get(row.partition)!;
    const { snapshot } = partition;
    const level = snapshot.addLevel(row.sku, row.location);
    if (level !== row.level) throw new Error(`partition ${row.partition} lacks level ${level}`);
    snapshot.onHand[level] = row.onHand;
    snapshot.reserved[level] = row.reserved;
    snapshot.safetyStock[level] = row.safetyStock;
    snapshot.backorderLimit[level] = row.backorderLimit;
    snapshot.version[level] = row.version;
    snapshot.updatedAt[level] = row.updatedAt;
    snapshot.lastEntry[level] = row.lastEntry;
    partition.ledgerSeq = Math.max(partition.ledgerSeq, row.lastEntry);
  });
  const unsettled: UnsettledRow[] = [];
  await reader.loadOpen(partitions, (row) => {
    const { partition, id, home, decision, sold, createdAt, expiresAt, reference, participants, lines } = row;
    if (decision !== null && decision !== 'held') {
      unsettled.push({ partition: home, id, decision, sold, participant: partition });
    }
    const decided = decision !== null;
    const dueAt = home === partition || decision === 'held' ? expiresAt : clock.now() + ASK_AFTER_RECOVERY_MS;
    byNumber
      .get(partition)!
      .restore(
        id,
        home,
        decided,
        { createdAt, expiresAt, dueAt },
        reference ?? undefined,
        participants,
        lines,
      );
  });
  await reader.loadNever(partitions, clock.now() - TOMBSTONE_MS, ({ partition, id, at }) =>
    byNumber.get(partition)!.restoreNever(id, at),
  );
  await reader.loadUnsettled(partitions, (row) => unsettled.push(row));
  await reader.loadKeys(
    partitions,
    clock.now() - keysMs,
    ({ partition, keyPartition, key, fingerprint, at }) => {
      byNumber.get(partition)?.keys.add(key, fingerprint, at);
      byNumber.get(keyPartition)?.claims.keys.add(key, fingerprint, at);
    },
  );
  // Whoever took them meanwhile has committed between these reads: what they brought does not fit together.
  if ((await reader.readCommitSeq(epoch)) === undefined)
    throw new Error(`epoch ${epoch} is over: another owner took its partitions while they were being loaded`);
  for (const partition of owned) checkBooks(partition);
  return { epoch, unsettled };
}

/** Invariant I3: what the open reservations hold is what the levels say is reserved. */
function checkBooks(partition: Partition): void {
  const { snapshot, holds } = partition;
  const held = holds.heldByLevel(snapshot.levels);
  for (let level = 0; level < snapshot.levels; level++) {
    if (held[level] === snapshot.reserved[level]) continue;
    log.error('books.unbalanced', {
      partition: partition.partition,
      sku: snapshot.skuOf(level),
      location: snapshot.locationOf(level),
      reserved: snapshot.reserved[level],
      held: held[level],
    });
  }
}
