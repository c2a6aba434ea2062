/** OpenMetrics text, as this server writes it, and what two readings of it say about the time between them. */

type Labels = Record<string, string>;
/** Whether a series with these labels is asked for. */
export type Wanted = (labels: Labels) => boolean;

interface Series {
  labels: Labels;
  value: number;
}

const LINE = /^([a-zA-Z_]\w*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export class Metrics {
  private readonly byName = new Map<string, Series[]>();

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [, name, labels = '', value] = LINE.exec(line) ?? [];
      if (name === undefined) continue;
      const series = { labels: labelsFrom(labels), value: Number(value) };
      const others = this.byName.get(name);
      if (others === undefined) this.byName.set(name, [series]);
      else others.push(series);
    }
  }

  of(name: string): readonly Series[] {
    return this.byName.get(name) ?? [];
  }

  /** Over all series that have these labels. */
  sum(name: string, labels: Labels = {}): number {
    return sum(this.of(name).filter((series) => hasLabels(series, labels)));
  }
}

/** How much a counter rose, over all series that are asked for; one that began anew rose from 0. */
export function rise(before: Metrics, after: Metrics, name: string, wanted: Wanted = () => true): number {
  const old = new Map(before.of(name).map(({ labels, value }) => [JSON.stringify(labels), value]));
  let total = 0;
  for (const { labels, value } of after.of(name)) {
    if (!wanted(labels)) continue;
    const from = old.get(JSON.stringify(labels)) ?? 0;
    total += value < from ? value : value - from;
  }
  return total;
}

/**
 * A quantile of what a histogram observed between the readings, evenly spread within a bucket, as Prometheus does it;
 * undefined where it observed nothing.
 */
export function quantile(
  part: number,
  before: Metrics,
  after: Metrics,
  name: string,
  wanted: Wanted = () => true,
): number | undefined {
  const bounds = [...new Set(after.of(`${name}_bucket`).map(({ labels }) => labels.le))]
    .map((le) => ({ le, bound: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) }))
    .sort((a, b) => a.bound - b.bound);
  const upTo = bounds.map(({ le }) =>
    rise(before, after, `${name}_bucket`, (labels) => labels.le === le && wanted(labels)),
  );
  const total = upTo.at(-1) ?? 0;
  if (total === 0) return undefined;
  const bucket = upTo.findIndex((count) => count >= part * total);
  const [from, below] = bucket === 0 ? [0, 0] : [bounds[bucket - 1].bound, upTo[bucket - 1]];
  const to = bounds[bucket].bound;
  return to === Number.POSITIVE_INFINITY
    ? from
    : from + (to - from) * ((part * total - below) / (upTo[bucket] - below));
}

function labelsFrom(text: string): Labels {
  return Object.fromEntries([...text.matchAll(LABEL)].map(([, name, value]) => [name, value]));
}

function hasLabels({ labels }: Series, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

function sum(series: Series[]): number {
  return series.reduce((total, { value }) => total + value, 0);
}
