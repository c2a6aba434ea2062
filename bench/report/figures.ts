/** The figures as tables: what was reached, and where the CPU time went. */
import { GENERATOR_LIMIT } from '../compare.ts';
import { othersOf } from '../cpu.ts';
import { count } from '../numbers.ts';
import type { Figure, OfLoad, Result } from '../results.ts';
import { table } from './table.ts';

/** Beyond this share of the machine, something else ran beside the benchmark. */
const OTHERS_LIMIT = 0.12;
/** Beyond this share of what was measured, the open loop's own lateness shows in it. */
const LATE_LIMIT = 0.25;

interface Row extends Result, Figure {}

export function figureTable(results: Result[]): string {
  const rows = rowsOf(results);
  const heads = [
    'workload',
    'conns',
    'server',
    '',
    'median',
    'unit',
    'of first',
    'holdfast ×',
    'p50 ms',
    'p99',
    'p99.9',
    'not 2xx',
    'by',
  ];
  const cells = rows.map((row) => [
    row.workload,
    row.connections === undefined ? '' : String(row.connections),
    row.server,
    row.what ?? '',
    `${count(row.value)}${markOf(row)}`,
    row.unit,
    ratio(row.value, row.figures[0], row),
    ratio(holdfastBeside(row)?.value, row, holdfastBeside(row)),
    ...[row.p50Ms, row.p99Ms, row.p999Ms].map((ms) => (ms === undefined ? '' : ms.toFixed(2))),
    row.load === undefined ? '' : not2xx(row.load),
    row.load?.generator ?? '',
  ]);
  const grouped = cells.map((row, index) =>
    index > 0 && row[0] === cells[index - 1][0] && row[1] === cells[index - 1][1]
      ? ['', '', ...row.slice(2)]
      : row,
  );
  return [table(heads, grouped, [0, 2, 3, 5, 11, 12]), ...notes(rows).map((note) => `  ${note}`)].join('\n');
}

function rowsOf(results: Result[]): Row[] {
  return results.flatMap((result) => result.figures.map((figure) => ({ ...result, ...figure })));
}

/** Holdfast's figure of the same: asked the same, or nothing in particular. */
function holdfastBeside({ what, figures }: Row): Figure | undefined {
  const own = figures.filter(({ server }) => server === 'holdfast');
  return own.find((figure) => figure.what === what) ?? own.find((figure) => figure.what === undefined);
}

/** Of two figures of the same unit; nothing where it says nothing. */
function ratio(value: number | undefined, base: Figure, other: Figure | undefined): string {
  if (value === undefined || base.unit !== other?.unit || base.value === 0) return '';
  return (value / base.value).toFixed(2);
}

function markOf({ load }: Figure): string {
  return (load?.generatorShare ?? 0) >= GENERATOR_LIMIT ? ' *' : '  ';
}

function not2xx({ otherStatuses, lost, generator }: OfLoad): string {
  const parts = Object.entries(otherStatuses).map(([status, times]) => `${count(times)} × ${status}`);
  if (lost > 0) parts.push(generator === 'wrk' ? `${lost} cut off` : `${lost} lost`);
  return parts.join(', ') || '–';
}

function notes(rows: Row[]): string[] {
  const said: string[] = [];
  if (rows.some((row) => markOf(row).includes('*')))
    said.push(
      '* the load generator used all that it may: the server may be able to do more (wrk, if it is installed, takes over from autocannon)',
    );
  const others = Math.max(0, ...rows.map(({ load }) => load?.othersShare ?? 0));
  if (others > OTHERS_LIMIT)
    said.push(
      `! other programs took up to ${Math.round(others * 100)} % of the machine: figures and ratios are not to be relied on`,
    );
  for (const { workload, what, p99Ms = 0, load } of rows) {
    if ((load?.lateMs ?? 0) > LATE_LIMIT * p99Ms)
      said.push(
        `! ${workload}, ${what}: the generator sent up to ${load!.lateMs!.toFixed(2)} ms late (p99), which is in its latencies`,
      );
  }
  return said;
}

/** Of what the unit counts: a sale is two requests, a batch ten thousand reservations. */
export function cpuTable(results: Result[]): string | undefined {
  const rows = rowsOf(results).flatMap(({ workload, connections, server, what, unit, load }) => {
    const cpu = load?.cpuMicros;
    if (cpu === undefined) return [];
    const database = (cpu['postgres sessions'] ?? 0) + (cpu.redis ?? 0);
    const columns = [
      cpu.front ?? cpu.server,
      cpu.worker,
      database,
      cpu['postgres background'],
      cpu.generator,
      othersOf(cpu),
      cpu.idle,
    ];
    return [
      [
        workload,
        String(connections ?? ''),
        server,
        what ?? '',
        unit.replace(/s?\/s$/, ''),
        ...columns.map((micros) => micros?.toFixed(1) ?? '–'),
        `${Math.round((load?.generatorShare ?? 0) * 100)} %`,
      ],
    ];
  });
  if (rows.length === 0) return undefined;
  const heads = [
    'workload',
    'conns',
    'server',
    '',
    'µs for each',
    'front',
    'worker',
    'database',
    'PG rest',
    'generator',
    'others',
    'idle',
    'of generator',
  ];
  return table(heads, rows, [0, 2, 3, 4]);
}
