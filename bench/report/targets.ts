/** What Holdfast is to reach on a machine of two cores with everything on it, as ratios within one run, beside what it has reached. */
import { ADMITTED_WAIT_MS } from '../../src/limits.ts';
import { serverCpu } from '../cpu.ts';
import { LAST, QUIET } from '../experiments/expiry.ts';
import { EXPIRED, LARGE } from '../experiments/growth.ts';
import { HALF } from '../experiments/latency.ts';
import { GROWTH, OTHERWISE, PEAK, REFUSED, SPINNING, timesPeak, UNADVISED } from '../experiments/overload.ts';
import { count, readable } from '../numbers.ts';
import type { Figure, Result } from '../results.ts';
import { table } from './table.ts';

/** A figure, by where it is; undefined if it was not measured. */
type Find = (workload: string, server: string, what?: string, connections?: number) => Figure | undefined;
type Value = (find: Find) => number | undefined;

interface Target {
  title: string;
  /** Absent: it is only quoted. */
  wanted?: { least: number } | { most: number };
  value: Value;
}

const FEW = 64;
const MANY = 256;
const MILLION = 1_000_000;
const GIB_IN_MIB = 1024;

/** How much of `base` a figure is, where both were measured. */
const ratio =
  (figure: (find: Find) => Figure | undefined, base: (find: Find) => Figure | undefined): Value =>
  (find) =>
    quotient(figure(find)?.value, base(find)?.value);
const of =
  (workload: string, server: string, what?: string, connections?: number) =>
  (find: Find): Figure | undefined =>
    find(workload, server, what, connections);

/** Holdfast against another server of the same workload. */
function against(workload: string, server: string, connections: number, least: number): Target {
  return {
    title: `${workload}, ${connections} connections: of ${server}`,
    wanted: { least },
    value: ratio(
      of(workload, 'holdfast', undefined, connections),
      of(workload, server, undefined, connections),
    ),
  };
}

function hotOfUniform(connections: number): Target {
  return {
    title: `hot, ${connections} connections: of uniform`,
    wanted: { least: 0.95 },
    value: ratio(
      of('hot', 'holdfast', undefined, connections),
      of('uniform', 'holdfast', undefined, connections),
    ),
  };
}

const TARGETS: Target[] = [
  against('uniform', 'no-op', MANY, 0.7),
  against('uniform', 'no-op', FEW, 0.5),
  hotOfUniform(FEW),
  hotOfUniform(MANY),
  against('uniform', 'transaction', FEW, 8),
  against('hot', 'transaction', FEW, 20),
  against('uniform', 'statement', FEW, 3),
  against('hot', 'statement', FEW, 12),
  against('uniform', 'redis always', FEW, 1.2),
  against('hot', 'redis always', FEW, 1.2),
  {
    title: 'sale: holds and confirmations a second, of holds alone',
    wanted: { least: 1 },
    value: (find) =>
      twice(ratio(of('sale', 'holdfast', 'hold + confirm'), of('sale', 'holdfast', 'hold'))(find)),
  },
  {
    title: 'sale: holds and cancellations a second, of holds alone',
    wanted: { least: 1 },
    value: (find) =>
      twice(ratio(of('sale', 'holdfast', 'hold + cancel'), of('sale', 'holdfast', 'hold'))(find)),
  },
  {
    title: 'sale: CPU µs of front, worker and Postgres for a confirmation, of those for a hold',
    value: (find) => secondOfTwo(find, 'hold + confirm'),
  },
  {
    title: 'sale: the same for a cancellation',
    value: (find) => secondOfTwo(find, 'hold + cancel'),
  },
  {
    title: 'multi: reservations of 3 lines a second, of those of 1 line',
    value: ratio(of('multi', 'holdfast', '3 lines'), of('multi', 'holdfast', '1 line')),
  },
  {
    title: 'sold-out: refusals of the no-op POST',
    wanted: { least: 0.9 },
    value: ratio(of('sold-out', 'holdfast'), of('sold-out', 'no-op')),
  },
  {
    title: 'reads: of the no-op GET',
    wanted: { least: 0.8 },
    value: ratio(of('reads', 'holdfast'), of('reads', 'no-op')),
  },
  {
    title: 'batch: of COPY',
    wanted: { least: 0.5 },
    value: ratio(of('batch', 'holdfast'), of('batch', 'COPY')),
  },
  {
    title: 'batch: durable reservations a second',
    wanted: { least: 100_000 },
    value: (find) => find('batch', 'holdfast')?.value,
  },
  {
    title: 'latency at half of the peak: p99, of that of an empty transaction',
    wanted: { most: 5 },
    value: (find) =>
      quotient(find('latency', 'holdfast', HALF)?.p99Ms, find('latency', 'empty transaction')?.p99Ms),
  },
  {
    title: 'latency at half of the peak: p99.9, ms',
    value: (find) => find('latency', 'holdfast', HALF)?.p999Ms,
  },
  {
    title: 'overload: held at 5 times the peak, of the peak',
    wanted: { least: 0.8 },
    value: ratio(of('overload', 'holdfast', timesPeak(5)), of('overload', 'holdfast', PEAK)),
  },
  {
    title: 'overload: p99 of what is held at 5 times the peak, from its onset on, ms',
    wanted: { most: 3 * ADMITTED_WAIT_MS },
    value: (find) => find('overload', 'holdfast', timesPeak(5))?.p99Ms,
  },
  {
    title: 'overload: p99 of refusals at 5 times the peak, ms',
    wanted: { most: 50 },
    value: (find) => find('overload', 'holdfast', REFUSED)?.p99Ms,
  },
  {
    title: 'overload: held with clients that come back at once, of the peak',
    wanted: { least: 0.8 },
    value: ratio(of('overload', 'holdfast', SPINNING), of('overload', 'holdfast', PEAK)),
  },
  {
    title: 'overload: refusals without Retry-After',
    wanted: { most: 0 },
    value: (find) => find('overload', 'holdfast', UNADVISED)?.value,
  },
  {
    title: 'overload: neither held nor refused',
    wanted: { most: 0 },
    value: (find) => find('overload', 'holdfast', OTHERWISE)?.value,
  },
  {
    title: 'overload: growth of front and worker, MiB',
    wanted: { most: 64 },
    value: (find) => find('overload', 'holdfast', GROWTH)?.value,
  },
  {
    title: 'expiry: p99 of others through the burst, of that without',
    value: (find) =>
      quotient(find('expiry', 'holdfast', 'through')?.p99Ms, find('expiry', 'holdfast', QUIET)?.p99Ms),
  },
  {
    title: 'expiry: the last of the burst, s late',
    wanted: { most: 1 },
    value: (find) => find('expiry', 'holdfast', LAST)?.value,
  },
  {
    title: 'import: of COPY',
    wanted: { least: 0.5 },
    value: ratio(of('import', 'holdfast'), of('import', 'COPY')),
  },
  {
    title: 'recovery: s from a cold start with 1,000,000 levels and 1,000,000 held',
    wanted: { most: 6 },
    value: (find) => find('recovery', 'holdfast', sizes(MILLION, MILLION))?.value,
  },
  {
    title: 'memory: B of a level besides its key',
    wanted: { most: 64 },
    value: (find) => find('memory', 'a level')?.value,
  },
  {
    title: 'memory: B of a held reservation',
    wanted: { most: 128 },
    value: (find) => find('memory', 'a held reservation')?.value,
  },
  {
    title: 'memory: MiB of a worker with 10,000,000 levels',
    wanted: { most: 2 * GIB_IN_MIB },
    value: (find) => find('memory', 'a worker in all', `${count(10 * MILLION)} levels`)?.value,
  },
  {
    title: 'growth: on the large stock, of 10,000 levels',
    wanted: { least: 0.9 },
    value: ratio(of('growth', LARGE), of('growth', 'holdfast')),
  },
  {
    title: 'growth: holds on the large stock that expire, late by at most, s',
    wanted: { most: 1 },
    value: (find) => find('growth', LARGE, EXPIRED)?.value,
  },
];

export function targetTable(results: Result[]): string | undefined {
  // `what` may be the beginning of what a figure is called.
  const find: Find = (workload, server, what, connections) =>
    results
      .find(
        (result) =>
          result.workload === workload && (connections === undefined || result.connections === connections),
      )
      ?.figures.find(
        (figure) => figure.server === server && (what === undefined || figure.what?.startsWith(what)),
      );
  const rows = TARGETS.flatMap(({ title, wanted, value }) => {
    const is = value(find);
    return is === undefined ? [] : [[title, wantedText(wanted), count(readable(is)), verdict(is, wanted)]];
  });
  return rows.length === 0 ? undefined : table(['target', 'wanted', 'is', ''], rows, [0, 1, 3]);
}

function sizes(levels: number, held: number): string {
  return `${count(levels)} levels, ${count(held)} held`;
}

function quotient(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined ? undefined : value / base;
}

/** Of what is two requests. */
function twice(value: number | undefined): number | undefined {
  return value === undefined ? undefined : 2 * value;
}

/** What the second of two requests takes, of what the first takes alone. */
function secondOfTwo(find: Find, both: string): number | undefined {
  const micros = (what: string) => {
    const cpu = find('sale', 'holdfast', what)?.load?.cpuMicros;
    return cpu && serverCpu(cpu);
  };
  const [two, one] = [micros(both), micros('hold')];
  return two === undefined || one === undefined ? undefined : (two - one) / one;
}

function wantedText(wanted: Target['wanted']): string {
  if (wanted === undefined) return 'quoted';
  return 'least' in wanted ? `≥ ${count(wanted.least)}` : `≤ ${count(wanted.most)}`;
}

function verdict(is: number, wanted: Target['wanted']): string {
  if (wanted === undefined) return '';
  return ('least' in wanted ? is >= wanted.least : is <= wanted.most) ? 'reached' : 'MISSED';
}
