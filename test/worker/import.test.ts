/** Imports and exports as a worker decides them: what rows do, what they cost, and whom they make wait. */
import { expect, test } from 'bun:test';
import { BATCH_COMMANDS_MAX, IMPORT_ROWS_PER_MESSAGE_MAX, LEVELS_PER_SKU_MAX } from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { ImportRow, Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { exportLevels } from '../../src/worker/decide-stock.ts';
import { Lane } from '../../src/worker/lane.ts';
import { type CallerCommand, Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

const DEADLINE_MS = 3_600_000;

function build(partitions = 1) {
  const clock = new ManualClock();
  const numbers = Array.from({ length: partitions }, (_, i) => i);
  const store = new MemoryStore();
  const lane = new Lane(store, clock, (reason, detail) => {
    throw new Error(`${reason}: ${detail}`);
  });
  const locations = new Locations();
  const actors = numbers.map((number) => {
    const partition = new Partition(number, locations, {} as Host, clock.now());
    return new Actor(partition, lane);
  });
  lane.epoch = store.database.takePartitions(numbers);
  const send = (partition: number, command: CallerCommand): { reply?: Reply } => {
    const sent: { reply?: Reply } = {};
    actors[partition].receive(command, (reply) => {
      sent.reply = reply;
    });
    return sent;
  };
  const deadline = clock.now() + DEADLINE_MS;
  const importRows = (rows: ImportRow[], partition = 0) =>
    send(partition, { kind: 'import-levels', partition, deadline, rows });
  return { clock, store, lane, actors, send, importRows, deadline };
}

const row = (sku: string, onHand: number, location = 'x'): ImportRow => ({ sku, location, onHand });

test('rows create, change or leave levels; the later of two rows wins; a row that changes nothing is not written', async () => {
  const { clock, store, lane, actors, importRows } = build();
  const { snapshot } = actors[0].partition;
  const first = importRows([row('A', 1), row('B', 2), row('A', 3), { ...row('A', 4, 'y'), safetyStock: 1 }]);
  await clock.settle();
  expect(first.reply).toEqual({ kind: 'imported', changed: 4, unchanged: 0, refused: [] });
  expect([0, 1, 2].map((level) => snapshot.read(level))).toMatchObject([
    { sku: 'A', location: 'x', onHand: 3, version: 2 },
    { sku: 'B', location: 'x', onHand: 2, version: 1 },
    { sku: 'A', location: 'y', onHand: 4, safetyStock: 1, backorderLimit: 0, version: 1 },
  ]);
  expect(store.database.ledger.get(0)).toMatchObject([
    { level: 0, seq: 1, onHandDelta: 1 },
    { level: 1, seq: 2, onHandDelta: 2 },
    { level: 0, seq: 3, onHandDelta: 2 },
    { level: 2, seq: 4, onHandDelta: 4 },
  ]);

  const commits = lane.commitSeq;
  const again = importRows([row('A', 3), row('B', 2), row('A', 4, 'y')]);
  await clock.settle();
  expect(again.reply).toEqual({ kind: 'imported', changed: 0, unchanged: 3, refused: [] });
  expect(lane.commitSeq).toBe(commits);

  const mixed = importRows([row('A', 3), row('B', 5), { ...row('A', 3), backorderLimit: 7 }]);
  await clock.settle();
  expect(mixed.reply).toEqual({ kind: 'imported', changed: 2, unchanged: 1, refused: [] });
  expect(store.database.ledger.get(0)!.slice(4)).toMatchObject([
    { level: 1, seq: 5, onHandDelta: 3 },
    { level: 0, seq: 6, onHandDelta: 0 },
  ]);
  expect(store.database.levels.get(0)![1]).toMatchObject({ onHand: 5, version: 2 });
});

test('a level may be below nothing, but not so far that what is promised could not be sold', async () => {
  const { clock, send, importRows, deadline } = build();
  const least = -2_147_483_647;
  importRows([row('A', 5), { ...row('B', least), backorderLimit: 0 }]);
  const id = new ReservationIds().next(clock.now(), 0);
  const hold = {
    kind: 'hold',
    partition: 0,
    deadline,
    id,
    role: 'decide',
    home: 0,
    participants: [],
  } as const;
  const times = { createdAt: clock.now(), expiresAt: deadline };
  const lines = [{ line: 0, sku: 'A', quantity: 3 }];
  const how = { mode: 'all', refused: [], strategy: 'most-available', locations: [], lines } as const;
  const held = send(0, { ...hold, ...times, ...how, locations: [], refused: [], participants: [] });
  const below = importRows([row('A', least), row('A', least + 2), row('A', least + 3)]);
  await clock.settle();
  expect(held.reply?.kind).toBe('granted');
  const refused = [0, 1].map((index) => ({ row: index, code: 'stock-below-zero' }));
  expect(below.reply).toEqual({ kind: 'imported', changed: 1, unchanged: 0, refused } as Reply);
  const sold = send(0, { kind: 'confirm', partition: 0, deadline, id, rehold: false });
  await clock.settle();
  expect(sold.reply?.kind).toBe('reservation');
});

test('a row beyond the locations of a SKU is refused by its index, the others are not', async () => {
  const { clock, actors, importRows } = build();
  const many = Array.from({ length: LEVELS_PER_SKU_MAX }, (_, i) => row('A', 1, `at-${i}`));
  for (let at = 0; at < many.length; at += IMPORT_ROWS_PER_MESSAGE_MAX)
    importRows(many.slice(at, at + IMPORT_ROWS_PER_MESSAGE_MAX));
  const sent = importRows([row('B', 1), row('A', 1, 'one too many'), row('A', 2, 'at-0')]);
  await clock.settle();
  expect(sent.reply).toEqual({
    kind: 'imported',
    changed: 2,
    unchanged: 0,
    refused: [{ row: 1, code: 'too-many-levels' }],
  });
  expect(actors[0].partition.snapshot.levels).toBe(LEVELS_PER_SKU_MAX + 1);
});

test('nothing is answered before it is committed, not even that nothing changed', async () => {
  const { clock, store, importRows } = build();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { commit } = store;
  store.commit = async (rows) => {
    await promise;
    return commit.call(store, rows);
  };
  const first = importRows([row('A', 1)]);
  const again = importRows([row('A', 1)]);
  await clock.settle();
  expect([first.reply, again.reply]).toEqual([undefined, undefined]);
  resolve();
  await clock.settle();
  expect(first.reply).toMatchObject({ changed: 1, unchanged: 0 });
  expect(again.reply).toMatchObject({ changed: 0, unchanged: 1 });
});

test('an import of many messages fills batches and no more, and a reservation has its turn between them', async () => {
  const PARTITIONS = 64;
  const { clock, store, send, importRows, deadline } = build(PARTITIONS);
  importRows([row('A', 100)], 0);
  await clock.settle();

  const rowsOf: number[] = [];
  const order: string[] = [];
  const held: (() => void)[] = [];
  const { commit } = store;
  store.commit = async (rows) => {
    rowsOf.push(rows.ledger.seq.length + rows.counted.seq.length + rows.holds.id.length);
    order.push(rows.holds.id.length > 0 ? 'reservation' : 'import');
    // Batches stay on their way until everything has arrived.
    await new Promise<void>((resolve) => held.push(resolve));
    return commit.call(store, rows);
  };
  for (let partition = 0; partition < PARTITIONS; partition++)
    importRows(
      Array.from({ length: IMPORT_ROWS_PER_MESSAGE_MAX }, (_, i) => row(`S${i}`, 1)),
      partition,
    );
  const reservation = send(0, {
    kind: 'hold',
    partition: 0,
    deadline,
    id: new ReservationIds().next(clock.now(), 0),
    role: 'decide',
    home: 0,
    participants: [],
    mode: 'all',
    refused: [],
    createdAt: clock.now(),
    expiresAt: clock.now() + 60_000,
    strategy: 'most-available',
    locations: [],
    lines: [{ line: 0, sku: 'A', quantity: 1 }],
  });
  do {
    await clock.settle();
    for (const release of held.splice(0)) release();
    await clock.settle();
  } while (held.length > 0);
  expect(reservation.reply).toMatchObject({ kind: 'granted' });
  expect(rowsOf.reduce((sum, rows) => sum + rows, 0)).toBe(PARTITIONS * IMPORT_ROWS_PER_MESSAGE_MAX + 1);
  expect(Math.max(...rowsOf)).toBeLessThan(BATCH_COMMANDS_MAX + IMPORT_ROWS_PER_MESSAGE_MAX);
  // Behind the import of its own partition, and the one message of each other that was there before.
  expect(order.filter((what) => what === 'reservation')).toHaveLength(1);
  expect(order).toHaveLength(Math.ceil((PARTITIONS * IMPORT_ROWS_PER_MESSAGE_MAX + 1) / BATCH_COMMANDS_MAX));
});

test('an export pages through the levels by number', async () => {
  const { clock, actors, importRows } = build();
  const state = actors[0].partition;
  const page = (from: number, limit: number): Reply => {
    let got: Reply | undefined;
    exportLevels(state, { kind: 'export-levels', partition: 0, deadline: 0, from, limit }, (reply) => {
      got = reply;
    });
    return got!;
  };
  expect(page(0, 10)).toEqual({ kind: 'levels', levels: [], next: undefined });
  importRows(Array.from({ length: 25 }, (_, i) => row(`S${i}`, i)));
  await clock.settle();
  const seen: string[] = [];
  let from: number | undefined = 0;
  for (const expected of [10, 20, undefined]) {
    const reply = page(from!, 10);
    if (reply.kind !== 'levels') throw new Error(reply.kind);
    seen.push(...reply.levels.map(({ sku }) => sku));
    expect(reply.next).toBe(expected);
    from = reply.next;
    // A level that is made meanwhile comes last.
    if (expected === 20) importRows([row('new', 1)]);
    if (expected === 20) await clock.settle();
  }
  expect(seen).toEqual([...Array.from({ length: 25 }, (_, i) => `S${i}`), 'new']);
  expect(page(26, 10)).toMatchObject({ levels: [], next: undefined });
  expect(page(4_000_000_000, 10)).toMatchObject({ levels: [], next: undefined });
});

test('a page waits until what it shows is committed', async () => {
  const { clock, store, actors, importRows } = build();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { commit } = store;
  store.commit = async (rows) => {
    await promise;
    return commit.call(store, rows);
  };
  importRows([row('A', 1)]);
  await clock.settle();
  let got: Reply | undefined;
  exportLevels(
    actors[0].partition,
    { kind: 'export-levels', partition: 0, deadline: 0, from: 0, limit: 10 },
    (reply) => {
      got = reply;
    },
  );
  await clock.settle();
  expect(got).toBeUndefined();
  resolve();
  await clock.settle();
  expect(got).toMatchObject({ kind: 'levels', levels: [{ sku: 'A', onHand: 1 }] });
});
