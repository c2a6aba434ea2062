/**
 * Taking partitions: become their owner, so that no earlier one can commit any more, then stream
 * their rows into memory.
 */
import type { Clock } from '../clock.ts';
import { TOMBSTONE_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import { formatId } from '../reservations/id.ts';
import type { UnsettledRow } from '../storage/load-partitions.ts';
import type { Loads, ReadStore } from '../storage/read-store.ts';
import type { Partition } from './partition.ts';

/** A participant whose home has no record may have asked too early: the home's front may still be deciding. */
const ASK_AFTER_RECOVERY_MS = 1000;

export interface Recovered {
  /** Of the new owner. */
  epoch: number;
  /** The last page of the ledger that has anything of them; 0 where none has. */
  lastPage: number;
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
  const numbers = owned.map(({ partition }) => partition);
  const epoch = await reader.takePartitions(numbers, joining);
  const owner: Owner = { numbers, byNumber: [], lastPage: 0, unsettled: [] };
  for (const partition of owned) {
    owner.byNumber[partition.partition] = partition;
    partition.restoring();
  }
  // At the same time, as neither needs what the other brings. If one fails, it is told when both are over: nothing goes on.
  const both = [
    reader.load((loads) => loadLevels(loads, owner)),
    reader.load((loads) => loadReservations(loads, owner, clock, keysMs)),
  ];
  await Promise.allSettled(both);
  await Promise.all(both);
  // Whoever took them meanwhile has committed between these reads: what they brought does not fit together.
  if ((await reader.readCommitSeq(epoch)) === undefined)
    throw new Error(`epoch ${epoch} is over: another owner took its partitions while they were being loaded`);
  for (const partition of owned) {
    partition.restored();
    checkBooks(partition);
  }
  return { epoch, lastPage: owner.lastPage, unsettled: owner.unsettled };
}

/** What is being loaded. */
interface Owner {
  numbers: number[];
  byNumber: Partition[];
  lastPage: number;
  unsettled: UnsettledRow[];
}

async function loadLevels(loads: Loads, owner: Owner): Promise<void> {
  await loads.levels(owner.numbers, (row) => {
    const partition = owner.byNumber[row.partition];
    const { snapshot } = partition;
    const { level } = row;
    snapshot.restoreLevel(level, row.sku, row.location);
    snapshot.onHand[level] = row.onHand;
    snapshot.reserved[level] = row.reserved;
    snapshot.safetyStock[level] = row.safetyStock;
    snapshot.backorderLimit[level] = row.backorderLimit;
    snapshot.version[level] = row.version;
    snapshot.updatedAt[level] = row.updatedAt;
    snapshot.lastPage[level] = row.lastPage;
    partition.ledgerSeq += row.version;
    owner.lastPage = Math.max(owner.lastPage, row.lastPage);
  });
}

/** The open ones, and what is remembered of others. */
async function loadReservations(
  loads: Loads,
  { numbers, byNumber, unsettled }: Owner,
  clock: Clock,
  keysMs: number,
): Promise<void> {
  await loads.open(numbers, (row) => {
    const { partition, id, home, decision, sold, createdAt, expiresAt, reference, participants, lines } = row;
    if (decision !== null && decision !== 'held')
      unsettled.push({ partition: home, id: formatId(id, 0), decision, sold, participant: partition });
    const decided = decision !== null;
    const dueAt = home === partition || decision === 'held' ? expiresAt : clock.now() + ASK_AFTER_RECOVERY_MS;
    const times = { createdAt, expiresAt, dueAt };
    byNumber[partition].restore(id, home, decided, times, reference ?? undefined, participants, lines);
  });
  await loads.never(numbers, clock.now() - TOMBSTONE_MS, ({ partition, id, at }) =>
    byNumber[partition].restoreNever(id, at),
  );
  await loads.unsettled(numbers, (row) => unsettled.push(row));
  await loads.keys(numbers, clock.now() - keysMs, ({ partition, keyPartition, words, at }) => {
    byNumber[partition]?.keys.addWords(words, at);
    byNumber[keyPartition]?.claims.keys.addWords(words, at);
  });
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
