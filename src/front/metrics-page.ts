/**
 * /metrics: what every process counts, whichever front is asked, as OpenMetrics text.
 *
 * Each series keeps the label `process`, and they are not added up here: the counters of a process begin anew when
 * it is restarted, and only within the series of one process can Prometheus tell that from a fall. It adds up
 * itself. So one front is scraped, not each of them.
 */
import { AggregatorRegistry, Registry } from 'prom-client';
import type { MetricFamily, MetricSeries, ProcessMetrics } from '../process.ts';
import type { CallContext } from './context.ts';

const { OPENMETRICS_CONTENT_TYPE } = Registry;

export async function metricsPage({ gather }: CallContext): Promise<Response> {
  const text = await openMetrics(await gather());
  return new Response(text, {
    headers: { 'content-type': OPENMETRICS_CONTENT_TYPE, 'cache-control': 'no-store' },
  });
}

/** A sample as prom-client's processes hand them to each other. */
interface Sample {
  metricName?: string;
  labels: Record<string, string>;
  value: number;
}

export function openMetrics(processes: ProcessMetrics[]): Promise<string> {
  const up = processes.map(({ process, families }) => ({
    labels: { process },
    value: families === undefined ? 0 : 1,
  }));
  const reports = processes.map(({ process, families = [] }) =>
    families.map((family) => ({
      name: family.name,
      help: family.help,
      type: family.type,
      aggregator: 'sum',
      values: family.series.flatMap((series) => samplesOf(family, series, process)),
    })),
  );
  const reported = {
    name: 'holdfast_process_up',
    help: 'Whether the process reported its metrics in time',
    type: 'gauge',
    aggregator: 'sum',
    values: up,
  };
  const all = AggregatorRegistry.aggregate([[reported], ...reports]);
  all.setContentType(OPENMETRICS_CONTENT_TYPE);
  return all.metrics();
}

function samplesOf({ name, type, bounds }: MetricFamily, series: MetricSeries, process: string): Sample[] {
  const labels = { process, ...series.labels };
  if (type !== 'histogram') return [{ labels, value: series.value! }];
  let below = 0;
  const buckets = series.counts!.map((count, bucket) => {
    below += count;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: boundOf(bounds![bucket]) },
      value: below,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: series.sum! },
    { metricName: `${name}_count`, labels, value: below },
  ];
}

/** As OpenMetrics wants it, always the same text for the same number: 1.0, never 1. */
function boundOf(bound: number | undefined): string {
  if (bound === undefined) return '+Inf';
  return Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
}
