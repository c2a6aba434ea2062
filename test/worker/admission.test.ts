/**
 * A lane whose database is slow: it takes in what can be durable within a second, refuses the rest at once, and goes on
 * finishing what was begun. One that keeps up refuses nothing, and neither does one that was away.
 */
import { expect, test } from 'bun:test';
import type { Clock } from '../../src/clock.ts';
import {
  ADMITTED_IMPORT_ROWS_PER_SECOND,
  ADMITTED_MIN,
  ADMITTED_WAIT_MS,
  BATCH_COMMANDS_MAX,
  COMMITS_IN_FLIGHT_MAX,
  STANDING_MS,
} from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { BatchRows } from '../../src/storage/batch-rows.ts';
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
  /** How far the clock of the lane was set. */
  let setBy = 0;
  const ofLane: Clock = {
    now: () => clock.now() + setBy,
    after: (ms, run) => clock.after(ms, run),
    soon: (run) => clock.soon(run),
  };
  let freeAt = clock.now();
  let isAway = false;
  let landed = 0;
  const store = {
    commit({ owner, holds, counted, ledger }: BatchRows) {
      if (isAway) return Promise.reject(new Error('away'));
      const rows = Math.max(holds.id.length, counted.level.length, ledger.seq.length);
      freeAt = Math.max(freeAt, clock.now()) + commitMs(rows);
      return new Promise<void>((resolve) =>
        clock.after(freeAt - clock.now(), () => {
          landed = owner.commitSeq;
          resolve();
        }),
      );
    },
    readCommitSeq: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve(landed)),
    failureKind: () => 'ambiguous',
    failureText: String,
  } as Partial<CommitStore> as CommitStore;
  const lane = new Lane(store, ofLane, () => {});
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
  /** So many holds a second for so long, evenly, as far as any of the callers is free. */
  const offer = async (
    rate: number,
    ms: number,
    callers = Number.POSITIVE_INFINITY,
  ): Promise<typeof seen> => {
    const before = { ...seen };
    seen.longestMs = 0;
    for (let at = 0; at < ms; at += STEP_MS) {
      for (let due = (rate * STEP_MS) / 1000; due > 0 && lane.admission.inside < callers; due--) hold();
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
  const stall = (ms: number): void => {
    freeAt = Math.max(freeAt, clock.now()) + ms;
  };
  const setClock = (by: number): void => {
    setBy = by;
  };
  return { clock, lane, actor, hold, offer, held, seen, setAway, stall, setClock };
}

const rowMs = (rows: number): number => 2 + rows;

test('five times of what a database can take: it does as much as ever, nobody waits for long, the rest is refused at once', async () => {
  const { offer, lane } = await build(rowMs);
  const alone = await offer(800, 10_000);
  expect(alone.refused).toBe(0);
  expect(lane.admission.isOverloaded).toBe(false);
  const onset = await offer(5000, 5000);
  expect(onset.longestMs).toBeLessThan(3 * ADMITTED_WAIT_MS);
  const steady = await offer(5000, 20_000);
  expect(steady.granted).toBeGreaterThan(0.95 * 20 * 1000);
  expect(steady.longestMs).toBeLessThan(1.2 * ADMITTED_WAIT_MS);
  expect(steady.refused + steady.granted).toBeWithin(
    5000 * 20 - 2 * ADMITTED_WAIT_MS,
    5000 * 20 + 2 * ADMITTED_WAIT_MS,
  );
  expect(lane.admission.isOverloaded).toBe(true);
  // And once the storm is over, all is as it was.
  await offer(800, 2000);
  expect(lane.admission.isOverloaded).toBe(false);
  expect(await offer(800, 10_000)).toMatchObject({ refused: 0 });
});

test('callers whom two commits can carry, and who leave none behind for a third, wait no longer for it', async () => {
  const { offer } = await build((rows) => 2 + 2 * rows);
  const callers = COMMITS_IN_FLIGHT_MAX * BATCH_COMMANDS_MAX;
  await offer(400, 10_000);
  const onset = await offer(2500, 10_000, callers);
  expect(onset.longestMs).toBeLessThan(2.5 * ADMITTED_WAIT_MS);
  const { granted, longestMs } = await offer(2500, 20_000, callers);
  expect(granted).toBeGreaterThan(0.95 * 20 * 500);
  expect(longestMs).toBeLessThan(1.2 * ADMITTED_WAIT_MS);
});

test('nor does anyone wait longer after ten minutes of too much', async () => {
  const { offer } = await build(rowMs);
  await offer(1500, 600_000);
  const { longestMs } = await offer(1500, 20_000);
  expect(longestMs).toBeLessThan(1.2 * ADMITTED_WAIT_MS);
}, 30_000);

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

test.each([200, 250, 500, 1000])(
  'a database that takes %d ms to answer, and works fast, is given what comes, and of too much what it can do',
  async (commitMs) => {
    const { offer } = await build(() => commitMs);
    const mostPerSecond = (BATCH_COMMANDS_MAX * 1000) / commitMs;
    expect(await offer(0.6 * mostPerSecond, 10_000)).toMatchObject({ refused: 0 });
    await offer(2 * mostPerSecond, 10_000);
    const { granted, longestMs } = await offer(2 * mostPerSecond, 20_000);
    expect(granted).toBeGreaterThan(0.95 * 20 * mostPerSecond);
    expect(longestMs).toBeLessThanOrEqual(2 * ADMITTED_WAIT_MS + 2 * commitMs);
  },
);

test.each([400, 700, 1000])(
  'one that was fast, and takes %d ms to answer from now on, is soon given what comes again',
  async (slowMs) => {
    let commitMs = 4;
    const { offer } = await build(() => commitMs);
    const rate = (0.6 * BATCH_COMMANDS_MAX * 1000) / slowMs;
    await offer(rate, 10_000);
    commitMs = slowMs;
    await offer(rate, 15 * slowMs);
    expect(await offer(rate, 60_000)).toMatchObject({ refused: 0 });
  },
  20_000,
);

test('nor is one that comes back slow to answer after an absence taken for one that is slow to work', async () => {
  let commitMs = 4;
  const { offer, setAway } = await build(() => commitMs);
  await offer(1500, 5000);
  setAway(true);
  await offer(100, 1000);
  setAway(false);
  commitMs = 400;
  expect(await offer(1500, 20_000)).toMatchObject({ refused: 0 });
});

test('until it is known whether the database keeps up, two seconds of its work are taken in', async () => {
  const { offer, stall, lane } = await build(rowMs);
  await offer(900, 5000);
  stall(5000);
  await offer(2000, 3000);
  expect(lane.admission.inside).toBeWithin(1600, 2100);
});

test('one batch that is late, where commits take long, is no overload', async () => {
  const { offer, stall, hold, seen } = await build(() => 300);
  await offer(1000, 5000);
  stall(1000);
  await offer(1000, 2000);
  for (let i = 0; i < 2 * BATCH_COMMANDS_MAX; i++) hold();
  expect(seen.refused).toBe(0);
});

test.each([400, 800])('a database that stands still for %d ms is waited for', async (ms) => {
  const { offer, stall } = await build((rows) => 2 + rows / 10);
  await offer(1500, 5000);
  stall(ms);
  expect(await offer(1500, 5000)).toMatchObject({ refused: 0 });
});

test('when a database stood still is forgotten before the next burst', async () => {
  const { offer, hold, stall, clock, seen } = await build((rows) => 2 + rows / 10);
  await offer(200, 2000);
  stall(800);
  await offer(200, 500);
  await clock.advance(10 * STANDING_MS);
  for (let i = 0; i < 4 * BATCH_COMMANDS_MAX; i++) hold();
  expect(seen.refused).toBe(0);
});

test('a clock that is set back changes nothing of how long anyone waits', async () => {
  const { offer, setClock } = await build((rows) => 2 + rows / 4);
  await offer(8000, 5000);
  setClock(-3_600_000);
  await offer(8000, 5000);
  const { granted, longestMs } = await offer(8000, 10_000);
  expect(granted).toBeGreaterThan(0.9 * 10 * 4000);
  expect(longestMs).toBeLessThan(1.2 * ADMITTED_WAIT_MS);
});

test('an import has its share where holds take all that there is, and not more', async () => {
  const { actor, offer, clock } = await build(rowMs);
  await offer(5000, 5000);
  let taken = 0;
  const deadline = Number.POSITIVE_INFINITY;
  const seconds = 20;
  for (let turn = 0; turn < 20 * seconds; turn++) {
    const rows = Array.from({ length: 16 }, (_, row) => ({
      sku: `new-${turn}-${row}`,
      location: 'x',
      onHand: 1,
      safetyStock: 0,
      backorderLimit: 0,
    }));
    actor.receive({ kind: 'import-levels', partition: 1, deadline, rows }, (reply) => {
      if (reply.kind === 'imported') taken += rows.length;
    });
    await offer(5000, 50);
  }
  await clock.advance(5 * ADMITTED_WAIT_MS);
  expect(taken).toBeWithin(
    0.9 * seconds * ADMITTED_IMPORT_ROWS_PER_SECOND,
    1.2 * seconds * ADMITTED_IMPORT_ROWS_PER_SECOND,
  );
});

test('whatever became of it, what has left is not inside any more', async () => {
  const { actor, lane, offer, held, clock, setAway } = await build(rowMs);
  const deadline = Number.POSITIVE_INFINITY;
  const ask = (command: Parameters<typeof actor.receive>[0]): void => actor.receive(command, () => {});
  await offer(5000, 3000);
  // In a commit with others, as rows of an import, and while the database is away.
  for (const id of held.slice(0, 50)) ask({ kind: 'cancel', partition: 1, deadline, id });
  const row = { sku: 'B', location: 'x', onHand: 1, safetyStock: 0, backorderLimit: 0 };
  ask({ kind: 'import-levels', partition: 1, deadline, rows: [row, { ...row, sku: 'C' }, row] });
  setAway(true);
  await offer(500, 1000);
  setAway(false);
  // Until the holds have expired, too.
  await clock.advance(3_700_000);
  expect(lane.admission.inside).toBe(0);
  // In a batch that needs no commit.
  ask({ kind: 'extend', partition: 1, deadline, id: 'none', expiresInMs: 1 });
  await clock.advance(1000);
  expect(lane.admission.inside).toBe(0);
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
