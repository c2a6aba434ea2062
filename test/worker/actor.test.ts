/**
 * Actors and their lane against a model: random commands, random failures of the database. Whatever
 * happens, answers are the model's, nothing is answered before it is committed, and the rows
 * are what memory says.
 */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import fc from 'fast-check';
import { WHEEL_TICK_MS } from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Lane } from '../../src/worker/lane.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { type Fate, MemoryStore } from '../helpers/memory-store.ts';

const PARTITIONS = [0, 1, 2];
const DEADLINE_MS = 3_600_000;

function build() {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const fatal: string[] = [];
  const lane = new Lane(store, clock, (reason, detail) => fatal.push(`${reason}: ${detail}`));
  const locations = new Locations();
  const host: Host = {
    post: (partition, command) => actors[partition].post(command),
    askHome: () => {
      throw new Error('no participants here');
    },
    findAnswer: async () => undefined,
    tellHeld: () => {},
    settle: async () => [],
    async find(home, id) {
      const row = store.database.findHome(home, id);
      return row === undefined ? undefined : store.database.findLines(row);
    },
  };
  const actors = PARTITIONS.map(
    (number) => new Actor(new Partition(number, locations, host, clock.now()), lane),
  );
  lane.epoch = store.database.takePartitions(PARTITIONS);
  return { clock, store, lane, actors, fatal };
}

// Thousands of failing commits are no news here.
const silenced = ['info', 'warn'] as const;
beforeAll(() => {
  for (const level of silenced) spyOn(log, level).mockImplementation(() => {});
});
afterAll(() => {
  for (const level of silenced) spyOn(log, level).mockRestore();
});

interface ModelLevel {
  onHand: number;
  reserved: number;
  version: number;
}

type Operation =
  | { do: 'put'; partition: number; sku: string; onHand: number }
  | { do: 'hold'; partition: number; lines: { sku: string; quantity: number }[]; seconds: number }
  | { do: 'cancel'; which: number }
  | { do: 'wait'; ms: number }
  | { do: 'fail'; fates: Fate[] };

const partition = fc.constantFrom(...PARTITIONS);
const sku = fc.constantFrom('A', 'B', 'C');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('put' as const), partition, sku, onHand: fc.nat(12) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('hold' as const),
      partition,
      lines: fc.array(fc.record({ sku, quantity: fc.integer({ min: 1, max: 5 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
      // More than all failures of a run can delay a decision: a hold that is decided after its expiry is refused.
      seconds: fc.integer({ min: 120, max: 240 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(100) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(3000), fc.nat(200_000)) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      fates: fc.array(fc.constantFrom<Fate>('ok', 'landed-unanswered', 'lost', 'refused'), { maxLength: 6 }),
    }),
  },
);

async function play(operations: Operation[], together: number): Promise<void> {
  const { clock, store, actors, fatal } = build();
  const ids = new ReservationIds();
  const levels = new Map<string, ModelLevel>();
  const held = new Map<
    string,
    { partition: number; lines: { sku: string; quantity: number }[]; until: number }
  >();
  const known: { id: string; partition: number; status: string }[] = [];
  const answers: { got?: Reply; expected: unknown; about: string }[] = [];
  const level = (p: number, s: string): ModelLevel | undefined => levels.get(`${p}/${s}`);

  const release = (id: string, status: string): void => {
    const { partition: p, lines } = held.get(id)!;
    for (const line of lines) {
      const one = level(p, line.sku)!;
      one.reserved -= line.quantity;
      one.version++;
    }
    held.delete(id);
    known.find((one) => one.id === id)!.status = status;
  };

  const send = (p: number, command: Parameters<Actor['receive']>[0], expected: unknown): void => {
    const entry: (typeof answers)[number] = { expected, about: JSON.stringify(command) };
    answers.push(entry);
    actors[p].receive(command, (reply) => {
      expect(entry.got).toBeUndefined();
      entry.got = reply;
      // Nothing is answered before it is committed.
      if (reply.kind === 'granted')
        expect(store.database.reservations.has(`${p}/${(command as { id: string }).id}`)).toBe(true);
    });
  };

  let inThisTurn = 0;
  for (const one of operations) {
    const deadline = clock.now() + DEADLINE_MS;
    switch (one.do) {
      case 'fail':
        store.fates.push(...one.fates);
        break;
      case 'put': {
        const key = `${one.partition}/${one.sku}`;
        const before = levels.get(key);
        const after = before ?? { onHand: -1, reserved: 0, version: 0 };
        if (after.onHand !== one.onHand) after.version++;
        after.onHand = one.onHand;
        levels.set(key, after);
        send(
          one.partition,
          {
            kind: 'put-level',
            partition: one.partition,
            deadline,
            sku: one.sku,
            location: 'dc',
            onHand: one.onHand,
          },
          { kind: 'level', created: before === undefined, level: expect.objectContaining({ ...after }) },
        );
        break;
      }
      case 'hold': {
        const id = ids.next(clock.now(), one.partition);
        const left = new Map<string, number>();
        const refused: { line: number; code: string; available: number }[] = [];
        one.lines.forEach(({ sku: s, quantity }, line) => {
          const stock = level(one.partition, s);
          const available = left.get(s) ?? (stock === undefined ? 0 : stock.onHand - stock.reserved);
          if (stock === undefined) refused.push({ line, code: 'unknown-sku', available: 0 });
          else if (available < quantity) {
            refused.push({ line, code: 'insufficient-stock', available: Math.max(0, available) });
          } else left.set(s, available - quantity);
        });
        if (refused.length === 0) {
          for (const { sku: s, quantity } of one.lines) {
            const stock = level(one.partition, s)!;
            stock.reserved += quantity;
            stock.version++;
          }
          held.set(id, {
            partition: one.partition,
            lines: one.lines,
            until: clock.now() + one.seconds * 1000,
          });
          known.push({ id, partition: one.partition, status: 'held' });
        }
        send(
          one.partition,
          {
            kind: 'hold',
            partition: one.partition,
            deadline,
            id,
            role: 'decide',
            home: one.partition,
            participants: [],
            mode: 'all',
            refused: [],
            createdAt: clock.now(),
            expiresAt: clock.now() + one.seconds * 1000,
            strategy: 'most-available',
            locations: [],
            lines: one.lines.map((line, i) => ({ line: i, ...line })),
          },
          refused.length === 0
            ? expect.objectContaining({ kind: 'granted' })
            : { kind: 'refused', lines: refused.map((line) => expect.objectContaining(line)) },
        );
        break;
      }
      case 'cancel': {
        if (known.length === 0) break;
        const { id, partition: p, status } = known[one.which % known.length];
        const late = status === 'expired' || (held.get(id)?.until ?? Infinity) <= clock.now();
        if (status === 'held') release(id, late ? 'expired' : 'cancelled');
        send(
          p,
          { kind: 'cancel', partition: p, deadline, id },
          late
            ? { kind: 'problem', code: 'reservation-expired' }
            : {
                kind: 'reservation',
                reservation: expect.objectContaining({ id, status: 'cancelled' }),
              },
        );
        break;
      }
      case 'wait': {
        await clock.settle();
        const end = clock.now() + one.ms;
        while (clock.now() < end) {
          await clock.advance(Math.min(Math.max(WHEEL_TICK_MS, one.ms / 40), end - clock.now()));
          for (const actor of actors) actor.wake(clock.now());
          await clock.settle();
        }
        // The wheel turns by whole ticks: what runs out within one is released when it has passed.
        const tick = (ms: number): number => Math.floor(ms / WHEEL_TICK_MS);
        for (const [id, { until }] of held) if (tick(until) < tick(clock.now())) release(id, 'expired');
        break;
      }
    }
    // Several commands in one turn of the event loop, so that batches have more than one.
    if (++inThisTurn % together === 0) await clock.settle();
  }
  store.fates = [];
  await clock.advance(5000);
  expect(fatal).toEqual([]);
  for (const { got, expected, about } of answers)
    expect({ about, got }).toEqual({ about, got: expected as Reply });
  checkBooks(store, actors, levels, clock.now(), held);
}

/** Rows are what memory says, the ledger adds up to them, and its order has no gap. */
function checkBooks(
  { database }: MemoryStore,
  actors: Actor[],
  levels: Map<string, ModelLevel>,
  now: number,
  held: Map<string, { until: number }>,
): void {
  // What ran out in the last five seconds is released in memory only when the wheel is woken.
  const open = [...held.values()].every(({ until }) => until > now);
  for (const { partition: state } of actors) {
    const { snapshot, partition: p } = state;
    const ledger = database.ledger.get(p) ?? [];
    for (let number = 0; number < snapshot.levels; number++) {
      const { onHand, reserved, version } = snapshot.read(number);
      expect(database.levels.get(p)![number]).toMatchObject({ onHand, reserved, version });
      const entries = ledger.filter(({ level }) => level === number);
      expect(entries.reduce((sum, entry) => sum + entry.onHandDelta, 0)).toBe(onHand);
      expect(entries.reduce((sum, entry) => sum + entry.reservedDelta, 0)).toBe(reserved);
      const model = levels.get(`${p}/${snapshot.skuOf(number)}`)!;
      if (open) expect({ onHand, reserved, version }).toEqual(model);
    }
    expect([...state.holds.heldByLevel(snapshot.levels)]).toEqual([
      ...snapshot.reserved.slice(0, snapshot.levels),
    ]);
    const seqs = ledger.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  }
}

test('random commands, failures and expiries: answers and rows are the model’s', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 60, size: 'max' }),
      fc.integer({ min: 1, max: 8 }),
      play,
    ),
    { numRuns: 400 },
  );
}, 60_000);
