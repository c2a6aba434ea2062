/**
 * What this process counts, as plain numbers: the hot path adds to a field or an array that is there
 * already, and everything else (names, labels, text) is made when somebody asks.
 *
 * Names follow the Prometheus conventions: base units, the unit at the end, `_total` for counters, which is
 * added where the text is made. A metric that is made again, as by a second front in one test process, takes the
 * place of the first.
 */
import type { MetricFamily, MetricSeries } from '../process.ts';

type Labels = Record<string, string>;
type Series = () => MetricSeries[];

const families = new Map<string, { family: Omit<MetricFamily, 'series'>; series: Series }>();

function register(family: Omit<MetricFamily, 'series'>, series: Series): void {
  families.set(family.name, { family, series });
}

/** Everything that this process knows now. */
export function reportMetrics(): MetricFamily[] {
  return [...families.values()].map(({ family, series }) => ({ ...family, series: series() }));
}

/** Goes up; `count.value++` is how. */
export interface Count {
  value: number;
}

export function counter(name: string, help: string): Count {
  const count = { value: 0 };
  register({ name, help, type: 'counter' }, () => [{ value: count.value }]);
  return count;
}

/** One count for each value of a label: `counts[index]++`. */
export function counterBy(
  name: string,
  help: string,
  label: string,
  values: readonly string[],
): Float64Array {
  const counts = new Float64Array(values.length);
  register({ name, help, type: 'counter' }, () =>
    values.map((value, i) => ({ labels: { [label]: value }, value: counts[i] })),
  );
  return counts;
}

/** A value that is looked up when somebody asks; a list of them where they have labels. */
type Reading = number | { labels: Labels; value: number }[];

/** Counted elsewhere. */
export function counterOf(name: string, help: string, read: () => Reading): void {
  register({ name, help, type: 'counter' }, () => seriesOf(read()));
}

export function gauge(name: string, help: string, read: () => Reading): void {
  register({ name, help, type: 'gauge' }, () => seriesOf(read()));
}

function seriesOf(reading: Reading): MetricSeries[] {
  return typeof reading === 'number' ? [{ value: reading }] : reading;
}

export class Histogram {
  readonly counts: Float64Array;
  sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]) bucket++;
    this.counts[bucket]++;
    this.sum += value;
  }

  series(labels?: Labels): MetricSeries {
    return { labels, counts: [...this.counts], sum: this.sum };
  }
}

export function histogram(name: string, help: string, bounds: readonly number[]): Histogram {
  const observed = new Histogram(bounds);
  register({ name, help, type: 'histogram', bounds }, () => [observed.series()]);
  return observed;
}

/** Histograms that come one by one, each with labels of its own. */
export function histograms(name: string, help: string, bounds: readonly number[], read: Series): void {
  register({ name, help, type: 'histogram', bounds }, read);
}

/** Bounds for what takes from a fraction of a millisecond to a request's deadline. */
export const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10] as const;
