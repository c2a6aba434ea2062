/** What the calls share: who gets in, the workers behind them, the bodies they read, the time, new ids, and bounds of bulk. */
import type { Clock } from '../clock.ts';
import type { MoveOutcome, ProcessMetrics } from '../process.ts';
import type { ReservationIds } from '../reservations/id.ts';
import type { Access } from './access.ts';
import type { Backends } from './backends.ts';
import type { Bodies } from './body.ts';
import type { Deadlines } from './deadlines.ts';
import type { Gate } from './gate.ts';

export interface FrontContext {
  access: Pick<Access, 'admit' | 'isKnown'>;
  backends: Backends;
  bodies: Bodies;
  clock: Clock;
  deadlines: Deadlines;
  ids: ReservationIds;
  /** Imports, exports and batches. */
  bulkCalls: Gate;
  /** Lines of reservations in batches. */
  batchLines: Gate;
  /** Imports and batches that wait for another with their Idempotency-Key. */
  keyWaits: Gate;
  /** From 0 to 1. */
  random: () => number;
  /** Aborted when the front drains: what could go on for long ends early. */
  draining: AbortSignal;
  /** Aborted when callers are to look for another front; until it drains, this one still serves them. */
  leaving: AbortSignal;
  /** The metrics of every process, by way of the supervisor. */
  gather(): Promise<ProcessMetrics[]>;
  /** Has the supervisor move a partition; undefined where that takes too long. */
  move(partition: number, worker: number): Promise<MoveOutcome | undefined>;
}

/** The same for one call: its workers hear of the trace that it is part of. */
export interface CallContext extends FrontContext {
  requestId: string;
}
