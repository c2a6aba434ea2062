/**
 * Invariant I8 inside: a database that does not answer fills mailboxes, and a worker that does not
 * answer fills links. Beyond the bound a request is refused at once, and has no effect later either.
 */
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ASK_HOME_AFTER_MS,
  KEYS_PER_PARTITION_MAX,
  LINK_REQUESTS_MAX,
  MAILBOX_COMMANDS_MAX,
  WHEEL_TICK_MS,
} from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { ImportSummary } from '../../src/wire/import-summary.ts';
import { connect, listen } from '../../src/wire/link.ts';
import type { HoldRequest, Reply } from '../../src/wire/messages.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Admission } from '../../src/worker/admission.ts';
import { Batch } from '../../src/worker/batch.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const OVERLOADED: Reply = { kind: 'problem', code: 'overloaded' };
const NOW = 1_795_480_000_000;
const alone = {} as Host;

const ids = new ReservationIds();
const hold = (): HoldRequest => ({
  kind: 'hold',
  partition: 1,
  deadline: NOW + 10_000,
  id: ids.next(NOW, 1),
  role: 'decide',
  home: 1,
  participants: [],
  mode: 'all',
  refused: [],
  createdAt: NOW,
  expiresAt: NOW + 60_000,
  strategy: 'most-available',
  locations: [],
  lines: [{ line: 0, sku: 'A', quantity: 1 }],
});

test('a mailbox refuses what it has no room for, and only that', () => {
  const actor = new Actor(new Partition(1, new Locations(), alone, NOW), {
    admission: new Admission(new ManualClock()),
    enlist() {},
    enlistDue() {},
  });
  const answers: Reply[] = [];
  const receive = (command: Parameters<Actor['receive']>[0]): void =>
    actor.receive(command, (reply) => answers.push(reply));
  const onHand = 2 * MAILBOX_COMMANDS_MAX;
  receive({ kind: 'put-level', partition: 1, deadline: NOW + 10_000, sku: 'A', location: 'x', onHand });
  for (let i = 1; i < MAILBOX_COMMANDS_MAX; i++) receive(hold());
  expect(answers).toEqual([]);
  receive(hold());
  expect(answers).toEqual([OVERLOADED]);
  expect(actor.mailboxDepth).toBe(MAILBOX_COMMANDS_MAX);

  const batch = new Batch(1, NOW, NOW);
  actor.visit(batch, NOW, MAILBOX_COMMANDS_MAX);
  expect(actor.mailboxDepth).toBe(0);
  receive(hold());
  batch.seal(1, 1);
  batch.landed();
  expect(answers.filter(({ kind }) => kind === 'granted')).toHaveLength(MAILBOX_COMMANDS_MAX - 1);
  expect(actor.partition.snapshot.reserved[0]).toBe(MAILBOX_COMMANDS_MAX - 1);
  expect(actor.mailboxDepth).toBe(1);
});

test('what a participant asks about is asked about once, and not over and over, when the clock is set back', () => {
  const asked: string[] = [];
  const host = {
    askHome: (_partition: number, _home: number, id: string) => asked.push(id),
  } as unknown as Host;
  const partition = new Partition(1, new Locations(), host, NOW);
  const batch = new Batch(1, NOW, NOW);
  const to = { partition: 1, deadline: Number.POSITIVE_INFINITY };
  partition.decide(batch, NOW, { kind: 'put-level', ...to, sku: 'A', location: 'x', onHand: 5 }, () => {});
  const tried = Array.from({ length: 3 }, () => ids.next(NOW, 2));
  for (const id of tried)
    partition.decide(batch, NOW, { ...hold(), ...to, id, role: 'try', home: 2 }, () => {});
  const later = NOW + ASK_HOME_AFTER_MS + WHEEL_TICK_MS;
  expect(partition.decideDue(batch, later)).toBe(true);
  let due = 1;
  while (due < 100 && partition.decideDue(batch, later - 3000)) due++;
  expect([due, asked.toSorted()]).toEqual([3, tried.toSorted()]);
  // Once time has come that far again.
  expect(partition.decideDue(batch, later + 400)).toBe(false);
  expect(partition.decideDue(batch, later + 700)).toBe(true);
});

test('a partition full of keys refuses new ones, but writes down what has been done', () => {
  const partition = new Partition(1, new Locations(), alone, NOW);
  partition.keys.add('c'.repeat(32), 'f'.repeat(32), NOW);
  partition.keys.count = KEYS_PER_PARTITION_MAX;
  const batch = new Batch(1, NOW, NOW);
  const answers: Reply[] = [];
  const seal = (hash: string, summary?: ImportSummary): void => {
    const key = { hash: hash.repeat(32), fingerprint: 'f'.repeat(32), partition: 1 };
    partition.decide(batch, NOW, { kind: 'seal', partition: 1, deadline: NOW + 1, key, summary }, (reply) =>
      answers.push(reply),
    );
  };
  seal('a');
  expect(answers).toEqual([OVERLOADED]);
  const summary = { digest: 'd'.repeat(32), accepted: 1, unchanged: 0, rejected: 0, errors: [] };
  seal('b', summary);
  batch.seal(1, 1);
  batch.landed();
  expect(answers.slice(1)).toEqual([{ kind: 'sealed', summary }]);
});

test('a link refuses more unanswered requests than its bound, and does not send them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bounds-'));
  const path = join(folder, 'worker.sock');
  let received = 0;
  const server = listen(
    path,
    () => received++,
    () => {},
  ) as { stop(closeAll: boolean): void };
  const link = connect(path);
  try {
    while (!link.connected) await Bun.sleep(5);
    const ask = () => link.ask({ kind: 'get-levels', partition: 1, deadline: NOW, sku: 'A' });
    const unanswered = Array.from({ length: LINK_REQUESTS_MAX }, () => ask().catch(() => undefined));
    const refused = await Promise.all(Array.from({ length: 100 }, ask));
    expect(refused).toEqual(Array.from({ length: 100 }, () => OVERLOADED));
    for (let i = 0; i < 400 && received < LINK_REQUESTS_MAX; i++) await Bun.sleep(5);
    await Bun.sleep(50);
    expect(received).toBe(LINK_REQUESTS_MAX);
    server.stop(true);
    await Promise.all(unanswered);
  } finally {
    link.close();
    server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  }
});
