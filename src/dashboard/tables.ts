/** Hottest SKUs, refusals, processes, and the curves as numbers. */
import { type Cell, fillTable } from './dom.ts';
import { bytes, count, duration, milliseconds, percent, perSecond, timeOfDay } from './format.ts';
import type { Live, Point, ProblemRow, ProcessRow } from './live.ts';

const HOTTEST_SHOWN = 10;
const LAG_WARNS_MS = 200;

export function showTables({ at, hottest, problems, processes }: Live): void {
  fillTable(
    'hottest',
    hottest.slice(0, HOTTEST_SHOWN).map(({ sku, asked, available, reserved }) => [
      sku,
      count(asked),
      {
        text: available <= 0 ? 'sold out' : count(available),
        level: available <= 0 ? 'warning' : undefined,
      },
      count(reserved),
    ]),
  );
  fillTable('problems', problems.map(problemCells));
  fillTable(
    'processes',
    processes.map((row) => processCells(row, at)),
  );
}

function problemCells({ code, title, status, rate, total }: ProblemRow): Cell[] {
  return [
    { text: title, href: `/problems/${code}` },
    { text: perSecond(rate), level: status >= 500 && rate > 0 ? 'bad' : undefined },
    { text: count(total) },
  ];
}

function processCells(
  { process, up, pid, startedAt, restarts, memoryBytes, cpu, lagP99 }: ProcessRow,
  at: number,
) {
  const age = startedAt === undefined ? undefined : at - startedAt;
  const cells: (string | Cell)[] = [
    process,
    pid === undefined ? '–' : String(pid),
    up ? duration(age) : { text: pid === undefined ? 'down' : 'silent', level: 'bad' },
    { text: count(restarts), level: restarts ? 'warning' : undefined },
    bytes(memoryBytes),
    percent(cpu),
    { text: milliseconds(lagP99), level: (lagP99 ?? 0) > LAG_WARNS_MS ? 'warning' : undefined },
  ];
  return cells;
}

export function showPoints(points: Point[]): void {
  fillTable(
    'points',
    points.map((point) => [
      timeOfDay(point.at),
      ...[point.requests, point.granted, point.refused, point.failed].map(count),
      milliseconds(point.p50),
      milliseconds(point.p99),
      ...[point.batchMean, point.batchP99, point.waiting, point.deepest].map(count),
    ]),
  );
}
