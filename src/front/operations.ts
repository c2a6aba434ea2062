/** What the people who run it ask: does it live, can it serve, who owns what. */
import { STATUS_WAIT_MS } from '../limits.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { PartitionStatus, WorkerStatus } from '../wire/messages.ts';
import type { FrontContext } from './context.ts';
import { ok } from './render.ts';

export function live(): Response {
  return ok('{"status":"live"}');
}

/** What is missing before everything can be served, a sentence each, and how many partitions are served. */
export function readinessOf(
  map: PartitionMap,
  statuses: (WorkerStatus | undefined)[],
): { missing: string[]; serving: number } {
  const missing: string[] = [];
  let serving = 0;
  for (const [worker, status] of statuses.entries()) {
    const owned = map.owner.filter((owner) => owner === worker).length;
    if (status === undefined) {
      missing.push(`worker ${worker} does not answer (${owned} partitions)`);
      continue;
    }
    if (status.databaseProblem !== undefined) missing.push(`worker ${worker} cannot reach the database`);
    const served = status.partitions.filter(
      ({ partition, state }) => state === 'serving' && map.owner[partition] === worker,
    ).length;
    serving += served;
    if (served < owned)
      missing.push(`worker ${worker} has not loaded ${owned - served} of its ${owned} partitions`);
  }
  return { missing, serving };
}

/** 200 only if every partition of the map is served by the worker that owns it, and the database answers. */
export async function ready({ access, backends }: FrontContext): Promise<Response> {
  const { missing, serving } = readinessOf(backends.map, await backends.statuses(STATUS_WAIT_MS));
  if (!access.isKnown) missing.unshift('this front does not know the API keys yet');
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
