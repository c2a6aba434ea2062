/**
 * OpenMetrics text, read as strictly as the specification (1.0.0, https://prometheus.io/docs/specs/om/open_metrics_spec)
 * allows: what Prometheus might forgive is refused here.
 */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const NAME = '[a-zA-Z_][a-zA-Z0-9_]*';
const METADATA = new RegExp(`^# (HELP|TYPE|UNIT) (${NAME})(?: (.*))?$`);
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{((?:${NAME}="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"(?:,(?=${NAME}))?)*)\\})? (\\S+)$`,
);
const LABEL = new RegExp(`(${NAME})="((?:[^"\\\\]|\\\\.)*)"`, 'g');
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;
/** The ends that a sample's name may have beyond its family's. */
const SUFFIXES: Record<string, string[]> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/** @throws Error that names the line at fault */
export function parseOpenMetrics(text: string): Map<string, Family> {
  if (!text.endsWith('# EOF\n')) throw new Error('it does not end with # EOF');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let family: Family | undefined;
  for (const line of text.slice(0, -'# EOF\n'.length).split('\n').slice(0, -1)) {
    const fault = (reason: string): never => {
      throw new Error(`${reason}: ${line}`);
    };
    const [, keyword, name, rest = ''] = METADATA.exec(line) ?? [];
    if (keyword !== undefined) {
      if (family?.name !== name) {
        if (families.has(name)) fault('a family is not in one piece');
        family = { name, type: '', help: '', samples: [] };
        families.set(name, family);
      }
      if (family.samples.length > 0) fault('metadata after samples');
      if (keyword === 'TYPE' && SUFFIXES[rest] === undefined) fault('an unknown type');
      if (keyword === 'TYPE') family.type = rest;
      if (keyword === 'HELP') family.help = rest;
      if (/\\(?![\\"n])|(?<!\\)"/.test(rest)) fault('not escaped');
      continue;
    }
    const [, sampleName, labelText = '', number] = SAMPLE.exec(line) ?? fault('not a sample');
    if (!NUMBER.test(number)) fault('not a number');
    if (family === undefined || !SUFFIXES[family.type]?.some((end) => sampleName === family!.name + end))
      fault('not of the family above');
    const pairs = [...labelText.matchAll(LABEL)].map(([, key, value]) => [key, unescaped(value)] as const);
    const labels = Object.fromEntries(pairs);
    if (Object.keys(labels).length < pairs.length) fault('a label stands twice');
    const identity = `${sampleName} ${JSON.stringify(pairs.toSorted())}`;
    if (seen.has(identity)) fault('a series stands twice');
    seen.add(identity);
    family!.samples.push({ name: sampleName, labels, value: Number(number.replace('Inf', 'Infinity')) });
  }
  for (const one of families.values()) checkFamily(one, families);
  return families;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, character) => (character === 'n' ? '\n' : character));
}

function checkFamily({ name, type, help, samples }: Family, families: Map<string, Family>): void {
  if (type === '' || help === '') throw new Error(`${name} lacks its type or its help`);
  if (/_(total|bucket|sum|count|created)$/.test(name)) throw new Error(`${name} ends like a sample`);
  for (const suffix of ['_total', '_bucket', '_sum', '_count'])
    if (families.has(name + suffix)) throw new Error(`${name}${suffix} clashes with ${name}`);
  for (const { name: sample, value } of samples) {
    if (type === 'counter' && !(value >= 0)) throw new Error(`${sample} is ${value}`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

/** Buckets rise, in order, up to +Inf, which is the count; their bounds are written as OpenMetrics wants them. */
function checkHistogram(name: string, samples: Sample[]): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  for (const [labels, group] of groups) {
    const fault = (reason: string): never => {
      throw new Error(`${name} ${labels}: ${reason}`);
    };
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const [count] = group.filter((sample) => sample.name === `${name}_count`);
    const [sum] = group.filter((sample) => sample.name === `${name}_sum`);
    if (count === undefined || sum === undefined || !(sum.value >= 0)) fault('no count or sum');
    if (buckets.at(-1)?.labels.le !== '+Inf') fault('no bucket for +Inf');
    if (buckets.at(-1)?.value !== count.value) fault('the bucket +Inf is not the count');
    for (const [i, { labels, value }] of buckets.slice(0, -1).entries()) {
      if (!/^\d+\.\d+$/.test(labels.le)) fault(`le="${labels.le}"`);
      if (!(Number(labels.le) < Number(buckets[i + 1].labels.le.replace('+Inf', 'Infinity'))))
        fault('bounds do not rise');
      if (value > buckets[i + 1].value) fault('buckets do not rise');
    }
  }
}

/** The sum of all series of a sample that have these labels. */
export function total(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number {
  const all = [...families.values()].flatMap(({ samples }) => samples);
  return all
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

export async function scrape(url: string): Promise<Map<string, Family>> {
  const response = await fetch(`${url}/metrics`);
  const type = response.headers.get('content-type');
  if (response.status !== 200 || type !== 'application/openmetrics-text; version=1.0.0; charset=utf-8')
    throw new Error(`/metrics was answered ${response.status}, ${type}`);
  return parseOpenMetrics(await response.text());
}
