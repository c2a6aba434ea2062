/** What the calls share: the workers behind them, the bodies they read, the time, and new ids. */
import type { Clock } from '../clock.ts';
import type { ProcessMetrics } from '../process.ts';
import type { ReservationIds } from '../reservations/id.ts';
import type { Backends } from './backends.ts';
import type { Bodies } from './body.ts';

export interface FrontContext {
  backends: Backends;
  bodies: Bodies;
  clock: Clock;
  ids: ReservationIds;
  /** The metrics of every process, by way of the supervisor. */
  gather(): Promise<ProcessMetrics[]>;
}

/** The same for one call: its workers hear of the trace that it is part of. */
export interface CallContext extends FrontContext {
  requestId: string;
}
