/**
 * Whether what should stay as it is did: the first quarter after warming up beside the last one. Memory and descriptors by
 * their minima, because heaps grow until they are collected and Postgres starts processes now and then; tables by their
 * maxima; latency by the median of what the intervals of a quarter had, so that one that another program has disturbed says little.
 *
 * What must grow is told by the piece instead: a key takes memory for as long as it is remembered, and a reservation,
 * a page of the ledger and a key are rows that are kept.
 */
import { Latencies } from '../latencies.ts';
import { addUp, median, sum } from '../numbers.ts';
import type { Interval } from './driver.ts';
import type { ProcessState } from './processes.ts';
import { KINDS, type Kind } from './shop.ts';
import type { TableState } from './tables.ts';

export interface Sample {
  /** Since the sample before. */
  seconds: number;
  interval: Interval;
  processes: Record<string, ProcessState>;
  tables: Record<string, TableState>;
  /** As the workers tell. */
  held: number;
  keys: number;
}

export interface Line {
  what: string;
  unit: string;
  first: number;
  last: number;
  /** How much of a rise, or fall, is taken for none. */
  tolerance: string;
  holds: boolean;
}

const MIB = 2 ** 20;
const MEMORY_SHARE = 1.1;
const MEMORY_MIB = 16;
/** Of one in a worker, in two tables of which each may just have grown; see src/worker/keys.ts. */
const KEY_BYTES = 96;
const DESCRIPTORS = 5;
const DESCRIPTORS_SHARE = 1.1;
const LATENCY_SHARE = 1.5;
const LATENCY_MS = 10;
const ANSWERS_MIN = 500;
const TABLE_SHARE = 1.2;
const TABLE_MIB = 1;
const ROW_SHARE = 1.15;
const HOT_MIN = 0.9;
const DEAD_MAX = 0.3;
const HELD_SHARE = 1.1;
const RATE_SHARE = 0.98;
/** Rewritten in place: they must not grow at all. */
const IN_PLACE = ['stock_level', 'owner', 'partition'];
const APPENDED = ['reservation', 'ledger_page', 'idempotency_key'];

export function quarters<T>(samples: T[]): { first: T[]; last: T[] } {
  const size = Math.floor(samples.length / 4);
  if (size === 0) throw new Error('the soak was too short to be judged');
  return { first: samples.slice(0, size), last: samples.slice(-size) };
}

export function judge(samples: Sample[]): Line[] {
  const { first, last } = quarters(samples);
  return [
    ...traffic(first, last),
    ...memory(first, last),
    ...latencies(first, last),
    ...inPlace(first, last),
    ...appended(first, last),
  ];
}

function traffic(first: Sample[], last: Sample[]): Line[] {
  const rate = (some: Sample[]) =>
    sum(some.map(({ interval }) => answersOf(interval).calls)) / sum(some.map(({ seconds }) => seconds));
  const held = (some: Sample[]) => Math.max(...some.map(({ held }) => held));
  const refused = (some: Sample[]) => sum(some.map(({ interval }) => answersOf(interval).failed));
  return [
    compared(
      'calls answered',
      '/s',
      rate,
      first,
      last,
      `× ${RATE_SHARE} at least`,
      (a, b) => b >= a * RATE_SHARE,
    ),
    compared('held at once, most', '', held, first, last, share(HELD_SHARE), (a, b) => b <= a * HELD_SHARE),
    compared('5xx, or no answer', '', refused, first, last, 'none', (a, b) => a + b === 0),
  ];
}

function memory(first: Sample[], last: Sample[]): Line[] {
  const names = Object.keys(first[0].processes);
  const workers = names.filter(isWorker).length;
  const keys = (some: Sample[]) => Math.min(...some.map(({ keys }) => keys));
  const keysMiB = (KEY_BYTES * (keys(last) - keys(first))) / workers / MIB;
  const lines = names.flatMap((name) => {
    const bytes = (some: Sample[]) => Math.min(...some.map(({ processes }) => processes[name].bytes)) / MIB;
    const descriptors = (some: Sample[]) =>
      Math.min(...some.map(({ processes }) => processes[name].descriptors));
    const more = isWorker(name) ? keysMiB : 0;
    const most = (mib: number) => Math.max(mib * MEMORY_SHARE, mib + MEMORY_MIB) + more;
    const tolerance = `${share(MEMORY_SHARE)} or ${MEMORY_MIB} MiB${more > 0 ? `, ${KEY_BYTES} B a key` : ''}`;
    return [
      compared(`memory, ${name}`, 'MiB', bytes, first, last, tolerance, (a, b) => b <= most(a)),
      compared(
        `descriptors, ${name}`,
        '',
        descriptors,
        first,
        last,
        `${share(DESCRIPTORS_SHARE)} or ${DESCRIPTORS}`,
        (a, b) => b <= Math.max(a * DESCRIPTORS_SHARE, a + DESCRIPTORS),
      ),
    ];
  });
  return [...lines, compared('keys in memory', '', keys, first, last, 'grow', () => true)];
}

function latencies(first: Sample[], last: Sample[]): Line[] {
  const frequent = KINDS.filter((kind) =>
    [first, last].every((some) => answersTo(kind, some) >= ANSWERS_MIN),
  );
  const tolerance = `× ${LATENCY_SHARE} + ${LATENCY_MS} ms`;
  return frequent.flatMap((kind) =>
    [0.5, 0.99].map((part) => {
      const at = (some: Sample[]) =>
        median(some.map(({ interval }) => new Latencies(interval.kinds[kind]?.latencies).percentileMs(part)));
      const what = `p${part * 100}, ${kind}`;
      return compared(what, 'ms', at, first, last, tolerance, (a, b) => b <= a * LATENCY_SHARE + LATENCY_MS);
    }),
  );
}

function inPlace(first: Sample[], last: Sample[]): Line[] {
  const sizes = IN_PLACE.map((name) => {
    const mib = (some: Sample[]) => Math.max(...some.map(({ tables }) => whole(tables[name]))) / MIB;
    const most = (a: number) => Math.max(a * TABLE_SHARE, a + TABLE_MIB);
    const tolerance = `${share(TABLE_SHARE)} or ${TABLE_MIB} MiB`;
    return compared(`table ${name}`, 'MiB', mib, first, last, tolerance, (a, b) => b <= most(a));
  });
  const hot = (some: Sample[]) => {
    const [from, to] = [some[0].tables.stock_level, some.at(-1)!.tables.stock_level];
    return (to.hotUpdated - from.hotUpdated) / Math.max(1, to.updated - from.updated);
  };
  const what = 'HOT updates of stock_level, of all';
  return [...sizes, compared(what, '', hot, first, last, `${HOT_MIN} at least`, (_, b) => b >= HOT_MIN)];
}

function appended(first: Sample[], last: Sample[]): Line[] {
  return APPENDED.flatMap((name) => {
    const end = (some: Sample[]) => some.at(-1)!.tables[name];
    const rows = (some: Sample[]) => end(some).inserted - end(some).deleted;
    const each = (of: (table: TableState) => number) => (some: Sample[]) =>
      of(end(some)) / Math.max(1, rows(some));
    const kept = (a: number, b: number) => b <= a * ROW_SHARE;
    const dead = (some: Sample[]) =>
      Math.max(...some.map(({ tables }) => tables[name].dead / Math.max(1, tables[name].inserted)));
    return [
      compared(`${name}: rows`, '', rows, first, last, 'grow', () => true),
      compared(
        `${name}: table, a row`,
        'B',
        each(({ bytes }) => bytes),
        first,
        last,
        share(ROW_SHARE),
        kept,
      ),
      compared(
        `${name}: indexes, a row`,
        'B',
        each(({ indexBytes }) => indexBytes),
        first,
        last,
        share(ROW_SHARE),
        kept,
      ),
      compared(
        `${name}: dead rows, of all`,
        '',
        dead,
        first,
        last,
        `${DEAD_MAX} at most`,
        (_, b) => b <= DEAD_MAX,
      ),
    ];
  });
}

function compared(
  what: string,
  unit: string,
  of: (some: Sample[]) => number,
  first: Sample[],
  last: Sample[],
  tolerance: string,
  holds: (first: number, last: number) => boolean,
): Line {
  const [before, after] = [of(first), of(last)];
  return { what, unit, first: before, last: after, tolerance, holds: holds(before, after) };
}

function share(factor: number): string {
  return `+ ${Math.round((factor - 1) * 100)} %`;
}

function whole({ bytes, indexBytes }: TableState): number {
  return bytes + indexBytes;
}

function isWorker(process: string): boolean {
  return process.startsWith('worker');
}

function answersTo(kind: Kind, some: Sample[]): number {
  return sum(some.map(({ interval }) => sum(Object.values(interval.kinds[kind]?.statuses ?? {}))));
}

/** Of all kinds of calls together. */
export function answersOf({ kinds, lost }: Interval): { calls: number; p99Ms: number; failed: number } {
  const all = Object.values(kinds);
  const statuses = addUp(all.map(({ statuses }) => statuses));
  const of5xx = Object.entries(statuses).filter(([status]) => Number(status) >= 500);
  return {
    calls: sum(Object.values(statuses)),
    p99Ms: Latencies.sum(all.map(({ latencies }) => new Latencies(latencies))).percentileMs(0.99),
    failed: sum(of5xx.map(([, times]) => times)) + lost,
  };
}
