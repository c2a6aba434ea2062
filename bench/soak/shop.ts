/**
 * What is asked during a soak: the calls of a shop, drawn by weight, and those that follow from earlier ones. Whoever
 * holds thinks for some seconds, and then buys, gives back, takes more time, repeats, or forgets.
 *
 * Nothing here grows: holds are short, so the number of those open settles within a minute, and of reservations that are
 * over only some are remembered.
 */
import { randomUUID } from 'node:crypto';
import { seededRandom, zipf } from '../../examples/random.ts';
import { PLENTY } from '../holdfast.ts';
import { allOf, type Skus, skuOf } from '../load.ts';

export const KINDS = [
  'hold',
  'hold 3 lines',
  'confirm',
  'cancel',
  'extend',
  'repeat',
  'read SKU',
  'query 20 SKUs',
  'read reservation',
  'find',
  'ledger',
  'adjust',
  'count',
  'batch of 20',
  'import',
  'export',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Call {
  kind: Kind;
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  body?: string;
  headers?: Record<string, string>;
  /** What may be answered. */
  expected: number[];
  /** Told what was. @returns what is wrong with it */
  onAnswer?(status: number, text: string): string | undefined;
}

export interface Level {
  sku: string;
  location: string;
  onHand: number;
}

/** What the answers have said. */
export interface Said {
  granted: number;
  confirmed: number;
  cancelled: number;
}

const LOCATIONS = ['north', 'south'];
const MANY: Skus = { prefix: 'SKU', count: 2000 };
/** Sold out now and then. */
const RARE: Skus = { prefix: 'RARE', count: 50 };
const RARE_UNITS = 40;
const IMPORTED: Skus = { prefix: 'IMPORTED', count: 1000 };
const EXPIRES_IN_SECONDS = 30;
/** How long nobody knows of a hold at most, with all that was done to make it longer. */
export const HOLDS_END_WITHIN_SECONDS = 2 * EXPIRES_IN_SECONDS + 5;
const THINKS_SECONDS = 10;
const BATCH = 20;
const QUERIED = 20;
const REMEMBERED = 4096;
/** Of all calls, so many are such that follow, where there are any: more than come, so that none waits for long. */
const RIPE_FIRST = 0.6;

/** Of a thousand calls that do not follow from another one. */
const WEIGHTS: [Kind, number][] = [
  ['hold', 400],
  ['hold 3 lines', 120],
  ['read SKU', 220],
  ['query 20 SKUs', 60],
  ['read reservation', 100],
  ['find', 10],
  ['ledger', 10],
  ['adjust', 44],
  ['count', 30],
  ['batch of 20', 5.5],
  ['import', 0.25],
  ['export', 0.25],
];

export function soakedLevels(): Level[] {
  const at = (skus: Skus, onHand: number) =>
    allOf(skus).flatMap((sku) => LOCATIONS.map((location) => ({ sku, location, onHand })));
  return [...at(MANY, PLENTY / 2), ...at(RARE, RARE_UNITS), ...at(IMPORTED, 1)];
}

export class Shop {
  readonly said: Said = { granted: 0, confirmed: 0, cancelled: 0 };
  private readonly random: () => number;
  private readonly popular: () => number;
  private readonly total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
  private orders = 0;
  private imports = 0;
  /** Calls by the second in which they are made. */
  private readonly later = new Map<number, Call[]>();
  private ripe: Call[] = [];
  private ripeUntil = 0;
  private readonly ids: string[] = [];

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.popular = zipf(MANY.count, this.random);
  }

  /** @param second since the beginning */
  next(second: number): Call {
    for (; this.ripeUntil <= second; this.ripeUntil++) {
      this.ripe.push(...(this.later.get(this.ripeUntil) ?? []));
      this.later.delete(this.ripeUntil);
    }
    return (this.random() < RIPE_FIRST ? this.ripe.pop() : undefined) ?? this.fresh(second);
  }

  private fresh(second: number): Call {
    const kind = this.kind();
    switch (kind) {
      case 'hold':
        return this.hold(kind, [this.sku()], second);
      case 'hold 3 lines':
        return this.hold(kind, [this.sku(), this.sku(), this.sku()], second);
      case 'read reservation': {
        const id = this.ids[this.upTo(this.ids.length)];
        return id === undefined ? this.read() : get(kind, `/v1/reservations/${id}`);
      }
      case 'query 20 SKUs':
        return post(kind, '/v1/stock/query', { skus: Array.from({ length: QUERIED }, () => this.sku()) });
      case 'find':
        return get(kind, `/v1/reservations?reference=${this.reference(this.upTo(this.orders))}`);
      case 'ledger':
        return get(kind, `/v1/stock/${this.sku()}/ledger`);
      case 'adjust':
        return post(kind, `/v1/stock/${this.sku()}/${this.location()}/adjustments`, {
          delta: 1 + this.upTo(5),
          reason: 'received',
        });
      case 'count':
        return this.count();
      case 'batch of 20':
        return this.batch();
      case 'import':
        return this.importAll();
      case 'export':
        return get(kind, '/v1/stock/export');
      default:
        return this.read();
    }
  }

  private kind(): Kind {
    let left = this.random() * this.total;
    for (const [kind, weight] of WEIGHTS) {
      left -= weight;
      if (left < 0) return kind;
    }
    return 'hold';
  }

  private hold(kind: Kind, skus: string[], second: number): Call {
    const lines = skus.map((sku) => ({
      sku,
      quantity: 1 + this.upTo(2),
      // One in four is sourced from wherever there is most.
      ...(this.random() < 0.75 && { location: this.location() }),
    }));
    const reference = this.reference(this.orders++);
    const call = post(kind, '/v1/reservations', { lines, reference, expiresInSeconds: EXPIRES_IN_SECONDS });
    const isKeyed = this.random() < 0.75;
    if (isKeyed) call.headers = { ...call.headers, 'idempotency-key': randomUUID() };
    call.expected = [201, 409];
    call.onAnswer = (status, text) => {
      if (status === 201) this.held(JSON.parse(text).id, isKeyed ? call : undefined, second);
      return undefined;
    };
    return call;
  }

  private held(id: string, keyed: Call | undefined, second: number): void {
    this.said.granted++;
    this.remember(id);
    const at = second + 1 + this.upTo(THINKS_SECONDS);
    const chance = this.random();
    if (chance < 0.45) this.plan(at, this.close('confirm', id));
    else if (chance < 0.65) this.plan(at, this.close('cancel', id));
    else if (chance < 0.75) {
      const extend = post('extend', `/v1/reservations/${id}/extend`, {
        expiresInSeconds: EXPIRES_IN_SECONDS,
      });
      extend.onAnswer = (status) => {
        if (status === 200) this.plan(this.ripeUntil + this.upTo(THINKS_SECONDS), this.close('confirm', id));
        return undefined;
      };
      this.plan(at, extend);
    } else if (chance < 0.8 && keyed !== undefined) {
      const isSame = (_: number, text: string) =>
        JSON.parse(text).id === id ? undefined : `a repetition of the hold ${id} was answered ${text}`;
      this.plan(at, { ...keyed, kind: 'repeat', expected: [201], onAnswer: isSame });
    }
  }

  private close(kind: 'confirm' | 'cancel', id: string): Call {
    const call = post(kind, `/v1/reservations/${id}/${kind}`, {});
    call.onAnswer = (status) => {
      if (status === 200) this.said[kind === 'confirm' ? 'confirmed' : 'cancelled']++;
      return undefined;
    };
    return call;
  }

  private batch(): Call {
    const one = () => ({
      lines: [{ sku: this.sku(), quantity: 1, location: this.location() }],
      expiresInSeconds: EXPIRES_IN_SECONDS,
    });
    const call = post('batch of 20', '/v1/reservations/batch', Array.from({ length: BATCH }, one));
    call.onAnswer = (_, text) => {
      for (const { status } of JSON.parse(text).results) if (status === 201) this.said.granted++;
      return undefined;
    };
    return call;
  }

  private count(): Call {
    const path = `/v1/stock/${skuOf(RARE, this.upTo(RARE.count))}/${this.location()}`;
    return { ...post('count', path, { onHand: RARE_UNITS }), method: 'PUT' };
  }

  private importAll(): Call {
    const onHand = 1 + (this.imports++ % 1000);
    const rows = allOf(IMPORTED).flatMap((sku) =>
      LOCATIONS.map((location) => `${sku},${location},${onHand}`),
    );
    return {
      kind: 'import',
      method: 'POST',
      path: '/v1/stock/import',
      headers: { 'content-type': 'text/csv' },
      body: `sku,location,onHand\n${rows.join('\n')}\n`,
      expected: [200],
    };
  }

  private read(): Call {
    return get('read SKU', `/v1/stock/${this.sku()}`);
  }

  private plan(second: number, call: Call): void {
    const at = Math.max(second, this.ripeUntil);
    const calls = this.later.get(at);
    if (calls === undefined) this.later.set(at, [call]);
    else calls.push(call);
  }

  private remember(id: string): void {
    if (this.ids.length < REMEMBERED) this.ids.push(id);
    else this.ids[this.upTo(REMEMBERED)] = id;
  }

  private sku(): string {
    return this.random() < 0.05 ? skuOf(RARE, this.upTo(RARE.count)) : skuOf(MANY, this.popular());
  }

  private location(): string {
    return LOCATIONS[this.upTo(LOCATIONS.length)];
  }

  private reference(order: number): string {
    return `order-${order}`;
  }

  private upTo(count: number): number {
    return Math.floor(this.random() * count);
  }
}

function get(kind: Kind, path: string): Call {
  return { kind, method: 'GET', path, expected: [200] };
}

function post(kind: Kind, path: string, json: unknown): Call {
  const headers = { 'content-type': 'application/json' };
  return { kind, method: 'POST', path, headers, body: JSON.stringify(json), expected: [200] };
}
