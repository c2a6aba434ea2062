/** What a server says of itself: who owns what, whether it can serve, and what its processes count. */
import type { Caller } from '../client/caller.ts';
import type { PartitionTable, Readiness } from '../client/types.ts';
import { TRIES } from './reach.ts';

export function partitionTable(caller: Caller, signal: AbortSignal): Promise<PartitionTable> {
  return caller.json({ method: 'GET', path: '/admin/partitions' }, { ...TRIES, signal });
}

/** 503 is an answer like another here: it says what is missing. */
export function readiness(caller: Caller, signal: AbortSignal): Promise<Readiness> {
  return caller.json({ method: 'GET', path: '/readyz', status: 503 }, { ...TRIES, signal });
}

export async function metricsText(caller: Caller, signal: AbortSignal): Promise<string> {
  const call = { method: 'GET', path: '/metrics', accept: 'application/openmetrics-text' } as const;
  return new Response(await caller.stream(call, { ...TRIES, signal })).text();
}
