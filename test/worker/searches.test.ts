/** Searches of a worker: so many at once, so many that wait, none for a caller who has gone. */
import { expect, spyOn, test } from 'bun:test';
import { SEARCHES_AT_ONCE, SEARCHES_WAITING_MAX } from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import type { SearchStore } from '../../src/storage/search-store.ts';
import type { Reply, SearchRequest } from '../../src/wire/messages.ts';
import { Searches } from '../../src/worker/searches.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const OVERLOADED: Reply = { kind: 'problem', code: 'overloaded' };
const TOO_SLOW: Reply = { kind: 'problem', code: 'search-too-slow' };
const FOUND: Reply = { kind: 'found', reservations: [] };

/** A store whose searches end when the test says so. */
function heldStore() {
  const running: { end(answer: Reply | 'too-slow'): void; fail(error: Error): void }[] = [];
  const store: SearchStore = {
    run: () =>
      new Promise((resolve, reject) =>
        running.push({ end: (answer) => resolve(answer as never), fail: reject }),
      ),
    close: () => Promise.resolve(),
  };
  return { store, running };
}

function start() {
  const { store, running } = heldStore();
  const clock = new ManualClock();
  const searches = new Searches(store, 4, clock);
  const answers: Reply[] = [];
  const receive = (deadline = clock.now() + 1000): void => {
    const request: SearchRequest = { kind: 'find-reservations', deadline, limit: 1 };
    searches.receive(request, (reply) => answers.push(reply));
  };
  return { clock, running, answers, receive };
}

test('what has no room is refused at once; the others are done in turn', async () => {
  const { running, answers, receive } = start();
  const all = SEARCHES_AT_ONCE + SEARCHES_WAITING_MAX;
  for (let i = 0; i < all; i++) receive();
  expect([running.length, answers]).toEqual([SEARCHES_AT_ONCE, []]);
  receive();
  expect(answers).toEqual([OVERLOADED]);
  for (let i = 0; i < all; i++) {
    running[i].end(FOUND);
    await Bun.sleep(0);
    expect(running.length).toBe(Math.min(all, i + 1 + SEARCHES_AT_ONCE));
  }
  expect(answers.slice(1)).toEqual(Array(all).fill(FOUND));
  receive();
  expect(running.length).toBe(all + 1);
});

test('what has waited beyond its deadline is not begun', async () => {
  const { clock, running, answers, receive } = start();
  for (let i = 0; i < SEARCHES_AT_ONCE; i++) receive();
  const soon = clock.now() + 10;
  for (let i = 0; i < 5; i++) receive(soon);
  receive();
  await clock.advance(20);
  running[0].end('too-slow');
  await Bun.sleep(0);
  expect(answers).toEqual(Array(6).fill(TOO_SLOW));
  expect(running.length).toBe(SEARCHES_AT_ONCE + 1);
});

test('one that fails is another worker’s to answer, and makes room', async () => {
  const warned = spyOn(log, 'warn').mockImplementation(() => {});
  const { running, answers, receive } = start();
  for (let i = 0; i <= SEARCHES_AT_ONCE; i++) receive();
  running[0].fail(new Error('the connection broke'));
  await Bun.sleep(0);
  expect(answers).toEqual([{ kind: 'problem', code: 'partition-unavailable' }]);
  expect(running.length).toBe(SEARCHES_AT_ONCE + 1);
  expect(warned.mock.calls).toEqual([['search failed', { reason: 'the connection broke' }]]);
  warned.mockRestore();
});
