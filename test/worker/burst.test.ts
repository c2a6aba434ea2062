/**
 * Many reservations that end at once: they are spread over commits, so that commands do not wait for all of them, and
 * nobody is refused for the sake of one that is over.
 */
import { expect, test } from 'bun:test';
import { BATCH_COMMANDS_MAX, BATCH_DUE_MAX } from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { HoldRequest, Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Lane } from '../../src/worker/lane.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const PARTITIONS = 8;
const PER_PARTITION = 500;
const BURST = PARTITIONS * PER_PARTITION;

/** Every commit waits until it is let through; each is what became of the reservations in it, and how many levels closings have changed. */
function build() {
  const clock = new ManualClock();
  const commits: { expired: number; held: number; levels: number }[] = [];
  const waiting: (() => void)[] = [];
  const store = {
    commit({ closings, holds }) {
      const expired = closings.status.filter((status) => status === 'expired').length;
      const levels = closings.version.filter((version) => version >= 0).length;
      commits.push({ expired, held: holds.id.length, levels });
      return new Promise<void>((resolve) => waiting.push(resolve));
    },
  } as Partial<CommitStore> as CommitStore;
  const lane = new Lane(store, clock, () => {});
  const locations = new Locations();
  const actors = Array.from(
    { length: PARTITIONS },
    (_, number) => new Actor(new Partition(number, locations, {} as Host, clock.now()), lane),
  );
  const ids = new ReservationIds();
  const hold = (partition: number, expiresAt: number, quantity = 1, sku = 'A'): HoldRequest => ({
    kind: 'hold',
    partition,
    deadline: Number.POSITIVE_INFINITY,
    id: ids.next(clock.now(), partition),
    role: 'decide',
    home: partition,
    participants: [],
    mode: 'all',
    refused: [],
    createdAt: clock.now(),
    expiresAt,
    strategy: 'most-available',
    locations: [],
    lines: [{ line: 0, sku, quantity }],
  });
  /** Lets commits through until there are no more, or as many as said. */
  const commit = async (most = Number.POSITIVE_INFINITY): Promise<void> => {
    for (let i = 0; i < most; i++) {
      await clock.settle();
      if (waiting.length === 0) return;
      waiting.shift()!();
      await clock.settle();
    }
  };
  return { clock, commits, actors, hold, commit };
}

/** @param ofLast of the last partition, in place of what each of the others has */
async function withBurst(onHand: number, ofLast = PER_PARTITION) {
  const built = await beforeBurst(onHand, ofLast);
  wake(built);
  return built;
}

async function beforeBurst(onHand: number, ofLast = PER_PARTITION) {
  const built = build();
  const { clock, actors, hold, commit } = built;
  const endsAt = clock.now() + 1000;
  actors.forEach((actor, partition) => {
    actor.receive(
      { kind: 'put-level', partition, deadline: endsAt, sku: 'A', location: 'x', onHand },
      () => {},
    );
    const many = partition === PARTITIONS - 1 ? ofLast : PER_PARTITION;
    for (let i = 0; i < many; i++) actor.receive(hold(partition, endsAt), () => {});
  });
  await commit();
  await clock.advance(1100);
  // The last batch was a small one.
  actors[0].receive(
    { kind: 'put-level', partition: 0, deadline: clock.now() + 1000, sku: 'small', location: 'x', onHand: 1 },
    () => {},
  );
  await commit();
  built.commits.length = 0;
  return built;
}

function wake({ actors, clock }: ReturnType<typeof build>): void {
  for (const actor of actors) actor.wake(clock.now());
}

function sizes(total: number, most: number): number[] {
  return total <= most ? [total] : [most, ...sizes(total - most, most)];
}

test('a burst is spread over commits', async () => {
  const { commits, commit, actors } = await withBurst(10 * PER_PARTITION);
  await commit();
  expect(commits.map(({ expired }) => expired)).toEqual(sizes(BURST, BATCH_DUE_MAX));
  for (const { partition } of actors) expect(partition.snapshot.reserved[0]).toBe(0);
});

test('a burst is ended partition by partition, so that what they hold of one level is given back at once', async () => {
  const { commits, commit } = await withBurst(10 * PER_PARTITION);
  await commit();
  // Each partition has one level. Few commits have more than the end of one partition and the beginning of the next.
  const levels = commits.reduce((sum, commit) => sum + commit.levels, 0);
  expect(levels).toBeLessThanOrEqual(2 * commits.length);
});

test('what is due of a partition that has little does not wait for those that have much', async () => {
  const { commits, commit, actors } = await withBurst(10 * PER_PARTITION, 1);
  const { snapshot } = actors[PARTITIONS - 1].partition;
  await commit(1);
  // Those before it, of which a commit takes eight, and it.
  expect(commits.length).toBeLessThanOrEqual(3);
  expect(snapshot.reserved[0]).toBe(0);
});

test('nothing of a burst is left behind where commands of an odd number come with it, and more of it comes later', async () => {
  const built = await beforeBurst(10 * PER_PARTITION);
  const { clock, commits, actors, hold, commit } = built;
  const some = (): void => {
    for (let i = 0; i < BATCH_DUE_MAX + 1; i++) actors[0].receive(hold(0, clock.now() + 60_000), () => {});
  };
  for (const actor of actors.slice(0, 3)) actor.wake(clock.now());
  // Of two on their way, both have commands then.
  for (let i = 0; i < 4; i++) {
    some();
    await commit(1);
  }
  wake(built);
  await commit();
  expect(commits.reduce((sum, { expired }) => sum + expired, 0)).toBe(BURST);
});

test('commands wait for a small part of a burst, and nothing of it is forgotten', async () => {
  const { clock, commits, actors, hold, commit } = await withBurst(10 * PER_PARTITION);
  const answers: Reply[] = [];
  const last = actors.length - 1;
  const order = (): void =>
    actors[last].receive(hold(last, clock.now() + 60_000), (reply) => answers.push(reply));
  let rounds = 0;
  for (; answers.length < 3; rounds++) {
    order();
    await commit(1);
    expect(rounds).toBeLessThan(10);
  }
  expect(commits.reduce((sum, { expired }) => sum + expired, 0)).toBeLessThan(BURST);
  await commit();
  expect(commits.reduce((sum, { expired }) => sum + expired, 0)).toBe(BURST);
});

test('what a burst holds is not refused to whoever asks after its end', async () => {
  const { clock, actors, hold, commit } = await withBurst(PER_PARTITION);
  const answers: Reply[] = [];
  actors[0].receive(hold(0, clock.now() + 60_000, PER_PARTITION), (reply) => answers.push(reply));
  await commit();
  expect(answers.map(({ kind }) => kind)).toEqual(['granted']);
});

test('whoever asks for units that are over, behind more than a batch can end, is told to come again', async () => {
  const { clock, actors, hold, commit } = build();
  const [actor] = actors;
  const endsAt = clock.now() + 1000;
  const put = (sku: string, onHand: number): void =>
    actor.receive(
      { kind: 'put-level', partition: 0, deadline: endsAt, sku, location: 'x', onHand },
      () => {},
    );
  const others = 4 * BATCH_COMMANDS_MAX;
  put('A', others);
  put('B', 1);
  for (let i = 0; i < others; i++) {
    actor.receive(hold(0, endsAt), () => {});
    if (i === others / 2) actor.receive(hold(0, endsAt, 1, 'B'), () => {});
  }
  await commit();
  await clock.advance(1100);
  actor.wake(clock.now());
  const answers: Reply[] = [];
  for (let tries = 0; tries < 5; tries++) {
    actor.receive(hold(0, clock.now() + 60_000, 1, 'B'), (reply) => answers.push(reply));
    await commit(2);
  }
  await commit();
  const kinds = answers.map((answer) => (answer.kind === 'problem' ? answer.code : answer.kind));
  const granted = kinds.indexOf('granted');
  expect(granted).toBeGreaterThan(0);
  expect(new Set(kinds.slice(0, granted))).toEqual(new Set(['overloaded']));
  expect(kinds.slice(granted + 1)).not.toContain('granted');
  expect(kinds.at(-1)).toBe('refused');
});

test('holds that nobody closes come due no faster than they are ended, however many a commit takes', async () => {
  const { clock, commits, actors, hold, commit } = build();
  const each = 3 * BATCH_DUE_MAX;
  actors[0].receive(
    { kind: 'put-level', partition: 0, deadline: clock.now() + 1000, sku: 'A', location: 'x', onHand: 1e6 },
    () => {},
  );
  for (let second = 0; second < 20; second++) {
    for (let i = 0; i < each; i++) actors[0].receive(hold(0, clock.now() + 1000), () => {});
    actors[0].wake(clock.now());
    await commit(1);
    await clock.advance(1000);
  }
  const held = commits.reduce((sum, { held, expired }) => sum + held - expired, 0);
  expect(held).toBeLessThan(4 * each);
});
