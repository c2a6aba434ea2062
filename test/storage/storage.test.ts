/** The statements against a real Postgres: what they write, what they refuse, what a start reads back. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import fc from 'fast-check';
import { systemClock } from '../../src/clock.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import { commitBatch } from '../../src/storage/commit-batch.ts';
import { type CommitStore, openCommitStore } from '../../src/storage/commit-store.ts';
import { openDatabase, openLane, type Sql } from '../../src/storage/database.ts';
import { findReservation } from '../../src/storage/find-reservation.ts';
import { DatabaseRefused, prepareDatabase } from '../../src/storage/migrate.ts';
import { openReadStore, type ReadStore } from '../../src/storage/read-store.ts';
import { takePartitions } from '../../src/storage/take-partitions.ts';
import type { HoldRequest } from '../../src/wire/messages.ts';
import { Batch } from '../../src/worker/batch.ts';
import { Partition } from '../../src/worker/partition.ts';
import { recover } from '../../src/worker/recovery.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

let database: TestDatabase;
let sql: Sql;
let store: CommitStore;
let reader: ReadStore;
const ids = new ReservationIds();
const host = { tellHeld() {}, askHome() {} } as unknown as Host;
const noAnswer = (): void => {};

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, 4);
  sql = openDatabase(database.spec, 'test', 2);
  store = openCommitStore(database.spec, 'test lane');
  reader = openReadStore(database.spec, 'test reads');
}, 30_000);

afterAll(async () => {
  await store?.close();
  await reader?.close();
  await sql?.end({ timeout: 1 });
  await database?.stop();
}, 30_000);

beforeEach(async () => {
  await sql`truncate holdfast.stock_level, holdfast.reservation, holdfast.ledger_page`;
});

const KEYS_MS = 60_000;
let batchNumber = 0;
/** Its page has the same number. */
const newBatch = (): Batch => new Batch(++batchNumber, systemClock.now(), batchNumber);
/** Whoever took partitions last, as a lane knows itself. */
let owner = { epoch: 0, commitSeq: 0 };

async function owned(numbers: number[]): Promise<Partition[]> {
  const locations = new Locations();
  const partitions = numbers.map((number) => new Partition(number, locations, host, systemClock.now()));
  owner = { epoch: (await recover(reader, partitions, systemClock, KEYS_MS)).epoch, commitSeq: 0 };
  return partitions;
}

function put(partition: Partition, batch: Batch, sku: string, onHand: number, location = 'dc1'): void {
  const to = { partition: partition.partition, deadline: Infinity };
  partition.decide(batch, batch.rows.at, { kind: 'put-level', ...to, sku, location, onHand }, noAnswer);
}

function hold(partition: Partition, batch: Batch, skus: string[], more: Partial<HoldRequest> = {}): string {
  const now = batch.rows.at;
  const home = more.home ?? partition.partition;
  const id = more.id ?? ids.next(now, home);
  partition.decide(
    batch,
    now,
    {
      kind: 'hold',
      partition: partition.partition,
      deadline: Infinity,
      id,
      role: 'decide',
      home,
      participants: [],
      mode: 'all',
      refused: [],
      createdAt: now,
      expiresAt: now + 60_000,
      strategy: 'most-available',
      locations: [],
      lines: skus.map((sku, line) => ({ line, sku, quantity: 1 })),
      ...more,
    },
    noAnswer,
  );
  return id;
}

function seal(batch: Batch, by = owner): Batch {
  batch.seal(by.epoch, ++by.commitSeq);
  return batch;
}

async function commit(batch: Batch): Promise<void> {
  await store.commit(seal(batch).rows);
  batch.landed();
}

const outcomeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'committed',
    (error) => store.failureKind(error),
  );

test('a commit writes levels, reservations and ledger, and advances the owner, in one statement', async () => {
  const [partition] = await owned([1]);
  const first = newBatch();
  put(partition, first, 'A "quoted", {braced} \\ Größe', 5, 'Köln NULL');
  put(partition, first, 'NULL', 7);
  await commit(first);
  const second = newBatch();
  const id = hold(partition, second, ['NULL', 'NULL'], { reference: 'order "1", \\n' });
  put(partition, second, 'NULL', 9);
  await commit(second);
  expect(
    await sql`select level, sku, location, on_hand, reserved, version from holdfast.stock_level order by level`.values(),
  ).toEqual([
    [0, 'A "quoted", {braced} \\ Größe', 'Köln NULL', 5, 0, 1],
    [1, 'NULL', 'dc1', 9, 2, 4],
  ] as never);
  expect(
    await sql`select seq, level, kind::text, on_hand_delta, reserved_delta, reservation from holdfast.ledger order by seq`.values(),
  ).toEqual([
    [1, 0, 'counted', 5, 0, null],
    [2, 1, 'counted', 7, 0, null],
    [3, 1, 'held', 0, 1, id],
    [4, 1, 'held', 0, 1, id],
    [5, 1, 'counted', 2, 0, null],
  ] as never);
  expect(
    await sql`select epoch, commit_seq from holdfast.owner join holdfast.partition using (epoch) where partition = 1`.values(),
  ).toEqual([[owner.epoch, 2]] as never);
  const [page, next] = [first.rows.page, second.rows.page];
  expect(
    await sql`select seq, page, previous from holdfast.ledger where level = 1 order by seq`.values(),
  ).toEqual([
    [2, page, 0],
    [3, next, page],
    [4, next, next],
    [5, next, next],
  ] as never);
  expect(await sql`select last_page from holdfast.stock_level order by level`.values()).toEqual([
    [page],
    [next],
  ] as never);
  expect(await findReservation(sql, 1, id)).toMatchObject({
    id,
    status: 'held',
    reference: 'order "1", \\n',
    lines: [0, 1].map((line) => ({
      line,
      sku: 'NULL',
      quantity: 1,
      allocations: [{ location: 'dc1', quantity: 1 }],
    })),
  });
});

test('changes of a level stay on its page, which is not cleaned up for each of them', async () => {
  const [LEVELS, CHANGES] = [200, 20];
  const [partition] = await owned([1]);
  const count = async (sku: string, onHand: number): Promise<void> => {
    const batch = newBatch();
    put(partition, batch, sku, onHand);
    await commit(batch);
  };
  const first = newBatch();
  for (let i = 0; i < LEVELS; i++) put(partition, first, `SKU-${i}`, 5);
  await commit(first);
  const ofFirstPage = await sql<{ sku: string }[]>`
    select sku from holdfast.stock_level where ctid < '(1,0)'::tid`;
  expect(ofFirstPage.length).toBeGreaterThan(30);
  for (const { sku } of ofFirstPage) await count(sku, 6);
  const places = new Set<string>();
  for (let i = 1; i <= CHANGES; i++) {
    await count('SKU-0', 6 + i);
    const [{ place, room }] = await sql<{ place: string; room: string }[]>`
      select ctid::text as place, room from holdfast.stock_level where sku = 'SKU-0'`;
    expect(place).toStartWith('(0,');
    expect(room).toBe('');
    places.add(place);
  }
  // Of a page that is cleaned up each time, two or three places would do.
  expect(places.size).toBeGreaterThan(CHANGES / 2);
});

test('what is held and changed in one batch is written as it ends', async () => {
  const [partition] = await owned([1]);
  const batch = newBatch();
  put(partition, batch, 'A', 5);
  put(partition, batch, 'B', 5);
  const cancelled = hold(partition, batch, ['A'], { reference: 'order 1' });
  const held = hold(partition, batch, ['B']);
  const extended = hold(partition, batch, ['A']);
  const to = { partition: 1, deadline: Infinity };
  partition.decide(batch, batch.rows.at, { kind: 'cancel', ...to, id: cancelled }, noAnswer);
  partition.decide(
    batch,
    batch.rows.at,
    { kind: 'extend', ...to, id: extended, expiresInMs: 90_000 },
    noAnswer,
  );
  partition.decide(
    batch,
    batch.rows.at,
    { kind: 'extend', ...to, id: extended, expiresInMs: 80_000 },
    noAnswer,
  );
  const last = hold(partition, batch, ['B']);
  await commit(batch);
  const { at, page } = batch.rows;
  expect(
    await sql`
      select id, status::text, home, reference, participants, lines, closed_at is null as open,
             round(extract(epoch from expires_at) * 1000)::float8 as expires from holdfast.reservation order by id`.values(),
  ).toEqual(
    [
      [cancelled, 'cancelled', 1, 'order 1', '{}', '{0,0,1}', false, at + 60_000],
      [held, 'held', 1, null, '{}', '{0,1,1}', true, at + 60_000],
      [extended, 'held', 1, null, '{}', '{0,0,1}', true, at + 80_000],
      [last, 'held', 1, null, '{}', '{0,1,1}', true, at + 60_000],
    ].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)) as never,
  );
  expect(
    await sql`
      select seq, level, kind::text, reserved_delta, reservation, previous from holdfast.ledger order by seq`.values(),
  ).toEqual([
    [1, 0, 'counted', 0, null, 0],
    [2, 1, 'counted', 0, null, 0],
    [3, 0, 'held', 1, cancelled, page],
    [4, 1, 'held', 1, held, page],
    [5, 0, 'held', 1, extended, page],
    [6, 0, 'cancelled', -1, cancelled, page],
    [7, 1, 'held', 1, last, page],
  ] as never);
  const [again] = await owned([1]);
  expect(dump(again)).toEqual(dump(partition));
});

test('a level that plain holds and closings alone have changed goes with the last of them', async () => {
  const [partition] = await owned([1]);
  const first = newBatch();
  for (const sku of ['A', 'B', 'C', 'D']) put(partition, first, sku, 9);
  await commit(first);
  const second = newBatch();
  const { at, page } = second.rows;
  const to = { partition: 1, deadline: Infinity };
  const [held] = ['A', 'A', 'A', 'B', 'C', 'D'].map((sku) => hold(partition, second, [sku]));
  // The last one of B says more than a plain hold can; C is counted as well, and D given back.
  const extended = hold(partition, second, ['B']);
  partition.decide(second, at, { kind: 'extend', ...to, id: extended, expiresInMs: 90_000 }, noAnswer);
  put(partition, second, 'C', 7);
  const cancelled = hold(partition, second, ['D']);
  partition.decide(second, at, { kind: 'cancel', ...to, id: cancelled }, noAnswer);
  await commit(second);
  const { holds, levels } = second.rows;
  expect([holds.version, holds.reserved, levels.level]).toEqual([
    [-1, -1, 4, -1, -1, -1],
    [0, 0, 3, 0, 0, 0],
    [1, 2, 3],
  ]);
  const rows = await sql`
    select sku, on_hand, reserved, version, last_page, room from holdfast.stock_level order by level`.values();
  expect(rows).toEqual([
    ['A', 9, 3, 4, page, ''],
    ['B', 9, 2, 3, page, ''],
    ['C', 7, 1, 3, page, ''],
    ['D', 9, 1, 4, page, ''],
  ] as never);
  const third = newBatch();
  partition.decide(third, third.rows.at, { kind: 'confirm', ...to, id: held, rehold: false }, noAnswer);
  hold(partition, third, ['A']);
  await commit(third);
  const { closings } = third.rows;
  expect([closings.onHand, closings.reserved, closings.version, third.rows.holds.version]).toEqual([
    [8],
    [3],
    [6],
    [-1],
  ]);
  expect(third.rows.levels.level).toEqual([]);
  const [again] = await owned([1]);
  expect(dump(again)).toEqual(dump(partition));
});

test('entries are numbered on where a version has no more bits in memory', async () => {
  const [loaded] = await owned([1]);
  const first = newBatch();
  put(loaded, first, 'A', 9);
  await commit(first);
  await sql`update holdfast.stock_level set version = 4294967294`;
  const [partition] = await owned([1]);
  expect(partition.ledgerSeq).toBe(4_294_967_294);
  // From one to the next the version is 4294967295, 0, 2 and 3 there.
  for (const skus of [['A'], ['A'], ['A', 'A'], ['A']]) {
    const batch = newBatch();
    hold(partition, batch, skus);
    await commit(batch);
    expect(await sql`select reserved, last_page from holdfast.stock_level`.values()).toEqual([
      [partition.snapshot.reserved[0], batch.rows.page],
    ] as never);
  }
  const [again] = await owned([1]);
  expect([partition.ledgerSeq, again.ledgerSeq]).toEqual([4_294_967_299, 4_294_967_299]);
});

test('what is over says how, and its entry how many units are back or gone', async () => {
  const [partition] = await owned([1]);
  const first = newBatch();
  put(partition, first, 'A', 10);
  const two = { lines: [{ line: 0, sku: 'A', quantity: 2 }] };
  const confirmed = hold(partition, first, ['A'], two);
  const cancelled = hold(partition, first, ['A'], two);
  const expired = hold(partition, first, ['A'], { ...two, expiresAt: first.rows.at + 1 });
  const never = hold(partition, first, ['A'], { ...two, role: 'try', home: 2 });
  await commit(first);
  const second = newBatch();
  const { at, page } = second.rows;
  const to = { partition: 1, deadline: Infinity };
  partition.decide(second, at, { kind: 'confirm', ...to, id: confirmed, rehold: false }, noAnswer);
  partition.decide(second, at, { kind: 'cancel', ...to, id: cancelled }, noAnswer);
  const settle = { kind: 'settle', outcome: 'never', expiresAt: 0 } as const;
  partition.decide(second, at, { ...settle, ...to, id: never }, noAnswer);
  expect(partition.decideDue(second, at + 1000)).toBe(true);
  // Of the level, of each reservation, and of the ledger.
  expect(second.rowCount).toBe(6);
  await commit(second);
  expect(
    Object.fromEntries(
      await sql`
        select id, concat_ws(' ', status, lines, closed_at = ${new Date(at).toISOString()}::timestamptz,
                             round(extract(epoch from expires_at - created_at) * 1000)) from holdfast.reservation`.values(),
    ),
  ).toEqual({
    [confirmed]: 'confirmed {0,0,2} t 60000',
    [cancelled]: 'cancelled {0,0,2} t 60000',
    [expired]: 'expired {0,0,2} t 1',
    [never]: 'never {0,0,2} t 60000',
  });
  expect(
    await sql`
      select seq, kind::text, on_hand_delta, reserved_delta, reservation, previous
        from holdfast.ledger where seq > 5 order by seq`.values(),
  ).toEqual([
    [6, 'confirmed', -2, -2, confirmed, first.rows.page],
    [7, 'cancelled', 0, -2, cancelled, page],
    [8, 'never', 0, -2, never, page],
    [9, 'expired', 0, -2, expired, page],
  ] as never);
  expect(await sql`select on_hand, reserved, last_page, version from holdfast.stock_level`.values()).toEqual([
    [8, 0, page, 9],
  ] as never);
});

test('a commit reads what it changes and no more, also by a plan from when there was nothing', async () => {
  const [HELD, OVER] = [5000, 50];
  const lane = openLane(database.spec, 'test plans');
  const write = async (batch: Batch): Promise<void> => {
    await commitBatch(lane, seal(batch).rows);
    batch.landed();
  };
  const read = async (): Promise<number> => {
    await lane`select pg_stat_force_next_flush()`;
    const [{ entries }] = await sql<{ entries: number }[]>`
      select sum(idx_tup_read)::int as entries from pg_stat_user_indexes where schemaname = 'holdfast'`;
    return entries;
  };
  try {
    const [partition] = await owned([1]);
    const first = newBatch();
    put(partition, first, 'A', 4 * HELD);
    const lines = [{ line: 0, sku: 'A', quantity: 1 }];
    const ids = [hold(partition, first, ['A'], { lines }), hold(partition, first, ['A', 'A'])];
    await write(first);
    const cancel = (batch: Batch, id: string): void => {
      const to = { partition: 1, deadline: Infinity };
      partition.decide(batch, batch.rows.at, { kind: 'cancel', ...to, id }, noAnswer);
    };
    // Each statement is planned now, and kept.
    for (const id of ids) {
      const batch = newBatch();
      cancel(batch, id);
      await write(batch);
    }
    const many = newBatch();
    const single = Array.from({ length: HELD }, () => hold(partition, many, ['A'], { lines }));
    const double = Array.from({ length: HELD }, () => hold(partition, many, ['A', 'A']));
    await write(many);
    for (const held of [single, double]) {
      const batch = newBatch();
      for (const id of held.slice(0, OVER)) cancel(batch, id);
      const before = await read();
      await write(batch);
      expect((await read()) - before).toBeLessThan(10 * OVER);
    }
  } finally {
    await lane.end({ timeout: 1 });
  }
});

test('of two owners of a partition exactly one commits, and the other writes nothing', async () => {
  const [old, oldNeighbour] = await owned([1, 2]);
  const batch = newBatch();
  put(old, batch, 'A', 5);
  put(oldNeighbour, batch, 'B', 5);
  await commit(batch);
  const before = owner;
  const [successor] = await owned([1]);
  const late = newBatch();
  hold(old, late, ['A']);
  hold(oldNeighbour, late, ['B']);
  seal(late, before);
  expect(await outcomeOf(store.commit(late.rows))).toBe('fenced');
  expect(await outcomeOf(store.commit(late.rows))).toBe('fenced');
  expect(await store.readCommitSeq(before.epoch)).toBeUndefined();
  expect(await sql`select count(*)::int from holdfast.reservation`.values()).toEqual([[0]] as never);
  const own = newBatch();
  hold(successor, own, ['A']);
  await commit(own);
  expect(await sql`select sum(reserved)::int from holdfast.stock_level`.values()).toEqual([[1]] as never);
});

test('a commit that landed cannot land again, and one whose predecessor is missing cannot land', async () => {
  const [partition] = await owned([1]);
  const first = newBatch();
  put(partition, first, 'A', 5);
  seal(first);
  const second = newBatch();
  hold(partition, second, ['A']);
  seal(second);
  expect(await outcomeOf(store.commit(second.rows))).toBe('fenced');
  expect(await outcomeOf(store.commit(first.rows))).toBe('committed');
  expect(await outcomeOf(store.commit(first.rows))).toBe('fenced');
  expect(await outcomeOf(store.commit(second.rows))).toBe('committed');
  expect(await outcomeOf(store.commit(second.rows))).toBe('fenced');
  expect(await sql`select count(*)::int from holdfast.ledger`.values()).toEqual([[2]] as never);
});

test('two commits sent one behind the other on a lane both land, in order', async () => {
  const [partition] = await owned([1]);
  const batches = Array.from({ length: 20 }, (_, i) => {
    const batch = newBatch();
    put(partition, batch, 'A', i + 1);
    return seal(batch);
  });
  await Promise.all(batches.map((batch) => store.commit(batch.rows)));
  expect(await sql`select on_hand, version from holdfast.stock_level`.values()).toEqual([[20, 20]] as never);
});

test('what a start reads back is what was in memory', async () => {
  const sku = fc.constantFrom('A', 'B', 'C', 'D');
  const operation = fc.tuple(fc.nat(2), fc.nat(3), fc.array(sku, { minLength: 1, maxLength: 3 }), fc.nat(20));
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
      await sql`truncate holdfast.stock_level, holdfast.reservation, holdfast.ledger_page`;
      const partitions = await owned([0, 1, 2]);
      const held: { partition: Partition; id: string }[] = [];
      for (const [which, what, skus, number] of operations) {
        const batch = newBatch();
        const partition = partitions[which];
        if (what === 0) put(partition, batch, skus[0], number, skus.at(-1));
        else if (what === 3 && held.length > 0) {
          const { partition: owner, id } = held.splice(number % held.length, 1)[0];
          owner.decide(
            batch,
            batch.rows.at,
            { kind: 'cancel', partition: owner.partition, deadline: Infinity, id },
            noAnswer,
          );
        } else {
          const id = hold(partition, batch, skus, { reference: number % 2 ? `order ${number}` : undefined });
          if (partition.holds.find(id) >= 0) held.push({ partition, id });
        }
        if (!batch.empty) await commit(batch);
      }
      const again = await owned([0, 1, 2]);
      expect(again.map(dump)).toEqual(partitions.map(dump));
    }),
    { numRuns: 25 },
  );
}, 60_000);

function dump({ snapshot, holds, ledgerSeq }: Partition): unknown {
  return {
    ledgerSeq,
    levels: Array.from({ length: snapshot.levels }, (_, level) => snapshot.read(level)),
    lastPages: [...snapshot.lastPage.subarray(0, snapshot.levels)],
    held: [...holds.heldByLevel(snapshot.levels)],
    count: holds.count,
  };
}

test('a part whose home decided, or never will, is told so at the start', async () => {
  const [home, participant] = await owned([1, 2]);
  const batch = newBatch();
  put(home, batch, 'A', 5);
  put(participant, batch, 'B', 5);
  const decided = hold(home, batch, ['A'], { participants: [2] });
  hold(participant, batch, ['B'], { role: 'try', home: 1, id: decided });
  const undecided = hold(participant, batch, ['B'], {
    role: 'try',
    home: 1,
    id: ids.next(systemClock.now(), 1),
  });
  const cancelled = hold(home, batch, ['A'], { participants: [2] });
  hold(participant, batch, ['B'], { role: 'try', home: 1, id: cancelled });
  await commit(batch);
  await sql`update holdfast.reservation set status = 'cancelled' where id = ${cancelled} and partition = 1`;

  const [again] = await (async () => {
    const partition = new Partition(2, new Locations(), host, systemClock.now());
    const { unsettled } = await recover(reader, [partition], systemClock, KEYS_MS);
    expect(unsettled).toEqual([{ partition: 1, id: cancelled, decision: 'cancelled', participant: 2 }]);
    return [partition];
  })();
  expect(again.holds.state(again.holds.find(decided))).toBe('decided');
  expect(again.holds.state(again.holds.find(undecided))).toBe('trying');

  const homeAgain = new Partition(1, new Locations(), host, systemClock.now());
  expect((await recover(reader, [homeAgain], systemClock, KEYS_MS)).unsettled).toEqual([
    { partition: 1, id: cancelled, decision: 'cancelled', participant: 2 },
  ]);
  expect(homeAgain.holds.participants(homeAgain.holds.find(decided))).toEqual([2]);
});

test('of units that were taken again it is known who still holds them, and under which id', async () => {
  const [home, participant] = await owned([1, 2]);
  const batch = newBatch();
  put(home, batch, 'A', 5);
  put(participant, batch, 'B', 5);
  const expired = hold(home, batch, ['A']);
  const again = hold(home, batch, ['A'], { participants: [2] });
  hold(participant, batch, ['B'], { role: 'try', home: 1, id: again });
  await commit(batch);
  await sql`update holdfast.reservation set status = 'confirmed', reheld_as = ${again} where id = ${expired}`;
  await sql`update holdfast.reservation set status = 'reheld' where id = ${again} and partition = 1`;
  expect(await findReservation(sql, 1, expired)).toMatchObject({ heldAs: again, unsettled: [2] });
  expect(await reader.isHeld(2, again)).toBeTrue();
  await sql`update holdfast.reservation set status = 'confirmed' where id = ${again} and partition = 2`;
  expect(await findReservation(sql, 1, expired)).toMatchObject({ heldAs: again, unsettled: [] });
  expect(await reader.isHeld(2, again)).toBeFalse();
});

test('what is taken by another one while it is loaded is not served', async () => {
  const partition = new Partition(1, new Locations(), host, systemClock.now());
  const overtaken: ReadStore = {
    ...reader,
    async load(run) {
      await takePartitions(sql, [1]);
      return reader.load(run);
    },
  };
  expect(recover(overtaken, [partition], systemClock, KEYS_MS)).rejects.toThrow('another owner');
});

test('a read does not wait for what is being loaded, however much of it there is', async () => {
  const count = 100_000;
  await sql`
    insert into holdfast.stock_level
           (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit, version, updated_at)
    select 1, i, 'SKU-' || i, 'dc1', 1, 0, 0, 0, 1, now() from generate_series(0, ${count - 1}::integer) i`;
  let loaded = 0;
  let loadedBefore: Promise<number> | undefined;
  const load = reader.load((loads) =>
    loads.levels([1], () => {
      loaded++;
      loadedBefore ??= reader.isHeld(1, ids.next(systemClock.now(), 1)).then(() => loaded);
    }),
  );
  const another = reader.load((loads) => loads.levels([1], () => {}));
  await Promise.all([load, another]);
  expect(loaded).toBe(count);
  expect(await loadedBefore).toBeLessThan(count);
});

test('the number of partitions is the database’s, and taking again raises the epoch', async () => {
  expect(await prepareDatabase(database.spec, 8).catch((error) => error)).toBeInstanceOf(DatabaseRefused);
  await prepareDatabase(database.spec, 4);
  const first = await takePartitions(sql, [2, 3]);
  expect(await takePartitions(sql, [3])).toBe(first + 1);
  expect(
    await sql`select epoch from holdfast.partition where partition in (2, 3) order by 1`.values(),
  ).toEqual([[first], [first + 1]] as never);
});

test('ANALYZE does not count what pages of the ledger list', async () => {
  await sql`
    insert into holdfast.ledger_page (page, epoch, source, at, partitions, seqs, levels, kinds)
    select n, 0, 0, now(), array[n, n], array[1, 2], array[0, 1], '{counted}' from generate_series(1, 100) n`;
  try {
    await sql`analyze holdfast.ledger_page`;
    expect(
      await sql`
        select attname::text as name from pg_stats where schemaname = 'holdfast' and tablename = 'ledger_page' order by 1`,
    ).toEqual(['at', 'epoch', 'page', 'source'].map((name) => ({ name })) as never);
  } finally {
    await sql`delete from holdfast.ledger_page where epoch = 0`;
  }
});

test('a database that cannot store every SKU is refused', async () => {
  const name = `latin_${crypto.randomUUID().replaceAll('-', '')}`;
  await sql.unsafe(`create database ${name} encoding 'LATIN1' locale 'C' template template0`);
  try {
    const { url, ...others } = database.spec;
    const spec = url === undefined ? { ...others, database: name } : { url: withDatabase(url, name) };
    const refused = await prepareDatabase(spec, 4).catch((error) => error);
    expect(refused).toBeInstanceOf(DatabaseRefused);
    expect(refused.message).toContain('has the encoding LATIN1; Holdfast needs UTF8');
  } finally {
    await sql.unsafe(`drop database ${name} with (force)`);
  }
});

function withDatabase(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}
