/**
 * The alert rules and the dashboard, against a live server: every expression is PromQL, and names only metrics, labels and
 * values that this server shows. A renamed metric would else be an alert that never comes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { type Family, scrape } from '../helpers/open-metrics.ts';
import { REPOSITORY, startServer, type TestServer } from '../helpers/server.ts';
import { Shop } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
/** Those that Prometheus itself adds. */
const OWN_METRICS = ['up'];
const OWN_LABELS = ['job', 'instance', 'le'];
const SAMPLES: Record<string, string[]> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

interface Use {
  expression: string;
  /** Labels named in texts beside the expression: `{{child}}` in a legend, `$labels.child` in an annotation. */
  shown: string[];
}

function deployed(path: string): string {
  return readFileSync(join(REPOSITORY, 'deploy', path), 'utf8');
}

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const rules = (
  Bun.YAML.parse(deployed('prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(deployed('grafana/holdfast.json'));

const ofAlerts: Use[] = rules.map(({ expr, annotations }) => ({
  expression: expr,
  shown: [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label),
}));
const ofDashboard: Use[] = [...dashboard.panels, ...dashboard.annotations.list]
  .flatMap((panel) => panel.targets ?? (panel.expr === undefined ? [] : [panel]))
  .map(({ expr, legendFormat, titleFormat }) => ({
    expression: expr.replaceAll('$__rate_interval', '5m'),
    shown: [...(legendFormat ?? titleFormat ?? '').matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label),
  }));

interface Named {
  metrics: string[];
  labels: string[];
  /** `label="value"`, of which metric. */
  values: { metric: string; label: string; value: string }[];
  isPromQl: boolean;
}

function namesIn(expression: string): Named {
  const named: Named = { metrics: [], labels: [], values: [], isPromQl: true };
  let metric = '';
  parser.parse(expression).iterate({
    enter({ name, type, from, to }) {
      const text = expression.slice(from, to);
      if (type.isError) named.isPromQl = false;
      if (name === 'Identifier') {
        metric = text;
        named.metrics.push(text);
      }
      if (name === 'LabelName') named.labels.push(text);
      const [, label, value] = (name === 'UnquotedLabelMatcher' && /^(\w+)="(.*)"$/.exec(text)) || [];
      if (label !== undefined) named.values.push({ metric, label, value });
    },
  });
  return named;
}

let server: TestServer;
let families: Map<string, Family>;
beforeAll(async () => {
  server = await startServer();
  const shop = new Shop(server);
  await shop.put('A', 'x', 1);
  for (let i = 0; i < 2; i++)
    await shop.call('POST', '/v1/reservations', { lines: [{ sku: 'A', quantity: 1 }] });
  families = await scrape(server.url);
}, SLOW_MS);
afterAll(() => server.stop(), SLOW_MS);

function familyOf(metric: string): Family | undefined {
  return [...families.values()].find(({ name, type }) =>
    SAMPLES[type].some((suffix) => metric === name + suffix),
  );
}

/** What in an expression this server does not know. */
function unknownIn({ expression, shown }: Use): string[] {
  const { metrics, labels, values, isPromQl } = namesIn(expression);
  if (!isPromQl || metrics.length === 0) return ['it is not PromQL, or names no metric'];
  const ours = metrics.filter((metric) => !OWN_METRICS.includes(metric));
  const known = new Set([
    ...OWN_LABELS,
    ...ours.flatMap((metric) => familyOf(metric)?.samples.flatMap(({ labels }) => Object.keys(labels)) ?? []),
  ]);
  return [
    ...ours.filter((metric) => familyOf(metric) === undefined),
    ...[...labels, ...shown].filter((label) => !known.has(label)),
    ...values
      .filter(({ metric, label, value }) => {
        if (OWN_METRICS.includes(metric)) return false;
        return !familyOf(metric)?.samples.some((sample) => sample.labels[label] === value);
      })
      .map(({ label, value }) => `${label}="${value}"`),
  ];
}

describe.each([
  ['alerts', ofAlerts, 10],
  ['dashboard', ofDashboard, 30],
] as const)('%s', (_, uses, atLeast) => {
  test('names only what there is', () => {
    expect(uses.length).toBeGreaterThan(atLeast);
    const faults = uses.map((use) => ({ expression: use.expression, unknown: unknownIn(use) }));
    expect(faults.filter(({ unknown }) => unknown.length > 0)).toEqual([]);
  });
});

// The check itself: each of these must be objected to.
test.each([
  ['rate(holdfast_no_such_total[5m])', 'holdfast_no_such_total'],
  ['rate(holdfast_commits[5m])', 'holdfast_commits'],
  ['sum by (nothing) (holdfast_process_up)', 'nothing'],
  ['holdfast_partitions{state="gone"}', 'state="gone"'],
  ['sum(rate(holdfast_commits_total[5m]) > ', 'it is not PromQL, or names no metric'],
])('%s is objected to', (expression, unknown) => {
  expect(unknownIn({ expression, shown: [] })).toContain(unknown);
});

test('every alert says what it is, how bad, and what to do', () => {
  for (const { alert, labels, annotations } of rules) {
    expect(alert).toMatch(/^Holdfast[A-Z][A-Za-z]+$/);
    expect(['page', 'ticket']).toContain(labels.severity);
    expect(annotations.summary.length).toBeGreaterThan(10);
    expect(annotations.description.length).toBeGreaterThan(60);
  }
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('the README names only what there is', () => {
  const readme = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
  const named = [...readme.matchAll(/`((?:holdfast|process)_[a-z_]+)`/g)].map(([, metric]) => metric);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((metric) => familyOf(metric) === undefined && !families.has(metric))).toEqual([]);
});

test('the dashboard shows every metric', () => {
  const shown = new Set(ofDashboard.flatMap(({ expression }) => namesIn(expression).metrics.map(familyOf)));
  const missing = [...families.values()].filter((family) => !shown.has(family));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('panels do not overlap, and each asks the chosen data source', () => {
  const taken = new Set<string>();
  for (const { title, gridPos, targets = [] } of dashboard.panels) {
    for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        expect([title, taken.has(`${x} ${y}`), x < 24]).toEqual([title, false, true]);
        taken.add(`${x} ${y}`);
      }
    for (const { datasource } of targets) expect(datasource.uid).toMatch(/^\$\{datasource\}$/);
  }
});
