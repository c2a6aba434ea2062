/** What a worker counts while it works, and what is looked up when somebody asks. */
import { counter, counterBy, gauge, histogram, SECONDS } from '../observability/metrics.ts';
import type { Outcome } from '../wire/messages.ts';
import type { Actor } from './actor.ts';

const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;

export const mailboxWait = histogram(
  'holdfast_mailbox_wait_seconds',
  'From the arrival of a command to its decision',
  SECONDS,
);
export const batchCommands = histogram(
  'holdfast_batch_commands',
  'Commands decided for one commit, and what came due',
  SIZES,
);
export const batchRows = histogram('holdfast_batch_rows', 'Rows that one commit writes', SIZES);
export const commitDuration = histogram(
  'holdfast_commit_duration_seconds',
  'From sending a commit to knowing that it landed',
  SECONDS,
);
export const commits = counter('holdfast_commits', 'Commits that landed');
export const commitFailures = counter(
  'holdfast_commit_failures',
  'Commits that the database refused or did not answer; they are sent again',
);
export const commands = counter('holdfast_commands', 'Commands decided, and what came due');
export const partitionsTaken = counter(
  'holdfast_partitions_taken',
  'Partitions that this worker became the owner of, by a new epoch',
);
export const keyReplays = counter(
  'holdfast_idempotency_replays',
  'Requests that were answered as an earlier one with their Idempotency-Key',
);

export const granted = counter('holdfast_reservations_granted', 'Reservations that were made');
const CLOSED: Outcome[] = ['confirmed', 'cancelled', 'expired'];
const closed = counterBy(
  'holdfast_reservations_closed',
  'Reservations that were confirmed, cancelled, or expired',
  'outcome',
  CLOSED,
);
export function countClosed(outcome: Outcome): void {
  closed[CLOSED.indexOf(outcome)]++;
}

interface Watched {
  actors(): Actor[];
  epoch(): number;
  databaseProblem(): string | undefined;
  overloaded(): boolean;
}

export function watchWorker({ actors, epoch, databaseProblem, overloaded }: Watched): void {
  const served = () => actors().filter(({ state }) => state === 'serving').length;
  const sum = (of: (actor: Actor) => number) => () => actors().reduce((total, actor) => total + of(actor), 0);
  gauge('holdfast_database_up', 'Whether the database answers the worker', () =>
    databaseProblem() === undefined ? 1 : 0,
  );
  gauge(
    'holdfast_worker_overloaded',
    'Whether more comes to the worker than the database commits in time, so that it refuses the rest',
    () => (overloaded() ? 1 : 0),
  );
  gauge('holdfast_partitions', 'Partitions of the worker', () => [
    { labels: { state: 'serving' }, value: served() },
    { labels: { state: 'loading' }, value: actors().length - served() },
  ]);
  gauge(
    'holdfast_owner_epoch',
    'The epoch under which the worker commits: a new one each time that it takes partitions',
    () => epoch() || [],
  );
  gauge(
    'holdfast_mailbox_commands',
    'Commands that wait in mailboxes',
    sum(({ mailboxDepth }) => mailboxDepth),
  );
  gauge('holdfast_mailbox_deepest_commands', 'Commands that wait in the fullest mailbox', () =>
    actors().reduce((deepest, { mailboxDepth }) => Math.max(deepest, mailboxDepth), 0),
  );
  gauge(
    'holdfast_reservations_held',
    'Open reservations',
    sum(({ partition }) => partition.open),
  );
  gauge(
    'holdfast_stock_levels',
    'Stock levels in memory',
    sum(({ partition }) => partition.snapshot.levels),
  );
  gauge(
    'holdfast_idempotency_keys',
    'Idempotency-Keys in memory',
    sum(({ partition }) => partition.keys.count),
  );
}
