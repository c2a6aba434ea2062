/** Partitions come and go while some of a worker's can't be loaded: these wait, and keep nothing else waiting. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import postgres from 'postgres';
import { LOADING_TURN_MS } from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import type { ClaimUnderWay } from '../../src/process.ts';
import { failureKind } from '../../src/storage/database.ts';
import type { Loads, ReadStore } from '../../src/storage/read-store.ts';
import { Estate } from '../../src/worker/estate.ts';
import { Lane } from '../../src/worker/lane.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryStore, NOTHING_TO_LOAD } from '../helpers/memory-store.ts';

const [OWN, BROKEN, WELL, ALSO_WELL] = [0, 1, 2, 3];
const CONTRADICTION = new Error(`partition ${BROKEN} lacks level 0`);
/** As postgres.js makes it of what Postgres says. */
const CORRUPT = new postgres.PostgresError({
  code: 'XX001',
  message: 'invalid page in block 7 of relation "stock_level"',
} as unknown as string);
const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

beforeAll(() => {
  spyOn(log, 'warn').mockImplementation(() => {});
});
afterAll(() => {
  spyOn(log, 'warn').mockRestore();
});

/** An estate whose database has rows of BROKEN that can't be loaded, until they are mended. */
async function build(failure: Error = CONTRADICTION) {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const { database } = store;
  const faults: string[] = [];
  const broken = { is: true };
  /** Partitions of each attempt. */
  const attempts: number[][] = [];
  const loads: Loads = {
    ...NOTHING_TO_LOAD,
    async levels(partitions) {
      attempts.push(partitions);
      if (broken.is && partitions.includes(BROKEN)) throw failure;
    },
  };
  const reader: Partial<ReadStore> = {
    takePartitions: async (partitions, joining) => database.takePartitions(partitions, joining),
    load: (run) => run(loads),
    readCommitSeq: (epoch) => store.readCommitSeq(epoch),
    failureKind,
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
  attempts.length = 0;
  return {
    clock,
    estate,
    broken,
    faults,
    attempts,
    stateOf: (partition: number) => estate.find(partition)?.state,
  };
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

for (const failure of [CONTRADICTION, CORRUPT]) {
  test(`of those that come together, only what can’t be loaded fails: ${failure.message}`, async () => {
    const { clock, estate, faults, stateOf } = await build(failure);
    const taken = outcomeOf(estate.take([WELL, BROKEN, ALSO_WELL], []));
    await clock.advance(LOADING_TURN_MS);
    expect(taken.now).toBe(false);
    expect([stateOf(WELL), stateOf(BROKEN), stateOf(ALSO_WELL)]).toEqual(['serving', 'failing', 'serving']);
    expect(faults).toEqual([]);
  });
}

test('while it is the database that can’t be reached, they are asked for together', async () => {
  const { clock, estate, broken, attempts, stateOf } = await build(AWAY);
  void estate.take([WELL, BROKEN, ALSO_WELL], []);
  await clock.advance(LOADING_TURN_MS);
  broken.is = false;
  await clock.advance(LOADING_TURN_MS);
  expect([stateOf(WELL), stateOf(BROKEN), stateOf(ALSO_WELL)]).toEqual(['serving', 'serving', 'serving']);
  expect(attempts.filter((partitions) => partitions.length !== 3)).toEqual([]);
});

test('a claim that came along and is over by now does not come back with another partition', async () => {
  const { clock, estate, broken, stateOf } = await build();
  const claim: ClaimUnderWay = {
    partition: WELL,
    hash: '0'.repeat(32),
    fingerprint: '1'.repeat(32),
    deadline: clock.now() + 10 * LOADING_TURN_MS,
    fresh: true,
    token: 1,
  };
  void estate.take([WELL, BROKEN], [claim]);
  await clock.advance(LOADING_TURN_MS);
  const { claims } = estate.find(WELL)!.partition;
  const { hash, fingerprint, token } = claim;
  const key = { partition: WELL, hash, fingerprint };
  claims.release(
    { kind: 'release', partition: WELL, deadline: Infinity, key, token, used: true },
    clock.now(),
  );
  broken.is = false;
  await clock.advance(LOADING_TURN_MS);
  expect([stateOf(WELL), stateOf(BROKEN)]).toEqual(['serving', 'serving']);
  expect(claims.handOver(WELL)).toEqual([]);
});
