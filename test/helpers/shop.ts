/**
 * A client of a running server, for tests: spreads its requests over all fronts in turn, so that a
 * reservation is made through one process and cancelled or read through another.
 */
import { partitionOf } from '../../src/routing/partition-map.ts';
import type { TestServer } from './server.ts';

export interface Line {
  sku: string;
  quantity: number;
  location?: string;
}

export interface GrantedLine {
  sku: string;
  quantity: number;
  allocations: { location: string; quantity: number }[];
}

export interface Reservation {
  id: string;
  status: 'held' | 'confirmed' | 'cancelled' | 'expired';
  lines: GrantedLine[];
  reference?: string;
  createdAt: string;
  expiresAt: string;
  closedAt?: string;
}

export interface Level {
  sku: string;
  location: string;
  onHand: number;
  reserved: number;
  safetyStock: number;
  backorderLimit: number;
  available: number;
  version: number;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: {
    pointer?: string;
    line?: number;
    sku?: string;
    code: string;
    requested?: number;
    available?: number;
  }[];
}

/** One answer; the caller says by its expectation of `status` which body it is. */
export interface Answer<T> {
  status: number;
  /** Of a problem; undefined for a 2xx. */
  code: string | undefined;
  body: T;
  problem: Problem;
  /** It is that of an earlier request with the same Idempotency-Key. */
  replayed: boolean;
}

/** Unless a test says otherwise, nothing expires while it runs. */
const LONG_SECONDS = 3600;

export class Shop {
  private turn = 0;

  constructor(
    private readonly server: Pick<TestServer, 'port'>,
    private readonly fronts = 1,
  ) {}

  /** @throws what fetch throws, when no whole answer arrived */
  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    front = this.turn++,
    key?: string,
  ): Promise<Answer<T>> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (key !== undefined) headers['idempotency-key'] = key;
    const response = await fetch(`http://127.0.0.1:${this.server.port + (front % this.fronts)}${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const parsed = JSON.parse(text) as T & Problem;
    const replayed = response.headers.get('idempotency-replayed') === 'true';
    if (response.ok)
      return { status: response.status, code: undefined, body: parsed, problem: parsed, replayed };
    if (response.headers.get('content-type') !== 'application/problem+json' || parsed.code === undefined)
      throw new Error(`${method} ${path} was answered ${response.status} without a problem: ${text}`);
    return { status: response.status, code: parsed.code, body: parsed, problem: parsed, replayed };
  }

  /** A POST with an Idempotency-Key. */
  once<T>(path: string, body: unknown, key: string): Promise<Answer<T>> {
    return this.call('POST', path, body, undefined, key);
  }

  put(sku: string, location: string, onHand: number): Promise<Answer<Level>> {
    return this.call('PUT', `/v1/stock/${encodeURIComponent(sku)}/${encodeURIComponent(location)}`, {
      onHand,
    });
  }

  async stockUp(skus: readonly string[], location: string, onHand: number): Promise<void> {
    for (const { status } of await Promise.all(skus.map((sku) => this.put(sku, location, onHand))))
      if (status !== 200 && status !== 201) throw new Error(`a level could not be set: ${status}`);
  }

  hold(lines: Line[], more: Record<string, unknown> = {}): Promise<Answer<Reservation>> {
    return this.call('POST', '/v1/reservations', { expiresInSeconds: LONG_SECONDS, ...more, lines });
  }

  cancel(id: string): Promise<Answer<Reservation>> {
    return this.call('POST', `/v1/reservations/${id}/cancel`);
  }

  confirm(id: string, body?: Record<string, unknown>): Promise<Answer<Reservation>> {
    return this.call('POST', `/v1/reservations/${id}/confirm`, body);
  }

  extend(id: string, expiresInSeconds: number): Promise<Answer<Reservation>> {
    return this.call('POST', `/v1/reservations/${id}/extend`, { expiresInSeconds });
  }

  adjust(sku: string, location: string, body: Record<string, unknown>): Promise<Answer<Level>> {
    return this.call(
      'POST',
      `/v1/stock/${encodeURIComponent(sku)}/${encodeURIComponent(location)}/adjustments`,
      body,
    );
  }

  read(id: string): Promise<Answer<Reservation>> {
    return this.call('GET', `/v1/reservations/${id}`);
  }

  async level(sku: string, location: string): Promise<Level> {
    const found = (await this.levels([sku])).find((level) => level.location === location);
    if (found === undefined) throw new Error(`there is no level of ${sku} at ${location}`);
    return found;
  }

  async levels(skus: readonly string[]): Promise<Level[]> {
    const { status, body } = await this.call<{ results: { found: boolean; levels?: Level[] }[] }>(
      'POST',
      '/v1/stock/query',
      { skus },
    );
    if (status !== 200) throw new Error(`the stock could not be read: ${status}`);
    return body.results.flatMap(({ levels }) => levels ?? []);
  }
}

/** Units held of each level by these lines, under `sku@location`. */
export function unitsByLevel(
  lines: Iterable<GrantedLine>,
  into = new Map<string, number>(),
): Map<string, number> {
  for (const { sku, allocations } of lines) {
    for (const { location, quantity } of allocations) {
      const key = `${sku}@${location}`;
      into.set(key, (into.get(key) ?? 0) + quantity);
    }
  }
  return into;
}

/** Runs `run` for each item, `atOnce` of them at a time, in order. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  run: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await run(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** A small seeded generator (mulberry32), so that a failure can be run again. @returns numbers in [0, 1) */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PARTITIONS = 256;
const WORKERS = 2;

/** The first `count` names after the prefix whose SKUs the given one of so many workers owns, one partition each. */
export function skusOfWorker(worker: number, prefix: string, count: number, workers = WORKERS): string[] {
  const skus: string[] = [];
  const taken = new Set<number>();
  for (let i = 0; skus.length < count; i++) {
    const partition = partitionOf(`${prefix}-${i}`, PARTITIONS);
    if (taken.has(partition) || Math.floor((partition * workers) / PARTITIONS) !== worker) continue;
    taken.add(partition);
    skus.push(`${prefix}-${i}`);
  }
  return skus;
}
