/** An extension whose reservation can't be read back: it has been made, so nobody may be told that nothing has happened. */
import { expect, test } from 'bun:test';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { Found } from '../../src/storage/find-reservation.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Lane } from '../../src/worker/lane.ts';
import type { CallerCommand } from '../../src/worker/partition.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

const [HOME, PARTICIPANT] = [0, 1];
const EXTENDED_MS = 3_600_000;

test.each<[string, () => Promise<Found>]>([
  ['the database is away', async () => Promise.reject(new Error('connection lost'))],
  ['it was deleted meanwhile', async () => undefined],
])('over several partitions, and %s', async (_, find) => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const lane = new Lane(store, clock, () => {});
  lane.epoch = store.database.takePartitions([HOME]);
  const host: Partial<Host> = { find, tellHeld() {} };
  const actor = new Actor(new Partition(HOME, new Locations(), host as Host, clock.now()), lane);
  const ask = async (command: CallerCommand): Promise<Reply | undefined> => {
    let got: Reply | undefined;
    actor.receive(command, (reply) => {
      got = reply;
    });
    await clock.advance(1);
    return got;
  };
  const to = { partition: HOME, deadline: Number.POSITIVE_INFINITY };
  const id = new ReservationIds().next(clock.now(), HOME);
  await ask({ kind: 'put-level', ...to, sku: 'A', location: 'x', onHand: 5 });
  await ask({
    kind: 'hold',
    ...to,
    id,
    role: 'decide',
    home: HOME,
    participants: [PARTICIPANT],
    mode: 'all',
    refused: [],
    createdAt: clock.now(),
    expiresAt: clock.now() + 60_000,
    strategy: 'most-available',
    locations: [],
    lines: [{ line: 0, sku: 'A', quantity: 1 }],
  });
  const until = clock.now() + EXTENDED_MS;
  const reply = await ask({ kind: 'extend', ...to, id, expiresInMs: EXTENDED_MS });
  expect(reply).toEqual({ kind: 'problem', code: 'outcome-unknown' });
  expect(store.database.reservations.get(`${HOME}/${id}`)).toMatchObject({
    status: 'held',
    expiresAt: until,
  });
});
