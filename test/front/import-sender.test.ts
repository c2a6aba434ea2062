/** The rows of an import on their way, with workers that answer as the case says. */
import { describe, expect, test } from 'bun:test';
import type { Answer, PartitionRequest } from '../../src/front/backends.ts';
import { ImportSender } from '../../src/front/import-sender.ts';
import {
  BULK_RETRY_MS,
  FAULTS_MAX,
  IMPORT_ROWS_HELD_MAX,
  IMPORT_ROWS_IN_FLIGHT_MAX,
  IMPORT_ROWS_PER_MESSAGE_MAX,
} from '../../src/limits.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';
import type { ImportLevelsRequest } from '../../src/wire/messages.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const PARTITIONS = 16;

interface Asked {
  request: ImportLevelsRequest;
  answer(answer?: Answer): void;
}

function build(answers: (request: ImportLevelsRequest) => Answer | 'later' = () => 'later') {
  const clock = new ManualClock();
  const open: Asked[] = [];
  const asked: ImportLevelsRequest[] = [];
  const backends = {
    partitions: PARTITIONS,
    ask(request: PartitionRequest): Promise<Answer> {
      if (request.kind !== 'import-levels') throw new Error(request.kind);
      asked.push(request);
      const reply = answers(request);
      if (reply !== 'later') return Promise.resolve(reply);
      return new Promise((resolve) => {
        open.push({ request, answer: (answer = imported(request)) => resolve(answer) });
      });
    },
  };
  return { clock, open, asked, sender: new ImportSender(backends, clock, 1) };
}

function imported({ rows }: ImportLevelsRequest): Answer {
  return { kind: 'imported', changed: rows.length, unchanged: 0, refused: [] };
}

const row = (sku: string, onHand = 1) => ({ sku, location: 'x', onHand });
const totals = ({ accepted, unchanged, rejected }: ImportSender) => [accepted, unchanged, rejected];

test('each partition has one message on its way, in the order of the file', async () => {
  const { open, clock, sender } = build();
  for (let line = 1; line <= 10; line++) sender.add(row('A', line), line);
  sender.add(row('B'), 11);
  sender.send();
  for (let line = 12; line <= 20; line++) sender.add(row('A', line), line);
  sender.send();
  expect(open.map(({ request }) => request.rows.map(({ onHand }) => onHand))).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    [1],
  ]);
  open[0].answer();
  await clock.settle();
  expect(open).toHaveLength(3);
  expect(open[2].request.rows.map(({ onHand }) => onHand)).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20]);
  let done = false;
  const finished = sender.finished().then(() => {
    done = true;
  });
  open[1].answer();
  await clock.settle();
  expect(done).toBe(false);
  open[2].answer();
  await finished;
  expect(totals(sender)).toEqual([20, 0, 0]);
});

test('the bounds hold: rows in a message, rows on their way, rows held', async () => {
  const { open, clock, sender } = build();
  let line = 0;
  const add = (): void => sender.add(row(`S${line}`), ++line);
  while (!sender.full) add();
  expect(line).toBe(IMPORT_ROWS_HELD_MAX);
  let room = false;
  const waiting = sender.room().then(() => {
    room = true;
  });
  const onTheirWay = (): number => open.reduce((sum, { request }) => sum + request.rows.length, 0);
  await clock.settle();
  expect(room).toBe(false);
  expect(onTheirWay()).toBeGreaterThanOrEqual(IMPORT_ROWS_IN_FLIGHT_MAX);
  expect(onTheirWay()).toBeLessThan(IMPORT_ROWS_IN_FLIGHT_MAX + IMPORT_ROWS_PER_MESSAGE_MAX);
  for (const { request } of open)
    expect(request.rows.length).toBeLessThanOrEqual(IMPORT_ROWS_PER_MESSAGE_MAX);
  open.shift()!.answer();
  await waiting;
  expect(sender.full as boolean).toBe(false);
  const finished = sender.finished();
  while (open.length > 0) {
    expect(onTheirWay()).toBeLessThan(IMPORT_ROWS_IN_FLIGHT_MAX + IMPORT_ROWS_PER_MESSAGE_MAX);
    open.shift()!.answer();
    await clock.settle();
  }
  await finished;
  expect(totals(sender)).toEqual([line, 0, 0]);
});

test('what a worker refuses is rejected under its line', async () => {
  const { sender } = build(({ rows }) => ({
    kind: 'imported',
    changed: rows.length - 3,
    unchanged: 1,
    refused: [
      { row: 1, code: 'too-many-levels' },
      { row: 3, code: 'too-many-levels' },
    ],
  }));
  for (let line = 10; line <= 50; line += 10) sender.add(row('A'), line);
  sender.reject(60, 'malformed', 'no.');
  await sender.finished();
  expect(totals(sender)).toEqual([2, 1, 3]);
  expect(sender.errors.map(({ line, code }) => `${line} ${code}`)).toEqual([
    '60 malformed',
    '20 too-many-levels',
    '40 too-many-levels',
  ]);
});

test('errors are named up to a bound, and counted beyond it', async () => {
  const { sender } = build();
  for (let line = 1; line <= 1000; line++) sender.reject(line, 'malformed', 'no.');
  await sender.finished();
  expect(totals(sender)).toEqual([0, 0, 1000]);
  expect(sender.errors).toHaveLength(FAULTS_MAX);
});

describe('a partition that does not answer', () => {
  const failures: [string, Answer, string][] = [
    ['is loading', { kind: 'problem', code: 'partition-unavailable' }, 'partition-unavailable'],
    ['is overloaded', { kind: 'problem', code: 'overloaded' }, 'overloaded'],
    ['does not know', { kind: 'problem', code: 'outcome-unknown' }, 'outcome-unknown'],
    ['is lost with the message', { kind: 'lost', sent: true }, 'outcome-unknown'],
    ['is not there', { kind: 'lost', sent: false }, 'partition-unavailable'],
  ];

  test.each(failures)(
    'because it %s gets the same message again, and later ones only then',
    async (_, failure) => {
      let failing = 5;
      const { asked, clock, sender } = build((request) => (failing-- > 0 ? failure : imported(request)));
      sender.add(row('A', 1), 1);
      sender.send();
      sender.add(row('A', 2), 2);
      const finished = sender.finished();
      await clock.advance(10_000);
      await finished;
      expect(asked.map(({ rows }) => rows.map(({ onHand }) => onHand))).toEqual([
        [1],
        [1],
        [1],
        [1],
        [1],
        [1],
        [2],
      ]);
      // Each with a deadline of its own.
      expect(new Set(asked.slice(0, 6).map(({ deadline }) => deadline)).size).toBe(6);
      expect(totals(sender)).toEqual([2, 0, 0]);
    },
  );

  test('because it has no room keeps its rows, however long, while others of the import get through', async () => {
    const busy = partitionOf('A', PARTITIONS);
    let hasRoom = false;
    const { clock, sender } = build((request) =>
      request.partition === busy && !hasRoom ? { kind: 'problem', code: 'overloaded' } : imported(request),
    );
    sender.add(row('A'), 1);
    for (let line = 2; line < 10; line++) {
      sender.add(row('B', line), line);
      sender.send();
      await clock.advance(BULK_RETRY_MS / 2);
    }
    expect(sender.rejected).toBe(0);
    hasRoom = true;
    const finished = sender.finished();
    await clock.advance(2000);
    await finished;
    expect(totals(sender)).toEqual([9, 0, 0]);
  });

  test.each(failures)(
    'for long because it %s loses its rows; others go on meanwhile',
    async (_, failure, code) => {
      const dead = partitionOf('A', PARTITIONS);
      let isDead = true;
      const { asked, clock, sender } = build((request) =>
        isDead && request.partition === dead ? failure : imported(request),
      );
      const startedAt = clock.now();
      // More rows of it than may be on their way at once.
      const rows = IMPORT_ROWS_IN_FLIGHT_MAX * 2;
      for (let line = 1; line <= rows; line++) sender.add(row('A', line), line);
      sender.add(row('B'), rows + 1);
      let done = false;
      const finished = sender.finished().then(() => {
        done = true;
      });
      await clock.settle();
      expect(sender.accepted).toBe(1);
      await clock.advance(BULK_RETRY_MS - 1000);
      expect([done, sender.rejected]).toEqual([false, 0]);
      await clock.advance(2000);
      await finished;
      expect(clock.now() - startedAt).toBeLessThan(BULK_RETRY_MS + 2000);
      expect(totals(sender)).toEqual([1, 0, rows]);
      expect(sender.errors[0]).toMatchObject({ line: 1, code });
      expect(sender.incomplete).toBe(true);
      // One message after the other was tried once, when the first had been given up.
      const last = asked.filter(({ partition }) => partition === dead).slice(-10);
      expect(new Set(last.map(({ rows: [first] }) => first.onHand)).size).toBe(10);

      isDead = false;
      sender.add(row('A', 1), rows + 2);
      await sender.finished();
      expect(totals(sender)).toEqual([2, 0, rows]);
    },
  );
});

test('after a stop nothing more is sent', async () => {
  const { open, asked, clock, sender } = build();
  sender.add(row('A', 1), 1);
  sender.send();
  sender.add(row('A', 2), 2);
  sender.stop();
  open[0].answer();
  await clock.advance(1000);
  expect(asked).toHaveLength(1);
});

test('a defect of a worker ends the import', async () => {
  const { open, sender } = build();
  sender.add(row('A'), 1);
  sender.send();
  open[0].answer({ kind: 'settled', lines: [] });
  await expect(sender.finished()).rejects.toThrow('wrong kind');
});
