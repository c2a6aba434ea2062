/** What a long call with an Idempotency-Key does while another has its key, and what its caller is told. */
import { beforeEach, expect, test } from 'bun:test';
import type { Answer, PartitionRequest } from '../../src/front/backends.ts';
import type { FrontContext } from '../../src/front/context.ts';
import { Gate, Place } from '../../src/front/gate.ts';
import { KeyInUse } from '../../src/front/idempotency.ts';
import { LongClaim } from '../../src/front/long-claim.ts';
import { KEY_AT_ONCE_MS, KEY_WAIT_MS, KEY_WAITS_MAX } from '../../src/limits.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const GRANTED: Answer = { kind: 'claimed', known: false };
const OVERLOADED = { status: 503, code: 'overloaded', detail: expect.any(String) };

let clock: ManualClock;
let asked: string[];
/** Answers the claim. */
let answer: (answer: Answer) => void;
let draining: AbortController;
let gone: AbortController;
let bulkCalls: Gate;
let place: Place;
let context: FrontContext;

beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  draining = new AbortController();
  gone = new AbortController();
  bulkCalls = new Gate(1);
  place = new Place(bulkCalls);
  place.tryEnter();
  const ask = (request: PartitionRequest): Promise<Answer> => {
    asked.push(request.kind === 'release' ? `release ${request.used ? 'used' : 'free'}` : request.kind);
    if (request.kind !== 'claim') return Promise.resolve(GRANTED);
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  context = {
    backends: { ask },
    clock,
    draining: draining.signal,
    keyWaits: new Gate(KEY_WAITS_MAX),
    random: () => 0.5,
  } as unknown as FrontContext;
});

const take = (): Promise<LongClaim | Response> =>
  LongClaim.take(context, new KeyInUse('a'.repeat(32), 'b'.repeat(32), 0), place, gone.signal);

async function problemOf(taken: Promise<LongClaim | Response>) {
  const response = (await taken) as Response;
  const { code, detail } = (await response.json()) as { code: string; detail: string };
  return { status: response.status, code, detail };
}

test('a key that is free is claimed at once, and the call keeps its place', async () => {
  const taken = take();
  answer(GRANTED);
  expect(await taken).toBeInstanceOf(LongClaim);
  expect(bulkCalls.tryEnter(1)).toBe(false);
});

test('a call that waits for its key leaves its place to others, and takes one when it goes on', async () => {
  const taken = take();
  await clock.advance(KEY_AT_ONCE_MS);
  expect(bulkCalls.tryEnter(1)).toBe(true);
  bulkCalls.leave(1);
  answer(GRANTED);
  expect(await taken).toBeInstanceOf(LongClaim);
  expect(bulkCalls.tryEnter(1)).toBe(false);
});

test('where there is none any more, the key is free again', async () => {
  const taken = take();
  await clock.advance(KEY_AT_ONCE_MS);
  bulkCalls.tryEnter(1);
  answer(GRANTED);
  expect(await problemOf(taken)).toEqual(OVERLOADED);
  expect(asked).toEqual(['claim', 'release free']);
});

test('so many wait and no more', async () => {
  const places = Array.from({ length: KEY_WAITS_MAX }, () => {
    place = new Place(new Gate(1));
    place.tryEnter();
    return take();
  });
  await clock.advance(KEY_AT_ONCE_MS);
  const taken = take();
  await clock.advance(KEY_AT_ONCE_MS);
  const { code, detail } = await problemOf(taken);
  expect([code, detail]).toEqual(['outcome-unknown', expect.stringContaining('wait for one already')]);
  gone.abort();
  await Promise.all(places);
  expect(context.keyWaits.tryEnter(KEY_WAITS_MAX)).toBe(true);
});

test('a wait ends when the client has gone, and what is granted then is given back', async () => {
  const taken = take();
  await clock.advance(KEY_AT_ONCE_MS);
  gone.abort();
  expect(await taken).toBeInstanceOf(Response);
  expect([context.keyWaits.tryEnter(KEY_WAITS_MAX), asked]).toEqual([true, ['claim']]);
  answer(GRANTED);
  await clock.settle();
  expect(asked).toEqual(['claim', 'release free']);
});

test.each<[string, () => void, string, string]>([
  [
    'the other call goes on for long',
    () => answer({ kind: 'lost', sent: true }),
    'outcome-unknown',
    'Another request with this Idempotency-Key is still under way.',
  ],
  [
    'the worker heard of it too late',
    () => answer({ kind: 'problem', code: 'overloaded' }),
    'outcome-unknown',
    'Another request with this Idempotency-Key is still under way.',
  ],
])('the caller is told when %s', async (_name, end, code, detail) => {
  const taken = take();
  await clock.advance(KEY_WAIT_MS);
  end();
  expect(await problemOf(taken)).toEqual({ status: 503, code, detail: expect.stringContaining(detail) });
});

test.each<[string, () => void, string, string]>([
  [
    'the front stops',
    () => draining.abort(),
    'outcome-unknown',
    'The server began to stop while this request waited',
  ],
  [
    'the worker has gone',
    () => answer({ kind: 'lost', sent: true }),
    'partition-unavailable',
    'is starting, restarting or moving',
  ],
  ['there is no room for keys', () => answer({ kind: 'problem', code: 'overloaded' }), 'overloaded', ''],
])('the caller is not told of another call when %s', async (_name, end, code, detail) => {
  const taken = take();
  await clock.advance(KEY_AT_ONCE_MS);
  end();
  expect(await problemOf(taken)).toEqual({ status: 503, code, detail: expect.stringContaining(detail) });
});

test('only that a key is free again is waited for', async () => {
  const taken = take();
  answer(GRANTED);
  const claim = (await taken) as LongClaim;
  const { promise, resolve } = Promise.withResolvers<Answer>();
  context.backends.ask = () => promise;
  await claim.release(true);
  let isFree = false;
  const released = claim.release(false).then(() => {
    isFree = true;
  });
  await clock.settle();
  expect(isFree).toBe(false);
  resolve(GRANTED);
  await released;
});
