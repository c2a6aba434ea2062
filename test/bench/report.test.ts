/** The report: which targets are reached, and bars that show what the figures say. */
import { expect, test } from 'bun:test';
import { figureTable } from '../../bench/report/figures.ts';
import { svgBars, terminalBars } from '../../bench/report/plot.ts';
import { targetTable } from '../../bench/report/targets.ts';
import type { Figure, Result } from '../../bench/results.ts';

function figure(server: string, value: number, more: Partial<Figure> = {}): Figure {
  return { server, value, unit: 'reservations/s', rounds: [value], ...more };
}

const uniform: Result = {
  workload: 'uniform',
  connections: 64,
  figures: [
    figure('no-op', 1000),
    figure('statement', 100, { what: 'pool 4, Bun' }),
    figure('holdfast', 450),
  ],
};

test.each<[string, Result, RegExp]>([
  ['too slow', uniform, /uniform, 64 connections: of no-op +≥ 0.5 +0.45 +MISSED/],
  ['fast enough', uniform, /uniform, 64 connections: of statement +≥ 3 +4.5 +reached/],
  [
    'two requests a sale',
    {
      workload: 'sale',
      figures: [
        figure('holdfast', 100, { what: 'hold' }),
        figure('holdfast', 60, { what: 'hold + confirm', unit: 'sales/s' }),
      ],
    },
    /confirmations a second, of holds alone +≥ 1 +1.2 +reached/,
  ],
  [
    'latencies',
    {
      workload: 'latency',
      figures: [
        figure('empty transaction', 1, { p99Ms: 1 }),
        figure('holdfast', 1, { what: '1/2 of the peak', p99Ms: 6, p999Ms: 9 }),
      ],
    },
    /p99, of that of an empty transaction +≤ 5 +6 +MISSED[\s\S]*p99.9, ms +quoted +9$/m,
  ],
])('a target: %s', (_case, result, row) => {
  expect(targetTable([result])).toMatch(row);
});

test('targets of what was not measured are not shown', () => {
  expect(targetTable([{ ...uniform, figures: [figure('holdfast', 1)] }])).toBeUndefined();
  const recovery = figure('holdfast', 1, { what: '1,000 levels, 1,000 held', unit: 's' });
  expect(targetTable([{ workload: 'recovery', figures: [recovery] }])).toBeUndefined();
});

test('ratios are to the first of the same unit, and to Holdfast asked the same', () => {
  const lines = figureTable([uniform]).split('\n');
  expect(lines[2]).toMatch(/uniform +64 +no-op +1,000 +reservations\/s +1\.00 +0\.45/);
  expect(lines[3]).toMatch(/^ +statement +pool 4, Bun +100 +reservations\/s +0\.10 +4\.50/);
  expect(lines[4]).toMatch(/^ +holdfast +450 +reservations\/s +0\.45 +1\.00/);
});

test('a generator that was the limit is named, and so are others on the machine', () => {
  const load = {
    generator: 'autocannon',
    otherStatuses: {},
    lost: 0,
    generatorShare: 0.97,
    othersShare: 0.3,
  } as const;
  const text = figureTable([{ ...uniform, figures: [figure('no-op', 1000, { load })] }]);
  expect(text).toMatch(/1,000 \*/);
  expect(text).toContain('* the load generator used all that it may');
  expect(text).toContain('! other programs took up to 30 % of the machine');
});

test('bars are as long as the figures say, in both pictures', () => {
  const lengths = terminalBars([uniform])
    .split('\n')
    .slice(1)
    .map((line) => (line.match(/[█▒]/g) ?? []).length);
  expect(lengths).toEqual([48, 5, 22]);
  const svg = svgBars([uniform], '2 × <CPU>');
  expect([...svg.matchAll(/width="(\d+)" height="14"/g)].map(([, width]) => Number(width))).toEqual([
    420, 42, 189,
  ]);
  expect(svg).toContain('2 × &lt;CPU&gt;');
  expect(svg.match(/class="holdfast"/g)).toHaveLength(1);
});
