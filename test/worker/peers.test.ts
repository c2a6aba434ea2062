/** Telling participants: one that has nothing of a reservation has been told before, or has lost its partition and does not know. */
import { expect, test } from 'bun:test';
import { evenMap } from '../../src/routing/partition-map.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { Peers } from '../../src/worker/peers.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const PARTITION = 1;
const TOO_LONG_MS = 10_000;

function telling(replies: Reply[], isHeld: () => Promise<boolean>) {
  const clock = new ManualClock();
  const map = evenMap(1, 2, ['worker']);
  const noLink = (): never => {
    throw new Error('there is one worker');
  };
  const peers = new Peers(map, 0, clock, noLink, (_, answer) => answer(replies.shift()!), isHeld);
  const told = peers.settle([PARTITION], 'a reservation', { outcome: 'confirmed' });
  return { clock, told };
}

const nothing: Reply = { kind: 'settled', lines: [] };
const lines = [{ line: 0, sku: 'A', quantity: 1, allocations: [{ location: 'dc1', quantity: 1 }] }];

test('who has nothing of it is asked again while the database says that it is held, or nothing', async () => {
  const said = [async () => true, () => Promise.reject(new Error('away'))];
  const { clock, told } = telling([nothing, nothing, { kind: 'settled', lines }], () => said.shift()!());
  await clock.advance(TOO_LONG_MS);
  expect(said).toEqual([]);
  expect(await told).toEqual(lines);
});

test('who has nothing of it is believed when the database has nothing held either', async () => {
  const { told } = telling([nothing], async () => false);
  expect(await told).toBeUndefined();
});
