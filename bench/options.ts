/** What the benchmark can be asked for, and what it does unasked; cli/bench.ts reads it from a command line. */
import { join } from 'node:path';

export interface Options {
  workloads: string[];
  connections: number[];
  rounds: number;
  seconds: number;
  /** Of a large stock: levels, and reservations held. */
  levels: number;
  held: number;
  /** Reservations that expire in the same second. */
  burst: number;
  results: string;
}

export const DEFAULTS: Omit<Options, 'workloads'> = {
  connections: [64, 256],
  rounds: 3,
  seconds: 1.5,
  levels: 1_000_000,
  held: 1_000_000,
  burst: 100_000,
  results: join(import.meta.dir, 'results.jsonl'),
};
