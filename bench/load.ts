/**
 * What is asked of a server, as data: it travels to the load generators, which draw the requests from a
 * seed before the clock starts, so that drawing them costs the run nothing.
 */
import { seededRandom, zipf } from '../examples/random.ts';
import { PARTITIONS_DEFAULT } from '../src/limits.ts';
import { partitionOf } from '../src/routing/partition-map.ts';

export interface Load {
  call: 'hold' | 'read';
  skus: Skus;
  law: 'uniform' | 'zipf';
  /** Of one reservation, each over another partition. */
  lines: number;
  /** What each connection does with what it has just held. */
  close?: 'confirm' | 'cancel';
  /** So many reservations in one request. */
  batch?: number;
  /** Longer than any run unless given, so that nothing expires while the books are open. */
  expiresInSeconds?: number;
  /** Refusals count like grants: they are what is asked for. */
  refusals?: true;
  /** What is counted a second: a reservation, a sale (which is two requests), a read … */
  unit: string;
}

/** `prefix-0000000` and so on. */
export interface Skus {
  prefix: string;
  count: number;
}

export interface Request {
  method: 'GET' | 'POST';
  path: string;
  body: string;
}

export const LOCATION = 'main';
export const MANY: Skus = { prefix: 'SKU', count: 10_000 };
export const HOT: Skus = { prefix: 'HOT', count: 1 };
export const STORM: Skus = { prefix: 'STORM', count: 1 };

const HOLD = { call: 'hold', skus: MANY, law: 'uniform', lines: 1, unit: 'reservations/s' } as const;
/** In one request to the batch endpoint: as many as it takes. */
const BATCH = 10_000;

export const LOADS = {
  uniform: HOLD,
  zipf: { ...HOLD, law: 'zipf' },
  hot: { ...HOLD, skus: HOT },
  sale: { ...HOLD, close: 'confirm', unit: 'sales/s' },
  cancelled: { ...HOLD, close: 'cancel', unit: 'pairs/s' },
  multi: { ...HOLD, lines: 3 },
  storm: { ...HOLD, skus: STORM, refusals: true, unit: 'answers/s' },
  read: { ...HOLD, call: 'read', unit: 'reads/s' },
  batch: { ...HOLD, batch: BATCH },
} satisfies Record<string, Load>;

const A_DAY_SECONDS = 86_400;
/** Drawn ahead for a run and repeated: enough for a Zipf distribution to show its shape; fewer where a run is short. */
const DRAWN_MAX = 32_768;
const DRAWN_A_SECOND = 50_000;
const BATCHES_DRAWN = 8;

export function skuOf({ prefix }: Skus, index: number): string {
  return `${prefix}-${String(index).padStart(7, '0')}`;
}

export function allOf(skus: Skus): string[] {
  return Array.from({ length: skus.count }, (_, index) => skuOf(skus, index));
}

/** How many are drawn for a run, which then repeats them: at least one a connection. */
export function drawnFor({ batch }: Load, connections: number, seconds: number): number {
  if (batch !== undefined) return Math.max(BATCHES_DRAWN, connections);
  return Math.max(Math.min(DRAWN_MAX, Math.ceil(DRAWN_A_SECOND * seconds)), connections);
}

export function requestsOf(load: Load, seed: number, requests: number): Request[] {
  const random = seededRandom(seed);
  const { count } = load.skus;
  const draw = load.law === 'zipf' ? zipf(count, random) : () => Math.floor(random() * count);
  return Array.from({ length: requests }, () => requestOf(load, draw));
}

function requestOf(load: Load, draw: () => number): Request {
  if (load.call === 'read') return { method: 'GET', path: `/v1/stock/${skuOf(load.skus, draw())}`, body: '' };
  if (load.batch === undefined)
    return { method: 'POST', path: '/v1/reservations', body: JSON.stringify(wishOf(load, draw)) };
  const items = Array.from({ length: load.batch }, () => wishOf(load, draw));
  return { method: 'POST', path: '/v1/reservations/batch', body: JSON.stringify(items) };
}

function wishOf({ skus, lines, expiresInSeconds = A_DAY_SECONDS }: Load, draw: () => number) {
  if (lines === 1) return wish([skuOf(skus, draw())], expiresInSeconds);
  const drawn = new Map<number, string>();
  while (drawn.size < lines) {
    const sku = skuOf(skus, draw());
    drawn.set(partitionOf(sku, PARTITIONS_DEFAULT), sku);
  }
  return wish([...drawn.values()], expiresInSeconds);
}

function wish(skus: string[], expiresInSeconds: number) {
  return { lines: skus.map((sku) => ({ sku, quantity: 1, location: LOCATION })), expiresInSeconds };
}
