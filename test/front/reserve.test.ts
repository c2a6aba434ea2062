/** Scatter and gather, with workers that answer as the case says. */
import { describe, expect, test } from 'bun:test';
import { systemClock } from '../../src/clock.ts';
import type { Answer, PartitionRequest } from '../../src/front/backends.ts';
import { groupByPartition, homeOfLines, reserve, type Verdict } from '../../src/front/reserve.ts';
import { homeOf, ReservationIds } from '../../src/reservations/id.ts';
import type { HoldLine, Mode } from '../../src/reservations/types.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';

const PARTITIONS = 256;
/** Three SKUs of three partitions; the first of them is at home. */
const SKUS = ['A', 'B', 'C'] as const;
const [HOME, SECOND, THIRD] = SKUS.map((sku) => partitionOf(sku, PARTITIONS));

const granted = (line: number): Answer => ({
  kind: 'granted',
  lines: [{ line, allocations: [{ location: 'x', quantity: 1 }] }],
  short: [],
});
const refused = (
  line: number,
  code: 'insufficient-stock' | 'unknown-sku' = 'insufficient-stock',
): Answer => ({
  kind: 'refused',
  lines: [{ line, code, requested: 1, available: 0 }],
});
const answered = (code: 'overloaded' | 'partition-unavailable' | 'outcome-unknown'): Answer => ({
  kind: 'problem',
  code,
});
const lost = (sent: boolean): Answer => ({ kind: 'lost', sent });

interface Case {
  name: string;
  home?: Answer;
  probe?: Answer;
  second?: Answer;
  third?: Answer;
  verdict: string;
  /** Partitions told `never`. */
  told?: number[];
  /** Whether the home was asked to decide. */
  decided: boolean;
}

const cases: Case[] = [
  { name: 'all grant', verdict: 'held', decided: true },
  { name: 'the home refuses', home: refused(2), verdict: 'refused 2', told: [SECOND, THIRD], decided: true },
  {
    name: 'one participant refuses',
    second: refused(1),
    verdict: 'refused 1',
    told: [THIRD],
    decided: false,
  },
  {
    name: 'participants and home refuse',
    second: refused(1),
    third: refused(0),
    probe: refused(2, 'unknown-sku'),
    verdict: 'refused 0 1 2',
    decided: false,
  },
  {
    name: 'a refusal stands though the probe is lost',
    second: refused(1),
    probe: lost(true),
    verdict: 'refused 1',
    told: [THIRD],
    decided: false,
  },
  {
    name: 'a refusal stands though another is out of reach',
    second: refused(1),
    third: lost(true),
    verdict: 'refused 1',
    told: [THIRD],
    decided: false,
  },
  {
    name: 'a participant cannot be asked',
    second: lost(false),
    verdict: 'partition-unavailable',
    told: [THIRD],
    decided: false,
  },
  {
    name: 'a participant does not answer',
    second: lost(true),
    verdict: 'partition-unavailable',
    told: [SECOND, THIRD],
    decided: false,
  },
  {
    name: 'a participant is overloaded',
    third: answered('overloaded'),
    verdict: 'overloaded',
    told: [SECOND],
    decided: false,
  },
  {
    name: 'a participant does not know its own outcome',
    third: answered('outcome-unknown'),
    verdict: 'partition-unavailable',
    told: [SECOND, THIRD],
    decided: false,
  },
  {
    name: 'the home cannot be asked',
    home: lost(false),
    verdict: 'partition-unavailable',
    told: [SECOND, THIRD],
    decided: true,
  },
  {
    name: 'the home is overloaded',
    home: answered('overloaded'),
    verdict: 'overloaded',
    told: [SECOND, THIRD],
    decided: true,
  },
  {
    name: "the home's answer is lost",
    home: lost(true),
    verdict: 'outcome-unknown',
    told: [],
    decided: true,
  },
  {
    name: 'the home does not know its own outcome',
    home: answered('outcome-unknown'),
    verdict: 'outcome-unknown',
    told: [],
    decided: true,
  },
];

function summary(verdict: Verdict): string {
  if (verdict.kind === 'refused') return ['refused', ...verdict.lines.map(({ line }) => line)].join(' ');
  return verdict.kind === 'problem' ? verdict.code : verdict.kind;
}

/** Lines in an order of their own: C, B, A. */
const lines: HoldLine[] = [...SKUS].reverse().map((sku, line) => ({ line, sku, quantity: 1 }));

async function run(given: Case, wanted: HoldLine[] = lines, mode: Mode = 'all') {
  const asked: PartitionRequest[] = [];
  const verdict = await reserve(
    {
      backends: {
        partitions: PARTITIONS,
        async ask(request) {
          asked.push(request);
          await Bun.sleep(0);
          if (request.kind === 'settle') return { kind: 'settled', lines: [] };
          if (request.kind !== 'hold') throw new Error(request.kind);
          if (request.role === 'probe') {
            const here = given.probe?.kind === 'refused' ? given.probe.lines : [];
            return given.probe?.kind === 'lost' || given.probe?.kind === 'problem'
              ? given.probe
              : { kind: 'refused', lines: [...request.refused, ...here] };
          }
          if (request.partition === HOME) return given.home ?? granted(2);
          if (request.partition === SECOND) return given.second ?? granted(1);
          return given.third ?? granted(0);
        },
      },
      clock: { ...systemClock, now: () => 1000 },
      ids: new ReservationIds(),
    },
    { lines: wanted, strategy: 'split', mode, locations: ['x'], expiresInMs: 5000, reference: 'r' },
  );
  return { verdict, asked };
}

describe('a reservation over three partitions', () => {
  for (const given of cases)
    test(given.name, async () => {
      const { verdict, asked } = await run(given);
      expect(summary(verdict)).toBe(given.verdict);
      const settled = asked.filter((request) => request.kind === 'settle');
      expect(settled.map(({ partition }) => partition).sort()).toEqual((given.told ?? []).sort());
      for (const request of settled) expect(request.outcome).toBe('never');
      const holds = asked.filter((request) => request.kind === 'hold');
      expect(holds.some(({ role }) => role === 'decide')).toBe(given.decided);
      expect(holds.slice(0, 2).map(({ role }) => role)).toEqual(['try', 'try']);
      const probed = given.verdict.startsWith('refused') && !given.decided;
      expect(holds.some(({ role }) => role === 'probe')).toBe(probed);
    });

  test('in part: what one has nothing of is no answer while another has not said what it has', async () => {
    const given = { ...cases[0], second: refused(1), third: lost(true) };
    const { verdict, asked } = await run(given, lines, 'partial');
    expect(summary(verdict)).toBe('partition-unavailable');
    expect(asked.flatMap((one) => (one.kind === 'hold' ? [one.role] : []))).toEqual(['try', 'try']);
  });

  test('what is asked, and what a grant becomes', async () => {
    const { verdict, asked } = await run(cases[0]);
    const holds = asked.filter((request) => request.kind === 'hold');
    for (const hold of holds) {
      expect(hold).toMatchObject({
        home: HOME,
        deadline: 11_000,
        createdAt: 1000,
        expiresAt: 6000,
        reference: 'r',
        strategy: 'split',
        locations: ['x'],
      });
      expect(homeOf(hold.id, PARTITIONS)).toBe(HOME);
    }
    expect(
      holds.map(({ partition, role, participants, lines }) => ({ partition, role, participants, lines })),
    ).toEqual([
      { partition: THIRD, role: 'try', participants: [], lines: [lines[0]] },
      { partition: SECOND, role: 'try', participants: [], lines: [lines[1]] },
      { partition: HOME, role: 'decide', participants: [THIRD, SECOND], lines: [lines[2]] },
    ]);
    if (verdict.kind !== 'held') throw new Error(verdict.kind);
    expect(verdict.reservation.lines.map(({ sku }) => sku)).toEqual(['C', 'B', 'A']);
  });
});

describe('a reservation within one partition', () => {
  const both: HoldLine[] = [
    { line: 0, sku: 'A', quantity: 1, location: 'x' },
    { line: 1, sku: 'A', quantity: 2 },
  ];
  test('is one request', async () => {
    const { asked } = await run({ ...cases[0], home: { kind: 'granted', lines: [], short: [] } }, both);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ role: 'decide', participants: [], lines: both });
  });
  test.each([
    ['refused', refused(1), 'refused 1'],
    ['lost before it was sent', lost(false), 'partition-unavailable'],
    ['lost after it was sent', lost(true), 'outcome-unknown'],
    ['overloaded', answered('overloaded'), 'overloaded'],
  ])('%s', async (_name, home, verdict) => {
    expect(summary((await run({ ...cases[0], home }, both)).verdict)).toBe(verdict);
  });
});

test('the home does not depend on the order of the lines; every line goes to one group', () => {
  const many: HoldLine[] = Array.from({ length: 100 }, (_, line) => ({
    line,
    sku: `SKU-${line % 30}`,
    quantity: 1,
  }));
  const home = homeOfLines(many, PARTITIONS);
  expect(home).toBe(partitionOf('SKU-0', PARTITIONS));
  expect(homeOfLines(many.toReversed(), PARTITIONS)).toBe(home);
  const groups = groupByPartition(many, PARTITIONS);
  expect([...groups.values()].flat().sort((a, b) => a.line - b.line)).toEqual(many);
  for (const [partition, group] of groups)
    for (const line of group) expect(partitionOf(line.sku, PARTITIONS)).toBe(partition);
});
