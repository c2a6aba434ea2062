/** An overview as lines of text, for a screen of 80 columns. */
import type { Overview } from './overview.ts';

const MIB = 1024 * 1024;

export function linesOf(url: string, view: Overview): string[] {
  const { ready, missing, version, partitions, rates, latency, workers, fronts, fullest } = view;
  return [
    `Holdfast ${version ?? ''} at ${url}: ${ready ? 'ready' : 'NOT READY'}`,
    ...missing.map((what) => `  ${what}`),
    `${count(partitions.serving)} of ${count(partitions.total)} partitions serve; ` +
      `${count(view.levels)} stock levels, ${count(view.held)} reservations held`,
    '',
    ...table(
      ['a second', 'requests', 'granted', 'refused', 'confirmed', 'cancelled', 'expired', 'commits'],
      [
        [
          '',
          rates.requests,
          rates.granted,
          rates.refused,
          rates.confirmed,
          rates.cancelled,
          rates.expired,
          rates.commits,
        ].map(cell),
      ],
    ),
    `requests p50 ${ms(latency.p50Ms)}, p99 ${ms(latency.p99Ms)}; commits p50 ${ms(latency.commitP50Ms)}`,
    '',
    ...table(
      ['worker', 'partitions', 'levels', 'held', 'waiting', 'commands/s', 'commits/s', 'cpu', 'MiB'],
      workers.map((one) => [
        named(one.worker, one.up),
        `${count(one.serving)}/${count(one.partitions)}`,
        ...[one.levels, one.held, one.waiting, one.commands, one.commits].map(cell),
        share(one.cpu),
        count(one.memoryBytes / MIB),
      ]),
    ),
    '',
    ...table(
      ['front', 'requests/s', 'in flight', 'cpu', 'MiB'],
      fronts.map((one) => [
        named(one.front, one.up),
        count(one.requests),
        count(one.inFlight),
        share(one.cpu),
        count(one.memoryBytes / MIB),
      ]),
    ),
    ...(fullest.length === 0 ? [] : ['']),
    ...(fullest.length === 0
      ? []
      : table(
          ['fullest partition', 'worker', 'levels', 'held', 'waiting'],
          fullest.map(({ partition, worker, levels, held, waiting }) =>
            [String(partition), worker, levels, held, waiting].map(cell),
          ),
        )),
  ];
}

/** Columns as wide as they must be, names to the left, figures to the right. */
function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  return [head, ...rows].map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  '),
  );
}

function named(index: number, up: boolean): string {
  return up ? String(index) : `${index} down`;
}

function cell(value: number | string): string {
  return typeof value === 'string' ? value : count(value);
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function share(cores: number): string {
  return `${Math.round(cores * 100)} %`;
}

function ms(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(1)} ms`;
}
