/** What the people who run it ask: does it live, can it serve, who owns what. */
import { STATUS_WAIT_MS } from '../limits.ts';
import type { PartitionStatus, WorkerStatus } from '../wire/messages.ts';
import type { FrontContext } from './context.ts';
import { ok } from './render.ts';

export function live(): Response {
  return ok('{"status":"live"}');
}

/** 200 only if every partition of the map is served by the worker that owns it, and the database answers. */
export async function ready({ backends }: FrontContext): Promise<Response> {
  const statuses = await backends.statuses(STATUS_WAIT_MS);
  const missing: string[] = [];
  let serving = 0;
  for (const [worker, status] of statuses.entries()) {
    const owned = backends.map.owner.filter((owner) => owner === worker).length;
    if (status === undefined) {
      missing.push(`worker ${worker} does not answer (${owned} partitions)`);
      continue;
    }
    if (status.databaseProblem !== undefined) missing.push(withoutDatabase(status));
    const served = status.partitions.filter(
      ({ partition, state }) => state === 'serving' && backends.map.owner[partition] === worker,
    ).length;
    serving += served;
    if (served < owned)
      missing.push(`worker ${worker} has not loaded ${owned - served} of its ${owned} partitions`);
  }
  const isReady = missing.length === 0;
  const body = {
    status: isReady ? 'ready' : 'not-ready',
    partitions: { total: backends.partitions, serving },
    missing,
  };
  if (isReady) return ok(JSON.stringify(body));
  const headers = { 'content-type': 'application/json', 'retry-after': '1' };
  return new Response(JSON.stringify(body), { status: 503, headers });
}

/** By the SQLSTATE that the worker's text begins with (Postgres manual, appendix A); the rest of it names files and addresses. */
const REASONS: Record<string, string> = {
  '25006': 'the database is read-only',
  '53100': 'the disk of the database is full',
  '53300': 'the database has no connection left',
  '57P03': 'the database is starting or stopping',
};

function withoutDatabase({ worker, databaseProblem = '', databaseProblemSince = 0 }: WorkerStatus): string {
  const reason = REASONS[databaseProblem.slice(0, 5)] ?? 'the database is out of reach';
  return `worker ${worker} commits nothing since ${new Date(databaseProblemSince).toISOString()}: ${reason}`;
}

export async function partitionTable({ backends }: FrontContext): Promise<Response> {
  const statuses = await backends.statuses(STATUS_WAIT_MS);
  const byWorker = statuses.map(
    (status) => new Map<number, PartitionStatus>(status?.partitions.map((one) => [one.partition, one])),
  );
  const partitions = backends.map.owner.map((worker, partition) => ({
    partition,
    worker,
    state: 'unknown',
    ...byWorker[worker].get(partition),
  }));
  return ok(JSON.stringify({ mapVersion: backends.map.version, partitions }));
}
