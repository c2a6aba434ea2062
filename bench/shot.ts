/** What a load generator has seen of one run. Several of them, side by side, add up to one. */
import { Latencies } from './latencies.ts';
import { addUp, median, sum } from './numbers.ts';

export interface Shot {
  /** Of the measured time, which ends before the last answers are in. */
  seconds: number;
  /** What came in it of what the load counts: reservations, sales, reads … */
  operations: number;
  /** Of each answer in it; as `Latencies` counts them. */
  latencies: number[];
  /** Of the whole run: answers by status. */
  statuses: Record<string, number>;
  /** Of the whole run: what the answers have said. */
  effects: Effects;
  /** Open loop: by how much sends were late, for want of a generator that could keep up. */
  lateMs?: number;
  /** Open loop: the latencies once more, by status; as `Latencies` counts them. */
  byStatus?: Record<string, number[]>;
  /** Open loop: what was held before the sending ended. */
  heldInTime?: number;
  /** Open loop: answers with 503 that did not say when to come again. */
  unadvised?: number;
}

export interface Effects {
  held: number;
  /** Of those held: confirmed or cancelled. */
  closed: number;
  /** Requests without an answer: what they did is not known. */
  lost: number;
}

export const NO_EFFECTS: Effects = { held: 0, closed: 0, lost: 0 };

/** What was left out by all is left out. */
function perhaps(values: (number | undefined)[], join: (values: number[]) => number): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : join(there);
}

function byStatusOf(shots: Shot[]): Record<string, number[]> {
  const statuses = new Set(shots.flatMap(({ byStatus = {} }) => Object.keys(byStatus)));
  const sumOf = (status: string) =>
    Latencies.sum(shots.map(({ byStatus = {} }) => new Latencies(byStatus[status]))).counts;
  return Object.fromEntries([...statuses].map((status) => [status, sumOf(status)]));
}

export function together(shots: Shot[]): Shot {
  return {
    seconds: median(shots.map(({ seconds }) => seconds)),
    operations: sum(shots.map(({ operations }) => operations)),
    latencies: Latencies.sum(shots.map(({ latencies }) => new Latencies(latencies))).counts,
    statuses: addUp(shots.map(({ statuses }) => statuses)),
    effects: {
      held: sum(shots.map(({ effects }) => effects.held)),
      closed: sum(shots.map(({ effects }) => effects.closed)),
      lost: sum(shots.map(({ effects }) => effects.lost)),
    },
    lateMs: perhaps(
      shots.map(({ lateMs }) => lateMs),
      (values) => Math.max(...values),
    ),
    byStatus: byStatusOf(shots),
    heldInTime: perhaps(
      shots.map(({ heldInTime }) => heldInTime),
      sum,
    ),
    unadvised: perhaps(
      shots.map(({ unadvised }) => unadvised),
      sum,
    ),
  };
}
