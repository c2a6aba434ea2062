/** What the calls share: the workers behind them, the bodies they read, the time, new ids, and bounds of bulk. */
import type { Clock } from '../clock.ts';
import type { ReservationIds } from '../reservations/id.ts';
import type { Backends } from './backends.ts';
import type { Bodies } from './body.ts';
import type { Deadlines } from './deadlines.ts';
import type { Gate } from './gate.ts';

export interface FrontContext {
  backends: Backends;
  bodies: Bodies;
  clock: Clock;
  deadlines: Deadlines;
  ids: ReservationIds;
  /** Imports, exports and batches. */
  bulkCalls: Gate;
  /** Lines of reservations in batches. */
  batchLines: Gate;
  /** Aborted when the front drains: what could go on for long ends early. */
  draining: AbortSignal;
}
