/**
 * Bugs to plant, each of which a run must catch: what has been seen in systems like this one, and what each mechanism of this
 * one is there to prevent. They are methods replaced for the time of a run, or another database; the code under
 * test knows nothing of them.
 */
import { Batch } from '../../src/worker/batch.ts';
import { cameDue } from '../../src/worker/decide-settle.ts';
import { Keys } from '../../src/worker/keys.ts';
import { Lane } from '../../src/worker/lane.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Peers } from '../../src/worker/peers.ts';
import { Pulse } from '../../src/worker/pulse.ts';
import { NONE, Snapshot } from '../../src/worker/snapshot.ts';
import { PartitionState } from '../../src/worker/state.ts';
import { Wheel } from '../../src/worker/wheel.ts';
import { MemoryDatabase } from '../helpers/memory-database.ts';
import { type Outcome, simulate } from './simulation.ts';

export interface Bug {
  name: string;
  /** One that catches it; others do as well, should what is simulated have changed. */
  seed: number;
  /** @returns what takes it out again */
  plant?(): () => void;
  database?(): MemoryDatabase;
}

// biome-ignore lint/suspicious/noExplicitAny: a method of any class, private ones included
type Method = (this: any, ...args: any[]) => any;

/** Puts another method in the place of one, until the returned function is called. */
function replace(prototype: object, name: string, by: (original: Method) => Method): () => void {
  const methods = prototype as Record<string, Method>;
  const original = methods[name];
  methods[name] = by(original);
  return () => {
    methods[name] = original;
  };
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}

const atOnce: Method = (run) => run();

/** A participant that does not ask its home when the time of what is in this state has come. */
function decidesItself(state: 'decided' | 'trying', outcome: 'expired' | 'never'): () => void {
  return replace(Partition.prototype, 'decideDue', () => {
    return function (this: Partition, batch: Batch, now: number) {
      const slot = this.wheel.takeDue(now);
      if (slot === NONE) return false;
      const turn = { batch, now };
      if (this.holds.state(slot) !== state) cameDue(this, turn, slot);
      else {
        this.release(turn, slot, { outcome });
        this.drop(slot);
      }
      return true;
    };
  });
}

class Unfenced extends MemoryDatabase {
  protected override fence(): boolean {
    return true;
  }
}
class FencedByEpoch extends MemoryDatabase {
  protected override fence(epoch: number): boolean {
    return this.owners.has(epoch);
  }
}
class WithoutParts extends MemoryDatabase {
  override loadOpen(partitions: number[]) {
    return super.loadOpen(partitions).filter(({ home, partition }) => home === partition);
  }
}
class WithoutKeys extends MemoryDatabase {
  override loadKeys(): [] {
    return [];
  }
}

export const BUGS: Bug[] = [
  { name: 'a commit is not fenced', seed: 5, database: () => new Unfenced() },
  {
    name: 'a commit is fenced by its epoch alone',
    seed: 13,
    database: () => new FencedByEpoch(),
  },
  {
    name: 'answers leave before their commit',
    seed: 2,
    plant: () =>
      both(
        replace(Batch.prototype, 'whenDurable', () => atOnce),
        replace(PartitionState.prototype, 'whenDurable', () => atOnce),
      ),
  },
  {
    name: 'a refusal does not wait for what it rests on',
    seed: 14,
    plant: () =>
      replace(PartitionState.prototype, 'whenDurable', (original) => {
        return function (this: PartitionState, run: () => void) {
          if (/kind: ["']refused["']/.test(run.toString())) run();
          else original.call(this, run);
        };
      }),
  },
  {
    name: 'a commit without an answer is taken for landed',
    seed: 5,
    plant: () => replace(Lane.prototype, 'hasLanded', () => async () => true),
  },
  {
    name: 'a commit without an answer is sent again without asking',
    seed: 12,
    plant: () => replace(Lane.prototype, 'hasLanded', () => async () => false),
  },
  {
    name: 'a participant decides its expiry itself',
    seed: 7,
    plant: () => decidesItself('decided', 'expired'),
  },
  {
    name: 'what is restored never expires',
    seed: 5,
    plant: () =>
      replace(Partition.prototype, 'restore', (original) => {
        return function (this: Partition, id: string, ...rest: unknown[]) {
          original.call(this, id, ...rest);
          this.wheel.remove(this.holds.find(id));
        };
      }),
  },
  {
    name: 'the timing wheel does not hear of an extension',
    seed: 2,
    plant: () =>
      replace(Wheel.prototype, 'set', (original) => {
        return function (this: { bucketOf: Uint16Array }, slot: number, at: number) {
          if (at === 0 || !this.bucketOf[slot]) original.call(this, slot, at);
        };
      }),
  },
  {
    name: 'a confirmation may come two seconds late',
    seed: 3,
    plant: () =>
      replace(Partition.prototype, 'decide', (original) => {
        return function (
          this: Partition,
          batch: Batch,
          now: number,
          command: { kind: string },
          answer: unknown,
        ) {
          original.call(this, batch, command.kind === 'confirm' ? now - 2000 : now, command, answer);
        };
      }),
  },
  {
    name: 'a key is not looked up',
    seed: 1,
    plant: () => replace(Keys.prototype, 'find', () => () => 'none'),
  },
  { name: 'keys are forgotten by a crash', seed: 6, database: () => new WithoutKeys() },
  {
    name: 'a home forgets that it has said never',
    seed: 386,
    plant: () =>
      replace(Partition.prototype, 'decide', (original) => {
        return function (
          this: Partition,
          batch: Batch,
          now: number,
          command: { kind: string; id: string },
          answer: unknown,
        ) {
          original.call(this, batch, now, command, answer);
          if (command.kind === 'asked') this.forget(command.id);
        };
      }),
  },
  {
    name: 'two lines are granted the same units',
    seed: 3,
    plant() {
      let seen = new Map<string, number>();
      return both(
        replace(Partition.prototype, 'decide', (original) => {
          return function (this: Partition, ...args: unknown[]) {
            seen = new Map();
            return original.apply(this, args);
          };
        }),
        replace(Snapshot.prototype, 'available', (original) => {
          return function (this: Snapshot, level: number) {
            const key = `${this.skuOf(level)} ${this.locationOf(level)}`;
            const available = seen.get(key) ?? original.call(this, level);
            seen.set(key, available);
            return available;
          };
        }),
      );
    },
  },
  {
    name: 'cancelling gives stock back twice',
    seed: 1,
    plant: () =>
      replace(PartitionState.prototype, 'release', (original) => {
        return function (
          this: Pick<PartitionState, 'holds' | 'snapshot'> & { giveUp: Method },
          ...args: [unknown, number, { outcome: string }]
        ) {
          original.apply(this, args);
          const [turn, slot, { outcome }] = args;
          if (outcome !== 'cancelled') return;
          for (const { level, quantity } of this.holds.linesOf(slot))
            if (this.snapshot.reserved[level] >= quantity)
              this.giveUp(turn, level, outcome, 0, quantity, this.holds.idOf(slot));
        };
      }),
  },
  {
    name: 'what is released leaves no entry in the ledger',
    seed: 3,
    plant: () =>
      replace(Batch.prototype, 'ledger', (original) => {
        return function (this: Batch, author: unknown, level: unknown, kind: string, ...rest: unknown[]) {
          if (kind !== 'released') original.call(this, author, level, kind, ...rest);
        };
      }),
  },
  {
    name: 'one participant that has heard counts for all',
    seed: 4,
    plant: () =>
      replace(Peers.prototype, 'settle', () => {
        return function (this: { tell: Method }, participants: number[], id: string, decision: unknown) {
          return Promise.race(participants.map((partition) => this.tell(partition, id, decision)));
        };
      }),
  },
  {
    name: 'participants are told before the decision is durable',
    seed: 3,
    plant: () =>
      replace(Batch.prototype, 'whenDurable', (original) => {
        return function (this: Batch, run: () => void) {
          if (run.toString().includes('spread(')) run();
          else original.call(this, run);
        };
      }),
  },
  {
    name: 'a participant that hears nothing gives its units back',
    seed: 13,
    plant: () => decidesItself('trying', 'never'),
  },
  {
    name: 'what is held for other partitions is forgotten by a crash',
    seed: 11,
    database: () => new WithoutParts(),
  },
  {
    name: 'a closing is said again before participants have heard',
    seed: 23,
    plant: () => replace(PartitionState.prototype, 'whenTold', () => async () => {}),
  },
  {
    name: 'a superseded owner does not ask whether it is one',
    seed: 40,
    plant: () => replace(Pulse.prototype, 'beat', () => async () => {}),
  },
  {
    name: 'If-Match is not looked at',
    seed: 3,
    plant: () =>
      replace(Partition.prototype, 'decide', (original) => {
        return function (
          this: Partition,
          batch: Batch,
          now: number,
          command: { kind: string },
          answer: unknown,
        ) {
          const unconditional = command.kind === 'put-level' ? { ...command, ifVersion: undefined } : command;
          original.call(this, batch, now, unconditional, answer);
        };
      }),
  },
  {
    name: 'reads come from a cache',
    seed: 1,
    plant() {
      const cache = new WeakMap<Snapshot, Map<number, { level: unknown; uses: number }>>();
      let isDeciding = false;
      return both(
        replace(Partition.prototype, 'decide', (original) => {
          return function (this: Partition, ...args: unknown[]) {
            isDeciding = true;
            original.apply(this, args);
            isDeciding = false;
          };
        }),
        replace(Snapshot.prototype, 'read', (original) => {
          return function (this: Snapshot, level: number) {
            if (isDeciding) return original.call(this, level);
            const cached = cache.get(this) ?? new Map<number, { level: unknown; uses: number }>();
            cache.set(this, cached);
            const known = cached.get(level);
            if (known !== undefined && known.uses++ < 2) return known.level;
            const read = original.call(this, level);
            cached.set(level, { level: read, uses: 0 });
            return read;
          };
        }),
      );
    },
  },
];

/** Runs with a bug in it until one is caught: its own seed, and then others. */
export async function caughtIn(bug: Bug, seedsMost: number): Promise<Outcome | undefined> {
  for (let seed = bug.seed; seed < bug.seed + seedsMost; seed++) {
    const outcome = await simulateWith(bug, seed);
    if (outcome.violation !== undefined) return outcome;
  }
  return undefined;
}

/** A run with a bug in it. */
export async function simulateWith(bug: Bug, seed: number): Promise<Outcome> {
  const takeOut = bug.plant?.();
  try {
    return await simulate(seed, bug.database?.());
  } finally {
    takeOut?.();
  }
}
