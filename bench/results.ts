/** bench/results.jsonl: one line for each workload and number of connections, appended, never rewritten. */
import { appendFileSync } from 'node:fs';
import type { Circumstances } from './machine.ts';
import type { Summary } from './runner.ts';
import type { WorkloadName } from './workloads.ts';

export interface Result {
  workload: WorkloadName;
  connections: number;
  /** Length of each round. */
  seconds: number;
  ceiling: Summary;
  holdfast: Summary;
  rival: Summary;
  /** Connections of the rival's pool: the best of those tried. */
  pool: number;
  /** Requests per second of each that was tried. */
  pools: Record<string, number>;
}

export function appendResults(file: string, circumstances: Circumstances, results: Result[]): void {
  const lines = results.map((result) => `${JSON.stringify({ ...circumstances, ...result })}\n`);
  appendFileSync(file, lines.join(''));
}
