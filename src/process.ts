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
}

/** Child → supervisor. */
export type FromChild =
  /** It listens; a worker may still be loading partitions. */
  { type: 'ready' } | { type: 'fatal'; message: string };
/** Supervisor → child. */
export type ToChild = { type: 'drain' };

/** What a started worker or front gives back to the code that runs it. */
export interface Running {
  /** Takes no new work, finishes what it has, closes everything. */
  drain(): Promise<void>;
}
