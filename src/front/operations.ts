/** What the people who run it ask: does it live, can it serve, who owns what. */
import { STATUS_WAIT_MS } from '../limits.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { PartitionStatus, WorkerStatus } from '../wire/messages.ts';
import type { FrontContext } from './context.ts';
import { invalid, problem } from './problems.ts';
import { ok } from './render.ts';
import * as schemas from './schemas.ts';
import { validator } from './validate.ts';

const moveBody = validator(schemas.Move);

/** 503 when the front is about to stop, so that a balancer which asks takes it out in time. */
export function live({ leaving }: FrontContext): Response {
  if (!leaving.aborted) return ok('{"status":"live"}');
  const headers = { 'content-type': 'application/json', 'retry-after': '1' };
  return new Response('{"status":"leaving"}', { status: 503, headers });
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
      if (owned > 0) missing.push(`worker ${worker} does not answer (${owned} partitions)`);
      continue;
    }
    if (status.databaseProblem !== undefined) missing.push(withoutDatabase(status));
    const served = status.partitions.filter(
      ({ partition, state }) => state === 'serving' && map.owner[partition] === worker,
    ).length;
    serving += served;
    const failing = status.partitions.filter(({ state }) => state === 'failing').length;
    if (failing > 0) missing.push(`worker ${worker} fails to load ${failing} of its ${owned} partitions`);
    if (served + failing < owned)
      missing.push(`worker ${worker} has not loaded ${owned - served - failing} of its ${owned} partitions`);
  }
  return { missing, serving };
}

/** 200 only if every partition of the map is served by the worker that owns it, and the database answers. */
export async function ready({ access, backends }: FrontContext): Promise<Response> {
  const { missing, serving } = readinessOf(backends.map, await backends.sharedStatuses(STATUS_WAIT_MS));
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
  const partitions = await partitionsOf({ backends });
  return ok(JSON.stringify({ mapVersion: backends.map.version, partitions }));
}

async function partitionsOf({ backends }: Pick<FrontContext, 'backends'>) {
  const statuses = await backends.statuses(STATUS_WAIT_MS);
  const byWorker = statuses.map(
    (status) => new Map<number, PartitionStatus>(status?.partitions.map((one) => [one.partition, one])),
  );
  return backends.map.owner.map((worker, partition) => ({
    partition,
    worker,
    state: 'unknown',
    ...byWorker[worker]?.get(partition),
  }));
}

/** Waits until the partition is served where it is to be. */
export async function movePartition(
  context: FrontContext,
  request: Request,
  { partition: given }: { partition: string },
): Promise<Response> {
  const body = await context.bodies.read(request, moveBody);
  if (body instanceof Response) return body;
  const partition = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  const { owner } = context.backends.map;
  if (!(partition < owner.length)) {
    return problem('unknown-partition', { detail: `There are partitions 0 to ${owner.length - 1}.` });
  }
  const outcome = await context.move(partition, body.worker);
  if (outcome === undefined)
    return problem('outcome-unknown', { detail: 'The move takes long. It goes on.' });
  if (outcome.kind === 'refused' && outcome.why === 'unknown-worker') {
    return invalid([{ pointer: '/worker', code: outcome.why, detail: `is not known; ${outcome.reason}` }]);
  }
  if (outcome.kind === 'refused') {
    return problem('move-refused', { detail: `The partition was not moved: ${outcome.reason}.` });
  }
  const moved = outcome.kind === 'moved';
  const partitions = await partitionsOf(context);
  return ok(JSON.stringify({ mapVersion: outcome.mapVersion, moved, ...partitions[partition] }));
}
