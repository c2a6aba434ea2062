/**
 * What is asked of the servers: one reservation of one line a request, from stock that never runs out.
 * Bodies are drawn from a seed before the clock starts, so that drawing them costs the run nothing.
 */
import { seededRandom, zipf } from '../examples/random.ts';

export const LOCATION = 'main';
export const ON_HAND = 2_000_000_000;
/** Longer than any run, so that nothing expires while the books are open. */
const EXPIRES_IN_SECONDS = 86_400;

const MANY = Array.from({ length: 10_000 }, (_, index) => `SKU-${String(index).padStart(5, '0')}`);
const HOT = ['SKU-HOT'];

export interface Workload {
  title: string;
  skus: string[];
  /** @returns draws of indexes into `skus` */
  draws(random: () => number): () => number;
}

export const WORKLOADS = {
  uniform: {
    title: '10,000 SKUs, all alike',
    skus: MANY,
    draws: (random) => () => Math.floor(random() * MANY.length),
  },
  zipf: {
    title: '10,000 SKUs, Zipf with exponent 1',
    skus: MANY,
    draws: (random) => zipf(MANY.length, random),
  },
  hot: { title: 'one SKU', skus: HOT, draws: () => () => 0 },
} satisfies Record<string, Workload>;
export type WorkloadName = keyof typeof WORKLOADS;

export const ALL_SKUS = [...MANY, ...HOT];

/** Bodies of POST /v1/reservations. */
export function bodies(name: WorkloadName, count: number, seed: number): string[] {
  const workload: Workload = WORKLOADS[name];
  const draw = workload.draws(seededRandom(seed));
  return Array.from({ length: count }, () =>
    JSON.stringify({
      lines: [{ sku: workload.skus[draw()], quantity: 1, location: LOCATION }],
      expiresInSeconds: EXPIRES_IN_SECONDS,
    }),
  );
}
