/** Whom a front asks again and how many at once, and what it asks only once for many. Workers are links that say what the test wants. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { Backends, type Linked, type PartitionRequest } from '../../src/front/backends.ts';
import { Deadlines } from '../../src/front/deadlines.ts';
import { REQUEST_DEADLINE_MS, REQUESTS_AGAIN_MAX } from '../../src/limits.ts';
import { LinkBroken } from '../../src/wire/link.ts';
import type { Reply, Request } from '../../src/wire/messages.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const [DEAD, WELL] = [0, 1];
/** By then everything has been asked again once. */
const SOON_MS = 5;
const UNAVAILABLE: Reply = { kind: 'problem', code: 'partition-unavailable' };
const CLAIMED: Reply = { kind: 'claimed', known: false };
const key = { hash: 'a'.repeat(32), fingerprint: 'b'.repeat(32), partition: DEAD };

let clock: ManualClock;
let backends: Backends;
/** What each worker says; it rejects where there is none. */
let workers: ((request: Request) => Promise<Reply>)[];

const gone = async (): Promise<Reply> => {
  throw new LinkBroken(false, 'not connected');
};

beforeEach(() => {
  clock = new ManualClock();
  workers = [gone, async () => CLAIMED];
  const map = { version: 1, owner: [DEAD, WELL], sockets: ['0', '1'] };
  backends = new Backends(
    map,
    new Deadlines(clock),
    clock,
    (path): Linked => ({
      send(request, receiver) {
        void workers[Number(path)](request).then(
          (reply) => receiver.resolve(reply),
          (error) => receiver.reject(error),
        );
      },
      connected: true,
      inFlight: 0,
      close() {},
    }),
  );
});
afterEach(() => backends.close());

const recall = (partition: number): PartitionRequest => {
  return { kind: 'recall', partition, deadline: clock.now() + REQUEST_DEADLINE_MS, key };
};

/** As many requests to the dead worker as may wait for it. */
async function fillUp(): Promise<Promise<unknown>[]> {
  const waiting = Array.from({ length: REQUESTS_AGAIN_MAX }, () => backends.ask(recall(DEAD)));
  await clock.settle();
  // One more is not kept.
  expect(await backends.ask(recall(DEAD))).toEqual({ kind: 'lost', sent: false });
  return waiting;
}

/** The dead worker is there again, and has answered. */
async function comeBack(waiting: Promise<unknown>[]): Promise<void> {
  workers[DEAD] = async () => CLAIMED;
  await clock.advance(SOON_MS);
  await Promise.all(waiting);
}

test('what waits for a dead worker leaves those of another their part', async () => {
  const waiting = await fillUp();
  const said = [UNAVAILABLE, CLAIMED];
  workers[WELL] = async () => said.shift()!;
  const moving = backends.ask(recall(WELL));
  await clock.settle();
  await comeBack(waiting);
  expect(await moving).toEqual(CLAIMED);
});

test('a key is released, however many wait already', async () => {
  const waiting = await fillUp();
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const released = backends.ask({ kind: 'release', partition: DEAD, deadline, key, token: 1, used: true });
  await clock.settle();
  await comeBack(waiting);
  expect(await released).toEqual(CLAIMED);
});

test('that a call goes on is said once: it must not come after the end of the call', async () => {
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const said = [UNAVAILABLE, CLAIMED];
  workers[WELL] = async () => said.shift()!;
  const asked = backends.ask({ kind: 'prolong', partition: WELL, deadline, key, token: 1 });
  await clock.advance(SOON_MS);
  expect(await asked).toEqual(UNAVAILABLE);
  expect(said).toEqual([CLAIMED]);
});

test('who asks for the state of the workers while they are asked hears the same, and whoever comes later anew', async () => {
  let asked = 0;
  const status = { partitions: [], commits: 0, commands: 0, memoryBytes: 0 };
  const answers: (() => void)[] = [];
  workers = [0, 1].map((worker) => () => {
    asked++;
    return new Promise((resolve) =>
      answers.push(() => resolve({ kind: 'status', status: { worker, ...status } })),
    );
  });
  const answerAll = (): void => {
    for (const answer of answers.splice(0)) answer();
  };
  const many = Array.from({ length: 100 }, () => backends.sharedStatuses(1000));
  answerAll();
  const heard = await Promise.all(many);
  expect(asked).toBe(2);
  for (const one of heard) expect(one.map((worker) => worker?.worker)).toEqual([0, 1]);
  const later = backends.sharedStatuses(1000);
  answerAll();
  await later;
  expect(asked).toBe(4);
});
