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

/** Makes a database ready and keeps other servers away from it. */
export interface GuardSpec {
  role: 'guard';
  database: DatabaseSpec;
  partitions: number;
  /** The address that others can reach, at the start: not without an API key. */
  exposedAt?: string;
  /** No worker runs yet; not so when the guard is started again. */
  starting: boolean;
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
  /** It gets ready, and listens when it is told to. */
  standby: boolean;
}

/** Paths of PEM files. */
export interface TlsFiles {
  /** The certificate, and those that it was signed by. */
  cert: string;
  key: string;
}

/** An Idempotency-Key that a front has claimed and not yet released: of a partition, only memory knows it. */
export interface ClaimUnderWay {
  partition: number;
  hash: string;
  fingerprint: string;
  /** Of the request that has it. */
  token: number;
  /** Wall time in milliseconds. */
  deadline: number;
  /** The key was not used before. */
  fresh: boolean;
}

/** What came of an order to move a partition. */
export type MoveOutcome =
  | { kind: 'moved'; mapVersion: number }
  /** It is there already. */
  | { kind: 'there'; mapVersion: number }
  /** Nothing was changed; `reason` is a sentence. */
  | { kind: 'refused'; why: 'unknown-worker' | 'worker-unavailable' | 'moves-waiting'; reason: string };

/** What a child may say to, and ask of, its supervisor. */
export interface Superior {
  say(message: FromChild): void;
  /** The metrics of every process. */
  gather(): Promise<ProcessMetrics[]>;
  /** Moves a partition to a worker. @returns undefined where that takes too long; it goes on */
  move(partition: number, worker: number): Promise<MoveOutcome | undefined>;
}

/** Child → supervisor. */
export type FromChild =
  /** It listens; a worker may still be loading partitions. */
  | { type: 'ready' }
  | { type: 'fatal'; message: string }
  /** Its metrics, as it was told to report them. */
  | { type: 'metrics'; families: MetricFamily[] }
  /** A front was asked for the metrics of every process. */
  | { type: 'gather' }
  /** A front was asked to move a partition. @see MoveOutcome */
  | { type: 'move'; id: number; partition: number; worker: number }
  /** A worker has given up what it was told to give; these were under way. Without: it keeps it, being not loaded yet. */
  | { type: 'gave'; claims?: ClaimUnderWay[] }
  /** A worker serves what it was told to take; or, if not, is still at it. */
  | { type: 'took'; served: boolean }
  /** It is there: the answer to `ping`. */
  | { type: 'pong' }
  /** A front that was told to `listen` does. */
  | { type: 'listening' }
  /** A front that drains listens no more; it may still be answering. */
  | { type: 'closed' };
/** Supervisor → child. */
export type ToChild =
  | { type: 'drain' }
  | { type: 'report' }
  | { type: 'ping' }
  /** A front is to say to its callers that they should look for another. */
  | { type: 'leave' }
  | { type: 'listen' }
  /** The answer to `gather`. */
  | { type: 'gathered'; processes: ProcessMetrics[] }
  /** The answer to `move`. */
  | { type: 'moved'; id: number; outcome: MoveOutcome }
  /** The newest map: whom to ask from now on. What a worker owns it learns from the two below. */
  | { type: 'map'; map: PartitionMap }
  /** A worker is to give these up; it says `gave`. */
  | { type: 'give'; partitions: number[] }
  /** A worker is to own these too; it says `took`. */
  | { type: 'take'; partitions: number[]; claims: ClaimUnderWay[] };

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
  /** What the supervisor says to this kind of child. */
  hear(message: ToChild): void;
}
