/**
 * A lane whose database is slow: it takes in what can be durable within a second, refuses the rest at once, and goes on
 * finishing what was begun. One that keeps up refuses nothing, and neither does one that was away.
 */
import { expect, test } from 'bun:test';
import { ADMITTED_MIN, ADMITTED_WAIT_MS, BATCH_COMMANDS_MAX, STANDING_MS } from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { BatchRows } from '../../src/storage/commit-batch.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { HoldRequest, Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Lane } from '../../src/worker/lane.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const OVERLOADED: Reply = { kind: 'problem', code: 'overloaded' };
const STEP_MS = 10;

/** A database that takes one commit after the other, each so long as it says; and what became of holds. */
async function build(commitMs: (rows: number) => number) {
  const clock = new ManualClock();
  let freeAt = clock.now();
  let isAway = false;
  const store = {
    commit({ reservations }: BatchRows) {
      if (isAway) return Promise.reject(new Error('away'));
      freeAt = Math.max(freeAt, clock.now()) + commitMs(reservations.id.length);
      return new Promise<void>((resolve) => clock.after(freeAt - clock.now(), resolve));
    },
    readCommitSeq: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve(0)),
    failureKind: () => 'ambiguous',
    failureText: String,
  } as Partial<CommitStore> as CommitStore;
  const lane = new Lane(store, clock, () => {});
  const actor = new Actor(new Partition(1, new Locations(), {} as Host, clock.now()), lane);
  const ids = new ReservationIds();
  const deadline = Number.POSITIVE_INFINITY;
  const seen = { refused: 0, granted: 0, longestMs: 0 };
  const held: string[] = [];
  const hold = (): void => {
    const id = ids.next(clock.now(), 1);
    const request: HoldRequest = {
      kind: 'hold',
      partition: 1,
      deadline,
      id,
      role: 'decide',
      home: 1,
      participants: [],
      mode: 'all',
      refused: [],
      createdAt: clock.now(),
      expiresAt: clock.now() + 3_600_000,
      strategy: 'most-available',
      locations: [],
      lines: [{ line: 0, sku: 'A', quantity: 1 }],
    };
    const askedAt = clock.now();
    actor.receive(request, (reply) => {
      if (Bun.deepEquals(reply, OVERLOADED)) seen.refused++;
      if (reply.kind !== 'granted') return;
      seen.granted++;
      held.push(id);
      seen.longestMs = Math.max(seen.longestMs, clock.now() - askedAt);
    });
  };
  /** So many holds a second for so long, evenly. */
  const offer = async (rate: number, ms: number): Promise<typeof seen> => {
    const before = { ...seen };
    seen.longestMs = 0;
    for (let at = 0; at < ms; at += STEP_MS) {
      for (let due = (rate * STEP_MS) / 1000; due > 0; due--) hold();
      await clock.advance(STEP_MS);
    }
    const { refused, granted, longestMs } = seen;
    return { refused: refused - before.refused, granted: granted - before.granted, longestMs };
  };
  actor.receive(
    { kind: 'put-level', partition: 1, deadline, sku: 'A', location: 'x', onHand: 1e9 },
    () => {},
  );
  await clock.advance(1000);
  const setAway = (away: boolean): void => {
    isAway = away;
  };
  return { clock, actor, hold, offer, held, seen, setAway };
}

const rowMs = (rows: number): number => 2 + rows;

test('five times of what a database can take: it does as much as ever, nobody waits for long, the rest is refused at once', async () => {
  const { offer } = await build(rowMs);
  const alone = await offer(800, 10_000);
  expect(alone.refused).toBe(0);
  const onset = await offer(5000, 5000);
  expect(onset.longestMs).toBeLessThan(4 * ADMITTED_WAIT_MS);
  const steady = await offer(5000, 20_000);
  expect(steady.granted).toBeGreaterThan(0.95 * 20 * 1000);
  expect(steady.longestMs).toBeLessThan(1.2 * ADMITTED_WAIT_MS);
  expect(steady.refused + steady.granted).toBeWithin(
    5000 * 20 - 2 * ADMITTED_WAIT_MS,
    5000 * 20 + 2 * ADMITTED_WAIT_MS,
  );
  // And once the storm is over, all is as it was.
  await offer(800, 2000);
  expect(await offer(800, 10_000)).toMatchObject({ refused: 0 });
});

test('while holds are refused, what was held can be sold and given back, and partitions are heard', async () => {
  const { actor, offer, held, clock } = await build(rowMs);
  await offer(5000, 5000);
  const before = await offer(5000, 500);
  expect(before.refused).toBeGreaterThan(1000);
  const replies: Reply[] = [];
  const answer = (reply: Reply): void => void replies.push(reply);
  const deadline = Number.POSITIVE_INFINITY;
  const [sold, returned, settled] = held;
  actor.receive({ kind: 'confirm', partition: 1, deadline, id: sold, rehold: false }, answer);
  actor.receive({ kind: 'cancel', partition: 1, deadline, id: returned }, answer);
  actor.receive(
    { kind: 'settle', partition: 1, deadline, id: settled, outcome: 'held', expiresAt: clock.now() + 1000 },
    answer,
  );
  expect(replies).toEqual([]);
  await clock.advance(3 * ADMITTED_WAIT_MS);
  expect(replies.filter(({ kind }) => kind === 'problem')).toEqual([]);
  expect(replies).toHaveLength(3);
});

test('a burst after a quiet time is no overload', async () => {
  const { offer, hold, clock, seen } = await build(() => 20);
  await offer(100, 5000);
  for (let i = 0; i < 4 * BATCH_COMMANDS_MAX; i++) hold();
  await clock.advance(STANDING_MS);
  expect(seen.refused).toBe(0);
});

test('a database that is slow to answer, and not slow to work, is given all that comes', async () => {
  const { offer } = await build(() => 200);
  expect(await offer(2000, 10_000)).toMatchObject({ refused: 0 });
});

test('a short absence of the database is waited for, however much comes meanwhile', async () => {
  const { offer, setAway } = await build(() => 5);
  await offer(2000, 2000);
  setAway(true);
  const away = await offer(2000, 1500);
  setAway(false);
  const back = await offer(2000, 2000);
  expect(away.refused + back.refused).toBe(0);
  expect(ADMITTED_MIN).toBeLessThan(2000 * 1.5);
});
