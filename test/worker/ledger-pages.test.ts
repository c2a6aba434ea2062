/** The pages of the ledger as lanes number them: those of a partition rise, whoever has it and whatever the clock there says. */
import { expect, test } from 'bun:test';
import type { Loads, ReadStore } from '../../src/storage/read-store.ts';
import { Estate } from '../../src/worker/estate.ts';
import { Lane } from '../../src/worker/lane.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryStore, NOTHING_TO_LOAD } from '../helpers/memory-store.ts';

const HOUR_MS = 3_600_000;

/** A worker with one lane, on a database that may have others. */
function workerOn(store: MemoryStore, clock: ManualClock) {
  const { database } = store;
  const fail = (reason: string, detail: string): never => {
    throw new Error(`${reason}: ${detail}`);
  };
  const loads: Loads = {
    ...NOTHING_TO_LOAD,
    levels: async (partitions, onRow) => database.loadLevels(partitions).forEach(onRow),
  };
  const reader: Partial<ReadStore> = {
    takePartitions: async (partitions, joining) => database.takePartitions(partitions, joining),
    load: (run) => run(loads),
    readCommitSeq: (epoch) => store.readCommitSeq(epoch),
  };
  const lane = new Lane(store, clock, fail);
  const estate = new Estate({
    lanes: [lane],
    reader: reader as ReadStore,
    clock,
    keysMs: HOUR_MS,
    host: {} as Host,
    onUnsettled() {},
    fail,
  });
  /** So many commits, each with a count. */
  async function count(partition: number, commits: number): Promise<void> {
    for (let i = 0; i < commits; i++) {
      const put = {
        kind: 'put-level',
        partition,
        deadline: Number.POSITIVE_INFINITY,
        sku: 'A',
        location: 'x',
      } as const;
      estate.find(partition)!.receive({ ...put, onHand: Math.floor(Math.random() * 1e9) }, () => {});
      await clock.settle();
    }
  }
  /** What it does from here on takes turns of its clock. */
  async function settled<T>(promise: Promise<T>): Promise<T> {
    const both = Promise.all([promise, clock.settle()]);
    return (await both)[0];
  }
  return { lane, estate, count, settled };
}

const pagesOf = (store: MemoryStore, partition: number): number[] =>
  store.database.ledger.get(partition)!.map(({ page }) => page);

test('commits within a millisecond have pages of their own, and later ones that of the clock again', async () => {
  const store = new MemoryStore();
  const clock = new ManualClock();
  const { estate, count, settled } = workerOn(store, clock);
  await settled(estate.found([0]));
  const from = clock.now();
  await count(0, 3);
  await clock.advance(1000);
  await count(0, 1);
  expect(pagesOf(store, 0)).toEqual([from, from + 1, from + 2, from + 1000]);
});

test('a partition that moves, and comes back, never goes back', async () => {
  const store = new MemoryStore();
  const ahead = new ManualClock();
  const behind = new ManualClock();
  await ahead.advance(HOUR_MS);
  const first = workerOn(store, ahead);
  const second = workerOn(store, behind);
  await first.settled(first.estate.found([0, 1]));
  await second.settled(second.estate.found([2]));
  await first.count(0, 2);
  await second.count(2, 1);
  for (const [from, to] of [
    [first, second],
    [second, first],
  ]) {
    expect(await from.settled(from.estate.give([0]))).toEqual([]);
    expect(await to.settled(to.estate.take([0], []))).toBe(true);
    await to.count(0, 2);
  }
  const pages = pagesOf(store, 0);
  expect(pages).toHaveLength(6);
  expect(pages.every((page, i) => i === 0 || page > pages[i - 1])).toBe(true);
  expect(pages[2]).toBeGreaterThan(behind.now() + HOUR_MS - 1000);
  // Its entries name each other over all of that, and are numbered on.
  const entries = store.database.ledger.get(0)!;
  expect(entries.map(({ previous }) => previous)).toEqual([0, ...pages.slice(0, -1)]);
  expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
});
