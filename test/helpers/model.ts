/**
 * What Holdfast promises, as a few plain objects: stock, reservations, and what was answered to each
 * Idempotency-Key. Each method is one call: it changes the model as the call must change the server, and
 * says what the call must be answered. It knows nothing of partitions, commits or processes.
 *
 * What only the server can choose (ids, the times of its clock) is taken from the answer at hand, once;
 * from then on it is part of what must be answered.
 */
import { type Count, levelOf, type Shelf, Shelves, type Shortage, type Sourcing } from './model-shelves.ts';
import type { GrantedLine, Line, Reservation } from './shop.ts';

type Json = ReturnType<typeof JSON.parse>;

/** What must be answered: of a problem the code and what is at fault, of a level all but `updatedAt`. */
export interface Expected {
  status: number;
  body: Json;
  /** With `Idempotency-Replayed: true`. */
  replayed: boolean;
}

/** What was answered, reduced to the same, and when: milliseconds since the Unix epoch. */
export interface Answer extends Expected {
  sentAt: number;
  receivedAt: number;
}

export interface Wish {
  lines: Line[];
  /** Of lines without a location. */
  sourcing?: Sourcing;
  mode?: 'all' | 'partial';
  expiresInSeconds: number;
  reference?: string;
}

export interface Sale {
  lines?: { sku: string; quantity: number }[];
  ifExpired?: 'rehold';
}

/** By so long after the end of a reservation its stock is back, also on a machine that is busy; expiry.test.ts is stricter. */
export const BACK_MS = 2000;

export class Model {
  readonly reservations = new Map<string, Reservation>();
  /** SKUs of a reservation as it was held; what is sold of it may be fewer. */
  private readonly skusOf = new Map<string, string[]>();
  private readonly keys = new Map<string, { what: string; answer: Expected }>();

  constructor(readonly shelves = new Shelves()) {}

  clone(): Model {
    const copy = new Model(this.shelves.clone());
    for (const [id, reservation] of this.reservations) copy.reservations.set(id, { ...reservation });
    for (const [id, skus] of this.skusOf) copy.skusOf.set(id, skus);
    for (const [key, known] of this.keys) copy.keys.set(key, known);
    return copy;
  }

  become(other: Model): void {
    Object.assign(this, other);
  }

  /** Equal for models that will answer alike. */
  key(): string {
    return JSON.stringify([...this.shelves.bySku, ...this.reservations, ...this.keys]);
  }

  /** @param ifMatch a version, or `*` */
  putLevel(
    sku: string,
    location: string,
    count: Count,
    ifMatch: string | undefined,
    answer: Answer,
  ): Expected {
    if (ifMatch !== undefined && !meets(this.shelves.find(sku, location), ifMatch, answer))
      return problem(412, 'version-mismatch');
    const { shelf, isNew } = this.shelves.put(sku, location, count);
    return expected(isNew ? 201 : 200, levelOf(sku, shelf, answer.body));
  }

  adjust(sku: string, location: string, delta: number, answer: Answer): Expected {
    if (!this.shelves.bySku.has(sku)) return problem(404, 'unknown-sku');
    const shelf = this.shelves.find(sku, location);
    if (shelf === undefined) return problem(404, 'unknown-level');
    if (delta < 0 && shelf.onHand + delta < 0) return problem(409, 'stock-below-zero');
    shelf.onHand += delta;
    shelf.version++;
    return expected(200, levelOf(sku, shelf, answer.body));
  }

  stock(sku: string, answer: Answer): Expected {
    const body = this.shelves.stockOf(sku, answer.body);
    return body === undefined ? problem(404, 'unknown-sku') : expected(200, body);
  }

  query(skus: string[], answer: Answer): Expected {
    const results = skus.map((sku, i) => {
      const body = this.shelves.stockOf(sku, answer.body.results?.[i]);
      return body === undefined ? { sku, found: false } : { ...body, found: true };
    });
    return expected(200, { results });
  }

  reserve(wish: Wish, answer: Answer): Expected {
    const { mode = 'all', reference, expiresInSeconds } = wish;
    const wanted = wish.lines.map((line, i) => ({ ...line, line: i }));
    const { taken, short } = this.shelves.source(wanted, wish.sourcing, mode === 'partial');
    if (short.length > 0 && (mode === 'all' || taken.length === 0)) return this.refuse(wish.lines, short);
    const { id } = answer.body;
    const createdAt = during(answer, answer.body.createdAt);
    const expiresAt = later(createdAt, expiresInSeconds * 1000);
    const lines = taken.map(({ line: _, ...granted }) => granted);
    const held: Reservation = { id, status: 'held', lines, createdAt, expiresAt };
    if (reference !== undefined) held.reference = reference;
    this.hold(held);
    if (mode === 'all') return expected(201, { ...held });
    const notGranted = short.map(({ available, ...line }) => ({ ...line, granted: available }));
    return expected(201, { ...held, notGranted });
  }

  /** Takes the units of a reservation as it was granted. */
  hold(reservation: Reservation): void {
    this.reservations.set(reservation.id, reservation);
    this.skusOf.set(
      reservation.id,
      reservation.lines.map(({ sku }) => sku),
    );
    this.shelves.move(reservation.lines, 'hold');
  }

  read(id: string, answer: Answer): Expected {
    const found = this.reservations.get(id);
    if (found === undefined) return problem(404, 'unknown-reservation');
    if (found.status === 'expired') found.closedAt ??= onTime(found, answer.body.closedAt);
    return expected(200, { ...found });
  }

  cancel(id: string, answer: Answer): Expected {
    const found = this.reservations.get(id);
    if (found === undefined) return problem(404, 'unknown-reservation');
    if (found.status === 'held') {
      this.release(found, 'cancelled');
      found.closedAt = during(answer, answer.body.closedAt);
    }
    if (found.status !== 'cancelled') return problem(409, `reservation-${found.status}`);
    return expected(200, { ...found });
  }

  confirm(id: string, { lines, ifExpired }: Sale, answer: Answer): Expected {
    const found = this.reservations.get(id);
    if (found === undefined) return problem(404, 'unknown-reservation');
    if (found.status === 'confirmed') return expected(200, { ...found });
    if (found.status === 'cancelled') return problem(409, 'reservation-cancelled');
    if (found.status === 'expired' && ifExpired === undefined) return problem(409, 'reservation-expired');
    const sold = lines === undefined ? found.lines : partOf(found.lines, lines);
    if (typeof sold === 'number')
      return problem(422, 'invalid-request', [{ pointer: `/lines/${sold}/quantity`, code: 'not-held' }]);
    if (found.status === 'expired') {
      const { short } = this.shelves.source(piecesOf(found.lines, sold));
      if (short.length > 0) return this.refuse(sold, short);
      this.shelves.move(sold, 'hold');
    }
    this.shelves.move(sold, 'sell');
    if (found.status === 'held') this.shelves.move(without(found.lines, sold), 'release');
    found.status = 'confirmed';
    found.lines = sold.filter(({ quantity }) => quantity > 0);
    found.closedAt = during(answer, answer.body.closedAt);
    return expected(200, { ...found });
  }

  extend(id: string, expiresInSeconds: number, answer: Answer): Expected {
    const found = this.reservations.get(id);
    if (found === undefined) return problem(404, 'unknown-reservation');
    if (found.status !== 'held') return problem(409, `reservation-${found.status}`);
    const ms = expiresInSeconds * 1000;
    found.expiresAt = later(during(answer, later(answer.body.expiresAt, -ms)), ms);
    return expected(200, { ...found });
  }

  /** Its time has passed, and BACK_MS. */
  expire(id: string): void {
    this.release(this.reservations.get(id)!, 'expired');
  }

  knowsKey(key: string): boolean {
    return this.keys.has(key);
  }

  /** Newest first, as each is read. A SKU is looked for among what was held, sold or not. */
  find(
    { reference, status, sku }: { reference: string; status?: string; sku?: string },
    answer: Answer,
  ): Expected {
    const found = [...this.reservations.values()].filter(
      (one) =>
        one.reference === reference &&
        (status === undefined || one.status === status) &&
        (sku === undefined || this.skusOf.get(one.id)!.includes(sku)),
    );
    const seen = (id: string): Json => answer.body.items?.find((item: Reservation) => item.id === id) ?? {};
    const items = found
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .map(({ id }) => this.read(id, { ...answer, body: seen(id) }).body);
    return expected(200, { items });
  }

  importRows(rows: ({ sku: string; location: string } & Count)[]): Expected {
    const changed = rows.filter(({ sku, location, ...count }) => {
      const before = this.shelves.find(sku, location)?.version;
      return this.shelves.put(sku, location, count).shelf.version !== before;
    });
    const unchanged = rows.length - changed.length;
    return expected(200, { accepted: changed.length, unchanged, rejected: 0, errors: [] });
  }

  /** A call with an Idempotency-Key. @param what it asks for, by which a repetition is known */
  once(key: string, what: string, call: () => Expected): Expected {
    const known = this.keys.get(key);
    if (known === undefined) {
      const answer = call();
      // What can't have had an effect leaves the key free.
      if (answer.status !== 422) this.keys.set(key, { what, answer });
      return answer;
    }
    return known.what === what ? { ...known.answer, replayed: true } : problem(422, 'idempotency-key-reused');
  }

  /** Units of one level that reservations hold. */
  heldAt(sku: string, location: string): number {
    return [...this.reservations.values()]
      .filter(({ status }) => status === 'held')
      .flatMap(({ lines }) => lines.filter((line) => line.sku === sku).flatMap((line) => line.allocations))
      .reduce((sum, part) => sum + (part.location === location ? part.quantity : 0), 0);
  }

  private release(reservation: Reservation, status: 'cancelled' | 'expired'): void {
    reservation.status = status;
    this.shelves.move(reservation.lines, 'release');
  }

  private refuse(lines: { sku: string }[], short: Shortage[]): Expected {
    const skus = new Set(lines.map(({ sku }) => sku));
    if (skus.size > 1)
      for (const shelf of [...skus].flatMap((sku) => this.shelves.bySku.get(sku) ?? []))
        shelf.versionIsKnown = false;
    const isUnknown = short.some(({ code }) => code === 'unknown-sku');
    return problem(isUnknown ? 404 : 409, isUnknown ? 'unknown-sku' : 'insufficient-stock', short);
  }
}

export function expected(status: number, body: Json): Expected {
  return { status, body, replayed: false };
}

/** @returns nothing where the answer is as expected */
export function differences(expected: Expected, { status, body, replayed }: Answer): string[] {
  return Bun.deepEquals(expected, { status, body, replayed }) ? [] : [`expected ${shown(expected)}`];
}

export function shown({ status, body, replayed }: Expected): string {
  return `${status}${replayed ? ' again' : ''} ${JSON.stringify(body)}`;
}

function problem(status: number, code: string, errors?: object[]): Expected {
  return expected(status, errors === undefined ? { code } : { code, errors });
}

/**
 * So many units of each SKU, from the first line and the first location that hold it on.
 * @returns as many lines as before, some of them of nothing; or which of `wanted` is more than there is
 */
function partOf(lines: GrantedLine[], wanted: { sku: string; quantity: number }[]): GrantedLine[] | number {
  const left = new Map<string, number>();
  for (const [i, { sku, quantity }] of wanted.entries()) {
    const held = lines.reduce((sum, line) => sum + (line.sku === sku ? line.quantity : 0), 0);
    const all = (left.get(sku) ?? 0) + quantity;
    if (all > held) return i;
    left.set(sku, all);
  }
  return lines.map(({ sku, allocations }) => {
    const parts = allocations.flatMap(({ location, quantity }) => {
      const part = Math.min(quantity, left.get(sku) ?? 0);
      left.set(sku, (left.get(sku) ?? 0) - part);
      return part === 0 ? [] : [{ location, quantity: part }];
    });
    return { sku, quantity: parts.reduce((sum, part) => sum + part.quantity, 0), allocations: parts };
  });
}

/** What is left of the lines. */
function without(lines: GrantedLine[], sold: GrantedLine[]): GrantedLine[] {
  return lines.map((line, i) => ({
    ...line,
    allocations: line.allocations.flatMap(({ location, quantity }) => {
      const part = sold[i].allocations.find((one) => one.location === location)?.quantity ?? 0;
      return part === quantity ? [] : [{ location, quantity: quantity - part }];
    }),
  }));
}

/** Each allocation as a line of its own, from no other place than before. */
function piecesOf(lines: GrantedLine[], sold: GrantedLine[]) {
  return lines.flatMap(({ sku }, line) => sold[line].allocations.map((part) => ({ line, sku, ...part })));
}

function meets(shelf: Shelf | undefined, ifMatch: string, answer: Answer): boolean {
  if (shelf === undefined) return false;
  if (ifMatch === '*') return true;
  if (shelf.versionIsKnown) return Number(ifMatch) === shelf.version;
  if (answer.status === 412 || Number(ifMatch) < shelf.version) return false;
  shelf.version = Number(ifMatch);
  shelf.versionIsKnown = true;
  return true;
}

/** The time, if the server can have read it from its clock while it was asked. */
function during({ sentAt, receivedAt }: Answer, time: string): string {
  const at = Date.parse(time);
  return at >= sentAt && at <= receivedAt ? time : new Date(sentAt).toISOString();
}

function later(time: string, ms: number): string {
  const at = Date.parse(time) + ms;
  return Number.isNaN(at) ? 'unknown' : new Date(at).toISOString();
}

function onTime({ expiresAt }: Reservation, closedAt: string): string {
  const lateMs = Date.parse(closedAt) - Date.parse(expiresAt);
  return lateMs >= 0 && lateMs <= BACK_MS ? closedAt : `at most ${BACK_MS} ms after ${expiresAt}`;
}
