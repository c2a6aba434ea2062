/**
 * Reads of levels while the database is away: whatever has been decided and is on its way, they show what
 * the database has, row by row; and those that waited for it are answered, too.
 */
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { BatchRows } from '../../src/storage/batch-rows.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Lane } from '../../src/worker/lane.ts';
import { LevelReads } from '../../src/worker/level-reads.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryDatabase } from '../helpers/memory-database.ts';

const PARTITION = 3;
/** What is not open any more is looked for in the database, which is away. */
const host = { find: () => new Promise(() => {}) } as Partial<Host> as Host;
const SKUS = ['A', 'B', 'C'];

/** Commits land one by one, when the test says so. */
function build() {
  const clock = new ManualClock();
  const database = new MemoryDatabase();
  const waiting: (() => void)[] = [];
  const commit = (rows: BatchRows): Promise<void> =>
    new Promise((resolve) =>
      waiting.push(() => {
        database.commit(rows);
        resolve();
      }),
    );
  const lane = new Lane({ commit } as Partial<CommitStore> as CommitStore, clock, () => {});
  lane.epoch = database.takePartitions([PARTITION]);
  const partition = new Partition(PARTITION, new Locations(), host, clock.now());
  const actor = new Actor(partition, lane);
  let age: number | undefined;
  const reads = new LevelReads(
    () => lane,
    () => age,
  );
  const read = (sku: string): { reply?: Reply } => {
    const got: { reply?: Reply } = {};
    reads.read(partition, { kind: 'get-levels', partition: PARTITION, deadline: 0, sku }, (reply) => {
      got.reply = reply;
    });
    return got;
  };
  /** What the database has of a SKU, as a read is to show it. */
  const stored = (sku: string): Reply => {
    const rows = (database.levels.get(PARTITION) ?? []).filter((row) => row.sku === sku);
    const levels = rows.map(({ partition: _, level: __, lastPage: ___, ...level }) => level);
    return levels.length === 0
      ? { kind: 'problem', code: 'unknown-sku' }
      : { kind: 'levels', levels, age: 5 };
  };
  const goAway = (): void => {
    age = 5;
  };
  const land = async (): Promise<void> => {
    waiting.shift()?.();
    await clock.settle();
  };
  return { clock, actor, read, reads, stored, goAway, land };
}

const sku = fc.constantFrom(...SKUS);
const location = fc.constantFrom('x', 'y');
const command = fc.oneof(
  fc.record({
    kind: fc.constant('put-level' as const),
    sku,
    location,
    onHand: fc.nat(20),
    safetyStock: fc.option(fc.nat(3), { nil: undefined }),
    backorderLimit: fc.option(fc.nat(3), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('adjust' as const),
    sku,
    location,
    delta: fc.integer({ min: -2, max: 5 }),
    reason: fc.constant('found'),
  }),
  fc.record({
    kind: fc.constant('hold' as const),
    // Also several lines of one level.
    skus: fc.array(sku, { minLength: 1, maxLength: 4 }),
    expiresInMs: fc.constantFrom(100, 3_600_000),
  }),
  fc.record({ kind: fc.constant('close' as const), which: fc.nat(), sells: fc.boolean() }),
);

test('reads show what the database has, whatever is on its way', async () => {
  const turns = fc.array(fc.array(command, { maxLength: 4 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(turns, fc.array(fc.boolean()), async (all, landings) => {
      const { clock, actor, read, stored, goAway, land } = build();
      const ids = new ReservationIds();
      const held: string[] = [];
      goAway();
      const common = { partition: PARTITION, deadline: Number.POSITIVE_INFINITY };
      for (const [turn, commands] of all.entries()) {
        for (const one of commands) {
          if (one.kind === 'close') {
            const to = { ...common, id: held[one.which % held.length] };
            if (to.id === undefined) continue;
            actor.receive(
              one.sells ? { kind: 'confirm', ...to, rehold: false } : { kind: 'cancel', ...to },
              () => {},
            );
            continue;
          }
          if (one.kind !== 'hold') {
            actor.receive({ ...one, ...common }, () => {});
            continue;
          }
          const lines = one.skus.map((wanted, line) => ({ line, sku: wanted, quantity: 1 }));
          const hold = { role: 'decide', mode: 'all', strategy: 'most-available' } as const;
          const id = ids.next(clock.now(), PARTITION);
          held.push(id);
          const times = { createdAt: clock.now(), expiresAt: clock.now() + one.expiresInMs };
          const rest = { home: PARTITION, participants: [], refused: [], locations: [] };
          actor.receive({ kind: 'hold', ...common, ...hold, ...rest, ...times, id, lines }, () => {});
        }
        await clock.advance(64);
        actor.wake(clock.now());
        await clock.settle();
        for (const one of SKUS) expect(read(one).reply).toEqual(stored(one));
        if (landings[turn]) await land();
        for (const one of SKUS) expect(read(one).reply).toEqual(stored(one));
      }
    }),
    { numRuns: 300 },
  );
});

test('a read that waits for its commit is answered when the database goes away, once', async () => {
  const { clock, actor, read, reads, goAway, land } = build();
  const put = { kind: 'put-level', partition: PARTITION, deadline: Number.POSITIVE_INFINITY } as const;
  actor.receive({ ...put, sku: 'A', location: 'x', onHand: 1 }, () => {});
  await clock.settle();
  await land();
  actor.receive({ ...put, sku: 'A', location: 'x', onHand: 2 }, () => {});
  await clock.settle();
  const waiting = read('A');
  reads.wake();
  expect(waiting.reply).toBeUndefined();
  goAway();
  reads.wake();
  expect(waiting.reply).toMatchObject({ kind: 'levels', age: 5, levels: [{ onHand: 1, version: 1 }] });
  const { reply } = waiting;
  await land();
  expect(waiting.reply).toBe(reply);
  expect(read('A').reply).toMatchObject({ levels: [{ onHand: 2, version: 2 }] });
});
