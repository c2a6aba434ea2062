/** What is printed: figures, where the CPU time went, and the targets beside what was reached. */

import type { Result } from './results.ts';
import { othersOf, type Summary } from './runner.ts';
import type { Statement } from './statements.ts';
import { readsStock } from './statements.ts';

/** From this share of a core on, the generator may be what limits a figure. */
const GENERATOR_LIMIT = 0.95;
/** Beyond this share of the machine, something else ran beside the benchmark. */
const OTHERS_LIMIT = 0.12;
const TARGETS = ['ceiling', 'holdfast', 'rival'] as const;

export function figures(results: Result[]): string {
  const rows = results.flatMap((result) =>
    TARGETS.map((target) => {
      const { requestsPerSecond, p50Ms, p99Ms, otherStatuses, lost, generatorShare } = result[target];
      const limited = (generatorShare ?? 0) >= GENERATOR_LIMIT;
      const not2xx = Object.entries(otherStatuses).map(([status, times]) => `${times} × ${status}`);
      if (lost > 0) not2xx.push(`${lost} lost`);
      return [
        result.workload,
        String(result.connections),
        target === 'rival' ? `rival, pool ${result.pool}` : target,
        count(requestsPerSecond) + (limited ? ' *' : '  '),
        ratio(requestsPerSecond, result.ceiling),
        ratio(requestsPerSecond, result.rival),
        p50Ms.toFixed(1),
        p99Ms.toFixed(1),
        not2xx.join(', ') || '–',
      ];
    }),
  );
  const heads = [
    'workload',
    'conns',
    'server',
    'req/s  ',
    'of ceiling',
    '× rival',
    'p50 ms',
    'p99 ms',
    'not 2xx',
  ];
  const notes: string[] = [];
  if (rows.some((row) => row[3].endsWith('*')))
    notes.push('* the load generator used a whole core: the server may be able to do more');
  const others = Math.max(
    ...results.flatMap((result) => TARGETS.map((name) => result[name].othersShare ?? 0)),
  );
  if (others > OTHERS_LIMIT)
    notes.push(
      `! other programs took up to ${Math.round(others * 100)} % of the machine: figures and ratios are not to be relied on`,
    );
  return [table(heads, rows, [0, 2, 8]), ...notes.map((note) => `  ${note}`)].join('\n');
}

export function cpuTable(results: Result[]): string | undefined {
  const rows = results.flatMap(({ workload, connections, ...result }) =>
    TARGETS.flatMap((target) => {
      const { cpuMicros, generatorShare } = result[target];
      if (cpuMicros === undefined) return [];
      const columns = [
        cpuMicros.front ?? cpuMicros.server,
        cpuMicros.worker,
        cpuMicros['postgres sessions'],
        cpuMicros['postgres background'],
        cpuMicros.generator,
        othersOf(cpuMicros),
        cpuMicros.idle,
      ];
      return [
        [
          workload,
          String(connections),
          target as string,
          ...columns.map((micros) => micros?.toFixed(1) ?? '–'),
          `${Math.round((generatorShare ?? 0) * 100)} %`,
        ],
      ];
    }),
  );
  if (rows.length === 0) return undefined;
  const heads = [
    'workload',
    'conns',
    'server',
    'front',
    'worker',
    'PG sessions',
    'PG rest',
    'generator',
    'others',
    'idle',
    'generator of a core',
  ];
  return table(heads, rows, [0, 2]);
}

/** The targets for a machine of two cores. */
export function targets(results: Result[]): string | undefined {
  const rate = (workload: string, connections: number, target: 'ceiling' | 'holdfast' | 'rival') =>
    results.find((result) => result.workload === workload && result.connections === connections)?.[target]
      .requestsPerSecond;
  const rows = [
    [
      '256 connections, uniform: of the ceiling',
      0.45,
      rate('uniform', 256, 'holdfast'),
      rate('uniform', 256, 'ceiling'),
    ],
    ['256 connections, hot: of uniform', 0.9, rate('hot', 256, 'holdfast'), rate('uniform', 256, 'holdfast')],
    [
      '64 connections, uniform: times the rival',
      4,
      rate('uniform', 64, 'holdfast'),
      rate('uniform', 64, 'rival'),
    ],
    ['64 connections, hot: times the rival', 10, rate('hot', 64, 'holdfast'), rate('hot', 64, 'rival')],
  ].flatMap(([title, wanted, reached, base]) => {
    if (reached === undefined || base === undefined) return [];
    const value = Number(reached) / Number(base);
    return [
      [String(title), String(wanted), value.toFixed(2), value >= Number(wanted) ? 'reached' : 'MISSED'],
    ];
  });
  return rows.length === 0 ? undefined : table(['target', 'at least', 'is', ''], rows, [0, 3]);
}

const QUERY_CHARACTERS = 100;

export function statementTable(statements: Statement[]): string {
  const rows = statements.map((statement) => [
    count(statement.calls),
    count(statement.rows),
    count(Math.round(statement.milliseconds)),
    readsStock(statement) ? 'READS' : '',
    statement.query.replace(/\s+/g, ' ').trim().slice(0, QUERY_CHARACTERS),
  ]);
  return table(['calls', 'rows', 'ms', '', 'statement'], rows, [3, 4]);
}

function ratio(rate: number, base: Summary): string {
  return (rate / base.requestsPerSecond).toFixed(2);
}

export function count(number: number): string {
  return number.toLocaleString('en');
}

/** @param left columns that are text; the others are numbers and stand on the right */
function table(heads: string[], rows: string[][], left: number[]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column].length)));
  const line = (cells: string[]) =>
    `  ${cells.map((cell, column) => (left.includes(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ')}`.trimEnd();
  return [line(heads), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n');
}
