/** What `status` and `top` show: the state of a server, and what it did between two looks at it. */
import type { Caller } from '../client/caller.ts';
import type { PartitionTable, Readiness } from '../client/types.ts';
import { Metrics, quantile, rise, type Wanted } from './metrics.ts';
import { metricsText, partitionTable, readiness } from './operations.ts';

/** One look. */
export interface Look {
  atMs: number;
  readiness: Readiness;
  table: PartitionTable;
  metrics: Metrics;
}

export async function look(caller: Caller, signal: AbortSignal): Promise<Look> {
  const [ready, table, text] = await Promise.all([
    readiness(caller, signal),
    partitionTable(caller, signal),
    metricsText(caller, signal),
  ]);
  return { atMs: performance.now(), readiness: ready, table, metrics: new Metrics(text) };
}

/** Everything a second, unless the name says otherwise. */
export interface Overview {
  ready: boolean;
  missing: string[];
  version: string | undefined;
  mapVersion: number;
  partitions: { total: number; serving: number };
  levels: number;
  held: number;
  /** How long the looks are apart, in seconds. */
  overSeconds: number;
  rates: {
    requests: number;
    granted: number;
    refused: number;
    confirmed: number;
    cancelled: number;
    expired: number;
    commits: number;
  };
  /** Absent where nothing was observed. */
  latency: { p50Ms?: number; p99Ms?: number; commitP50Ms?: number };
  workers: WorkerView[];
  fronts: FrontView[];
  /** Those in which most commands wait or most reservations are held, most first. */
  fullest: { partition: number; worker: number; levels: number; held: number; waiting: number }[];
}

interface ProcessView {
  up: boolean;
  /** Cores. */
  cpu: number;
  memoryBytes: number;
}

export interface WorkerView extends ProcessView {
  worker: number;
  partitions: number;
  serving: number;
  levels: number;
  held: number;
  waiting: number;
  commands: number;
  commits: number;
}

export interface FrontView extends ProcessView {
  front: number;
  requests: number;
  inFlight: number;
}

const FULLEST_SHOWN = 5;
const REQUESTS = 'holdfast_http_requests_total';
const ofApi: Wanted = ({ route }) => route?.startsWith('/v1/') ?? false;
const isRefusal: Wanted = (labels) => ofApi(labels) && labels.status === '409';

export function overview(before: Look, after: Look): Overview {
  const { metrics, table, readiness: ready } = after;
  const between = new Between(before, after);
  return {
    ready: ready.status === 'ready',
    missing: ready.missing,
    version: metrics.of('holdfast_build_info')[0]?.labels.version,
    mapVersion: table.mapVersion,
    partitions: ready.partitions,
    levels: metrics.sum('holdfast_stock_levels'),
    held: metrics.sum('holdfast_reservations_held'),
    overSeconds: between.seconds,
    rates: between.rates(),
    latency: between.latency(),
    workers: numbersOf(metrics, 'worker').map((worker) => between.worker(worker)),
    fronts: numbersOf(metrics, 'front').map((front) => between.front(front)),
    fullest: fullest(table),
  };
}

/** What happened from one look to the next. */
class Between {
  readonly seconds: number;

  constructor(
    private readonly before: Look,
    private readonly after: Look,
  ) {
    this.seconds = (after.atMs - before.atMs) / 1000;
  }

  rates(): Overview['rates'] {
    const closed = (wanted: string): number =>
      this.each('holdfast_reservations_closed_total', ({ outcome }) => outcome === wanted);
    return {
      requests: this.each(REQUESTS, ofApi),
      granted: this.each('holdfast_reservations_granted_total'),
      refused: this.each(REQUESTS, isRefusal),
      confirmed: closed('confirmed'),
      cancelled: closed('cancelled'),
      expired: closed('expired'),
      commits: this.each('holdfast_commits_total'),
    };
  }

  latency(): Overview['latency'] {
    const duration = 'holdfast_http_request_duration_seconds';
    return {
      p50Ms: this.ms(0.5, duration, ofApi),
      p99Ms: this.ms(0.99, duration, ofApi),
      commitP50Ms: this.ms(0.5, 'holdfast_commit_duration_seconds'),
    };
  }

  worker(worker: number): WorkerView {
    const process = `worker ${worker}`;
    const { metrics, table } = this.after;
    const owned = table.partitions.filter((partition) => partition.worker === worker);
    return {
      worker,
      ...this.process(process),
      partitions: owned.length,
      serving: owned.filter(({ state }) => state === 'serving').length,
      levels: metrics.sum('holdfast_stock_levels', { process }),
      held: metrics.sum('holdfast_reservations_held', { process }),
      waiting: metrics.sum('holdfast_mailbox_commands', { process }),
      commands: this.each('holdfast_commands_total', (labels) => labels.process === process),
      commits: this.each('holdfast_commits_total', (labels) => labels.process === process),
    };
  }

  front(front: number): FrontView {
    const process = `front ${front}`;
    return {
      front,
      ...this.process(process),
      requests: this.each(REQUESTS, (labels) => labels.process === process && ofApi(labels)),
      inFlight: this.after.metrics.sum('holdfast_http_requests_in_flight', { process }),
    };
  }

  private process(process: string): ProcessView {
    const { metrics } = this.after;
    return {
      up: metrics.sum('holdfast_process_up', { process }) === 1,
      cpu: this.each('process_cpu_seconds_total', (labels) => labels.process === process),
      memoryBytes: metrics.sum('process_resident_memory_bytes', { process }),
    };
  }

  private each(name: string, wanted?: Wanted): number {
    return rise(this.before.metrics, this.after.metrics, name, wanted) / this.seconds;
  }

  private ms(part: number, name: string, wanted?: Wanted): number | undefined {
    const seconds = quantile(part, this.before.metrics, this.after.metrics, name, wanted);
    return seconds === undefined ? undefined : seconds * 1000;
  }
}

/** The numbers of these processes, also of those that do not report. */
function numbersOf(metrics: Metrics, role: 'worker' | 'front'): number[] {
  return metrics
    .of('holdfast_process_up')
    .map(({ labels }) => labels.process.split(' '))
    .filter(([kind]) => kind === role)
    .map(([, number]) => Number(number));
}

function fullest({ partitions }: PartitionTable): Overview['fullest'] {
  return partitions
    .map(({ partition, worker, levels = 0, held = 0, mailboxDepth = 0 }) => ({
      partition,
      worker,
      levels,
      held,
      waiting: mailboxDepth,
    }))
    .filter(({ held, waiting }) => held + waiting > 0)
    .sort((a, b) => b.waiting - a.waiting || b.held - a.held)
    .slice(0, FULLEST_SHOWN);
}
