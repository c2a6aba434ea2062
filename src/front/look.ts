/** From what was gathered, now and before, to what the dashboard shows: no I/O, no clock. */
import packageJson from '../../package.json' with { type: 'json' };
import type { Live, Partitions, Point, ProblemRow, ProcessRow } from '../dashboard/live.ts';
import type { MetricFamily, ProcessMetrics } from '../process.ts';
import { PROBLEMS } from '../reservations/outcomes.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { HotSku, PartitionStatus, WorkerStatus } from '../wire/messages.ts';
import { type Gathered, Growth, gaugeOf, quantile, totalOf, type Where } from './growth.ts';
import { readinessOf } from './operations.ts';
import { verdictOf } from './verdict.ts';

/** Everything that was asked for at one time. */
export interface Look extends Gathered {
  map: PartitionMap;
  statuses: (WorkerStatus | undefined)[];
  hottest: HotSku[];
}

const STATUS_OF = new Map<string, number>(PROBLEMS.map(({ code, status }) => [code, status]));
const isOfApi: Where = ({ route }) => route?.startsWith('/v1/');
/** What takes as long as it is large says nothing about how long others wait. */
const BULK = ['/v1/stock/import', '/v1/stock/export', '/v1/reservations/batch'];
const isTimed: Where = (labels, process) => isOfApi(labels, process) && !BULK.includes(labels.route);
const isFailure: Where = ({ code }) => STATUS_OF.get(code)! >= 500;

/**
 * @param before the look before this one; absent at the first
 * @param earlier one some seconds ago, for what would jump from second to second
 */
export function liveOf(now: Look, before: Look | undefined, earlier: Look | undefined): Live {
  const recent = earlier && new Growth(earlier, now);
  const { missing, serving } = readinessOf(now.map, now.statuses);
  const database = databaseOf(now.statuses);
  const processes = processRows(now.processes, recent);
  const [postgres] = seriesOf(now.processes, 'holdfast_postgres_restarts');
  const embedded = postgres && { process: 'postgres', up: database !== 'down', restarts: postgres.value };
  const commitP99 = recent
    ? milliseconds(quantile(0.99, recent.histogram('holdfast_commit_duration_seconds')))
    : null;
  const failed = recent?.rate('holdfast_http_problems', isFailure) ?? 0;
  const requests = recent?.rate('holdfast_http_requests', isOfApi) ?? 0;
  return {
    at: now.at,
    version: packageJson.version,
    verdict: verdictOf({
      missing,
      silent: processes.filter(({ up }) => !up).map(({ process }) => process),
      failedShare: requests === 0 ? 0 : Math.min(1, failed / requests),
      latencyP99: recent ? latency(0.99, recent) : null,
      commitP99,
      commitFailures: recent?.rate('holdfast_commit_failures') ?? 0,
      deepest: deepestOf(now.statuses),
      lags: processes.map(({ process, lagP99 = null }) => ({ process, lagP99 })),
    }),
    point: before && pointOf(now, new Growth(before, now)),
    database,
    serving,
    held: total(now.processes, 'holdfast_reservations_held'),
    commitRate: round(recent?.rate('holdfast_commits') ?? 0),
    commitP99,
    partitions: partitionsOf(now, before),
    problems: problemRows(now.processes, recent),
    // The embedded one is the supervisor's to know of.
    processes: embedded === undefined ? processes : [...processes, embedded],
    hottest: now.hottest.map((sku) => ({ ...sku, asked: round(sku.asked) })),
  };
}

function pointOf({ at, statuses }: Look, growth: Growth): Point {
  const batches = growth.histogram('holdfast_batch_commands');
  const count = totalOf(batches);
  return {
    at,
    requests: round(growth.rate('holdfast_http_requests', isOfApi)),
    granted: round(growth.rate('holdfast_reservations_granted')),
    refused: round(growth.rate('holdfast_http_problems', ({ code }) => code === 'insufficient-stock')),
    failed: round(growth.rate('holdfast_http_problems', isFailure)),
    p50: latency(0.5, growth),
    p99: latency(0.99, growth),
    batchMean: count === 0 ? null : round(batches.sum / count),
    batchP99: count === 0 ? null : round(quantile(0.99, batches)!),
    waiting: eachPartition(statuses).reduce((sum, { mailboxDepth }) => sum + mailboxDepth, 0),
    deepest: deepestOf(statuses),
  };
}

function latency(q: number, growth: Growth): number | null {
  return milliseconds(quantile(q, growth.histogram('holdfast_http_request_duration_seconds', isTimed)));
}

function eachPartition(statuses: Look['statuses']): PartitionStatus[] {
  return statuses.flatMap((status) => status?.partitions ?? []);
}

function deepestOf(statuses: Look['statuses']): number {
  return eachPartition(statuses).reduce((deepest, { mailboxDepth }) => Math.max(deepest, mailboxDepth), 0);
}

function databaseOf(statuses: Look['statuses']): Live['database'] {
  const heard = statuses.filter((status) => status !== undefined);
  if (heard.some(({ databaseProblem }) => databaseProblem !== undefined)) return 'down';
  return heard.length === 0 ? 'unknown' : 'up';
}

function partitionsOf({ map, statuses, at }: Look, before: Look | undefined): Partitions {
  const now = byOwner(map, statuses);
  const was = before && byOwner(before.map, before.statuses);
  const seconds = before ? (at - before.at) / 1000 : 1;
  return {
    worker: map.owner,
    serving: now.map((one) => one?.state === 'serving'),
    epoch: now.map((one) => one?.epoch ?? null),
    levels: now.map((one) => one?.levels ?? null),
    held: now.map((one) => one?.held ?? null),
    depth: now.map((one) => one?.mailboxDepth ?? null),
    rate: now.map((one, partition) => {
      const earlier = was?.[partition];
      if (one === undefined || earlier === undefined) return null;
      // An owner that has begun anew began at 0.
      const grown = one.commands - (one.epoch === earlier.epoch ? earlier.commands : 0);
      return round(Math.max(0, grown) / seconds);
    }),
  };
}

/** By partition, what its owner says of it. */
function byOwner(map: PartitionMap, statuses: Look['statuses']): (PartitionStatus | undefined)[] {
  const owned = new Array<PartitionStatus | undefined>(map.owner.length);
  for (const [worker, status] of statuses.entries())
    for (const one of status?.partitions ?? [])
      if (map.owner[one.partition] === worker) owned[one.partition] = one;
  return owned;
}

function problemRows(processes: ProcessMetrics[], recent: Growth | undefined): ProblemRow[] {
  const totals = new Map<string, number>();
  for (const { labels, value } of seriesOf(processes, 'holdfast_http_problems'))
    totals.set(labels!.code, (totals.get(labels!.code) ?? 0) + value!);
  return PROBLEMS.flatMap(({ code, title, status }) => {
    const total = totals.get(code) ?? 0;
    if (total === 0) return [];
    const rate = recent?.rate('holdfast_http_problems', (labels) => labels.code === code) ?? 0;
    return [{ code, title, status, rate: round(rate), total }];
  }).sort((a, b) => b.rate - a.rate || b.total - a.total);
}

function processRows(processes: ProcessMetrics[], recent: Growth | undefined): ProcessRow[] {
  const restarts = new Map(
    seriesOf(processes, 'holdfast_child_restarts').map(({ labels, value }) => [labels!.child, value]),
  );
  return processes.map(({ process, pid, families }): ProcessRow => {
    const row = { process, up: families !== undefined, pid, restarts: restarts.get(process) };
    if (families === undefined) return row;
    const isIts: Where = (_labels, name) => name === process;
    const lag = recent && quantile(0.99, recent.histogram('holdfast_event_loop_lag_seconds', isIts));
    return {
      ...row,
      startedAt: Math.round(gaugeOf(families, 'process_start_time_seconds')! * 1000),
      memoryBytes: gaugeOf(families, 'process_resident_memory_bytes'),
      cpu: recent && round(recent.rate('process_cpu_seconds', isIts)),
      lagP99: milliseconds(lag ?? null) ?? undefined,
    };
  });
}

function seriesOf(processes: ProcessMetrics[], name: string): MetricFamily['series'] {
  return processes.flatMap(
    ({ families = [] }) => families.find((family) => family.name === name)?.series ?? [],
  );
}

function total(processes: ProcessMetrics[], name: string): number {
  return seriesOf(processes, name).reduce((sum, { value }) => sum + value!, 0);
}

function milliseconds(seconds: number | null): number | null {
  return seconds === null ? null : round(seconds * 1000);
}

/** Three digits are more than anyone reads from a curve. */
function round(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
