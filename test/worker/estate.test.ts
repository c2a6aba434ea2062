/** Partitions come and go while some of a worker's can't be loaded: these wait, and keep nothing else waiting. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { LOADING_TURN_MS } from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import type { Loads, ReadStore } from '../../src/storage/read-store.ts';
import { Estate } from '../../src/worker/estate.ts';
import { Lane } from '../../src/worker/lane.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

const [OWN, BROKEN, WELL] = [0, 1, 2];

beforeAll(() => {
  spyOn(log, 'warn').mockImplementation(() => {});
});
afterAll(() => {
  spyOn(log, 'warn').mockRestore();
});

/** An estate whose database has rows of BROKEN that contradict each other, until they are mended. */
async function build() {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const { database } = store;
  const faults: string[] = [];
  const broken = { is: true };
  const loads: Loads = {
    async levels(partitions) {
      if (broken.is && partitions.includes(BROKEN)) throw new Error(`partition ${BROKEN} lacks level 0`);
    },
    open: async () => {},
    never: async () => {},
    unsettled: async () => {},
    keys: async () => {},
  };
  const reader: Partial<ReadStore> = {
    takePartitions: async (partitions, joining) => database.takePartitions(partitions, joining),
    load: (run) => run(loads),
    readCommitSeq: (epoch) => store.readCommitSeq(epoch),
    failureKind: () => 'ambiguous',
    failureText: String,
  };
  const estate = new Estate({
    lanes: [new Lane(store, clock, (reason, detail) => faults.push(`${reason}: ${detail}`))],
    reader: reader as ReadStore,
    clock,
    keysMs: 60_000,
    host: {} as Host,
    onUnsettled() {},
    fail: (reason, detail) => faults.push(`${reason}: ${detail}`),
  });
  await estate.found([OWN]);
  return { clock, estate, broken, faults, stateOf: (partition: number) => estate.find(partition)?.state };
}

/** What a promise has come to by now. */
function outcomeOf<T>(promise: Promise<T>): { now?: T } {
  const outcome: { now?: T } = {};
  promise.then((value) => {
    outcome.now = value;
  });
  return outcome;
}

test('what can’t be loaded keeps the next order waiting for a while, and no longer', async () => {
  const { clock, estate, faults, stateOf } = await build();
  const broken = outcomeOf(estate.take([BROKEN], []));
  const well = outcomeOf(estate.take([WELL], []));
  await clock.advance(LOADING_TURN_MS - 1);
  expect([broken.now, well.now]).toEqual([undefined, undefined]);
  expect(stateOf(BROKEN)).toBe('failing');
  await clock.advance(1);
  expect([broken.now, well.now]).toEqual([false, true]);
  const given = outcomeOf(estate.give([OWN]));
  await clock.advance(1);
  expect(given.now).toEqual([]);
  expect([stateOf(OWN), stateOf(BROKEN), stateOf(WELL)]).toEqual([undefined, 'failing', 'serving']);
  expect(faults).toEqual([]);
});

test('it is not given up before it is loaded, and is loaded once it can be', async () => {
  const { clock, estate, broken, stateOf } = await build();
  void estate.take([BROKEN], []);
  await clock.advance(LOADING_TURN_MS);
  const refused = estate.give([OWN, BROKEN]);
  expect(await refused).toBeUndefined();
  expect([stateOf(OWN), stateOf(BROKEN)]).toEqual(['serving', 'failing']);
  broken.is = false;
  await clock.advance(LOADING_TURN_MS);
  expect(stateOf(BROKEN)).toBe('serving');
  const given = outcomeOf(estate.give([BROKEN]));
  await clock.advance(1);
  expect(given.now).toEqual([]);
});
