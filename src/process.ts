/**
 * What the supervisor hands to the processes that it starts, and what they say to each other.
 * A child gets its spec as JSON in HOLDFAST_SPEC and talks over Bun's IPC channel; when the channel
 * breaks, the supervisor is gone and the child ends itself.
 */
import type { PartitionMap } from './routing/partition-map.ts';

export interface DatabaseSpec {
  /** A postgres:// URL; or, for the embedded database, the folder of its Unix socket. */
  url?: string;
  socketFolder?: string;
  port?: number;
  user?: string;
  database?: string;
}

export interface WorkerSpec {
  role: 'worker';
  worker: number;
  database: DatabaseSpec;
  map: PartitionMap;
  retention: Retention;
}

/** For how long what is over is kept, in milliseconds. */
export interface Retention {
  /** Entries of the ledger and closed reservations; undefined: for ever. */
  historyMs?: number;
  /** Idempotency keys. */
  keysMs: number;
}

export interface FrontSpec {
  role: 'front';
  front: number;
  host: string;
  port: number;
  map: PartitionMap;
  /** How many there are of them. */
  fronts: number;
  /** Only this machine reaches it, so that it needs no API keys as long as there has never been one. */
  mayBeOpen: boolean;
  tls?: TlsFiles;
}

/** Paths of PEM files. */
export interface TlsFiles {
  /** The certificate, and those that it was signed by. */
  cert: string;
  key: string;
}

/** Child → supervisor. */
export type FromChild =
  /** It listens; a worker may still be loading partitions. */
  | { type: 'ready' }
  | { type: 'fatal'; message: string }
  /** Its metrics, as it was told to report them. */
  | { type: 'metrics'; families: MetricFamily[] }
  /** A front was asked for the metrics of every process. */
  | { type: 'gather' };
/** Supervisor → child. */
export type ToChild =
  | { type: 'drain' }
  | { type: 'report' }
  /** The answer to `gather`. */
  | { type: 'gathered'; processes: ProcessMetrics[] };

/** What one process knew at one moment; see observability/metrics.ts. */
export interface ProcessMetrics {
  /** As in its log lines: `worker 0`. */
  process: string;
  /** Absent where it does not run. */
  pid?: number;
  /** Absent where it did not report in time. */
  families?: MetricFamily[];
}

/** One metric and its series, compact enough to travel. */
export interface MetricFamily {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  /** Of a histogram: upper bounds, rising; a last bucket without one follows. */
  bounds?: readonly number[];
  series: MetricSeries[];
}

export interface MetricSeries {
  labels?: Record<string, string>;
  /** Of a counter or a gauge. */
  value?: number;
  /** Of a histogram: how many fell into each bucket, those below it not included; and the sum of all. */
  counts?: number[];
  sum?: number;
}

/** What a started worker or front gives back to the code that runs it. */
export interface Running {
  /** Takes no new work, finishes what it has, closes everything. */
  drain(): Promise<void>;
}
