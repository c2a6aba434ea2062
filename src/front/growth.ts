/**
 * How much the counters of every process have grown between two looks at them. A process that has begun anew
 * meanwhile began at 0; of one that did not report at both times nothing can be said, and nothing is.
 */
import type { MetricFamily, MetricSeries, ProcessMetrics } from '../process.ts';

export interface Gathered {
  at: number;
  processes: ProcessMetrics[];
}

type Labels = Record<string, string>;
export type Where = (labels: Labels, process: string) => boolean;
const everywhere: Where = () => true;

/** What histograms have counted, all series together. */
export interface Counted {
  bounds: readonly number[];
  counts: number[];
  sum: number;
}

interface Pair {
  process: string;
  before: MetricFamily[];
  now: MetricFamily[];
}

export class Growth {
  private readonly pairs: Pair[] = [];
  readonly seconds: number;

  constructor(before: Gathered, now: Gathered) {
    this.seconds = Math.max(0.001, (now.at - before.at) / 1000);
    const earlier = new Map(before.processes.map(({ process, families }) => [process, families]));
    for (const { process, families } of now.processes) {
      const was = earlier.get(process);
      if (families === undefined || was === undefined) continue;
      const isSame = startOf(was) === startOf(families);
      this.pairs.push({ process, before: isSame ? was : [], now: families });
    }
  }

  /** Of counters, a second. */
  rate(name: string, where = everywhere): number {
    let grown = 0;
    for (const { series, was, process } of this.eachOf(name)) {
      if (where(series.labels ?? {}, process)) grown += series.value! - (was?.value ?? 0);
    }
    return grown / this.seconds;
  }

  histogram(name: string, where = everywhere): Counted {
    const counted: Counted = { bounds: [], counts: [], sum: 0 };
    for (const { series, was, process, bounds } of this.eachOf(name)) {
      if (!where(series.labels ?? {}, process)) continue;
      counted.bounds = bounds ?? [];
      counted.sum += series.sum! - (was?.sum ?? 0);
      for (const [bucket, count] of series.counts!.entries()) {
        counted.counts[bucket] = (counted.counts[bucket] ?? 0) + count - (was?.counts?.[bucket] ?? 0);
      }
    }
    return counted;
  }

  private *eachOf(name: string) {
    for (const { process, before, now } of this.pairs) {
      const family = now.find((one) => one.name === name);
      if (family === undefined) continue;
      const earlier = new Map(
        before.find((one) => one.name === name)?.series.map((series) => [keyOf(series), series]),
      );
      for (const series of family.series)
        yield { process, series, was: earlier.get(keyOf(series)), bounds: family.bounds };
    }
  }
}

function keyOf({ labels }: MetricSeries): string {
  return labels === undefined ? '' : Object.values(labels).join('\n');
}

function startOf(families: MetricFamily[]): number | undefined {
  return gaugeOf(families, 'process_start_time_seconds');
}

/** Of a metric without labels. */
export function gaugeOf(families: MetricFamily[], name: string): number | undefined {
  return families.find((family) => family.name === name)?.series[0]?.value;
}

export function totalOf({ counts }: Counted): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * As Prometheus does it: evenly spread within a bucket, and no more than the last bound.
 * @returns null where nothing was counted
 */
export function quantile(q: number, counted: Counted): number | null {
  const { bounds, counts } = counted;
  const total = totalOf(counted);
  if (total === 0) return null;
  const rank = q * total;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      if (bucket >= bounds.length) break;
      const low = bucket === 0 ? 0 : bounds[bucket - 1];
      return low + ((bounds[bucket] - low) * (rank - below)) / count;
    }
    below += count;
  }
  return bounds[bounds.length - 1];
}
