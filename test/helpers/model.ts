/**
 * What Holdfast promises, as a few plain objects: stock levels by SKU and location, and reservations.
 * Each method is one call: it changes the model as the call must change the server, and says what the
 * call must be answered. It knows nothing of partitions, commits or processes.
 *
 * What only the server can choose (ids, the times of its clock) is taken from the answer at hand, once;
 * from then on it is part of what must be answered.
 */
import type { Strategy } from '../../src/reservations/types.ts';
import type { GrantedLine, Line, Reservation } from './shop.ts';

type Json = ReturnType<typeof JSON.parse>;

/** What must be answered: of a problem the code and the lines at fault, of a level all but `updatedAt`. */
export interface Expected {
  status: number;
  body: Json;
}

/** What was answered, reduced to the same, and when: milliseconds since the Unix epoch. */
export interface Answer extends Expected {
  sentAt: number;
  receivedAt: number;
}

export interface Wish {
  lines: Line[];
  /** Of lines without a location. */
  sourcing?: { strategy: Strategy; locations?: string[] };
  expiresInSeconds: number;
  reference?: string;
}

export interface Count {
  onHand: number;
  safetyStock?: number;
  backorderLimit?: number;
}

interface Level {
  location: string;
  onHand: number;
  reserved: number;
  safetyStock: number;
  backorderLimit: number;
  version: number;
  /** False after an order over several SKUs was refused: it may have held this level for a moment. */
  versionIsKnown: boolean;
}

interface Shortage {
  line: number;
  sku: string;
  code: 'insufficient-stock' | 'unknown-sku';
  requested: number;
  available: number;
}

/** The answer may be that late after the moment at which a reservation ran out. */
const LATE_MS_MAX = 1000;

export class Model {
  /** By SKU, in the order in which they were made. */
  readonly levels = new Map<string, Level[]>();
  readonly reservations = new Map<string, Reservation>();

  clone(): Model {
    const copy = new Model();
    for (const [sku, levels] of this.levels)
      copy.levels.set(
        sku,
        levels.map((level) => ({ ...level })),
      );
    for (const [id, reservation] of this.reservations) copy.reservations.set(id, { ...reservation });
    return copy;
  }

  /** Equal for models that will answer alike. */
  key(): string {
    return JSON.stringify([...this.levels, ...this.reservations]);
  }

  /** @param ifMatch a version, or `*` */
  putLevel(
    sku: string,
    location: string,
    count: Count,
    ifMatch: string | undefined,
    answer: Answer,
  ): Expected {
    const levels = this.levels.get(sku) ?? [];
    const found = levels.find((level) => level.location === location);
    if (ifMatch !== undefined && !meets(found, ifMatch, answer)) return problem(412, 'version-mismatch');
    const before = found ?? {
      location,
      onHand: -1,
      reserved: 0,
      safetyStock: 0,
      backorderLimit: 0,
      version: 0,
      versionIsKnown: true,
    };
    const after = { ...before, ...count };
    if (Object.keys(count).some((name) => after[name as keyof Count] !== before[name as keyof Count]))
      after.version++;
    if (found === undefined) this.levels.set(sku, [...levels, after]);
    else Object.assign(found, after);
    return { status: found === undefined ? 201 : 200, body: levelBody(sku, found ?? after, answer.body) };
  }

  stock(sku: string, answer: Answer): Expected {
    const body = this.stockBody(sku, answer.body);
    return body === undefined ? problem(404, 'unknown-sku') : { status: 200, body };
  }

  query(skus: string[], answer: Answer): Expected {
    const results = skus.map((sku, i) => {
      const body = this.stockBody(sku, answer.body.results?.[i]);
      return body === undefined ? { sku, found: false } : { ...body, found: true };
    });
    return { status: 200, body: { results } };
  }

  reserve(wish: Wish, answer: Answer): Expected {
    const lines: GrantedLine[] = [];
    const short: Shortage[] = [];
    for (const [line, { sku, quantity }] of wish.lines.entries()) {
      const found = this.source(wish, line);
      if (typeof found === 'number') {
        const code = this.levels.has(sku) ? 'insufficient-stock' : 'unknown-sku';
        short.push({ line, sku, code, requested: quantity, available: found });
      } else {
        for (const { location, quantity: part } of found) this.levelAt(sku, location).reserved += part;
        lines.push({ sku, quantity, allocations: found });
      }
    }
    this.giveBack(lines);
    if (short.length > 0) return this.refuse(wish, short);
    const { id } = answer.body;
    const createdAt = during(answer, answer.body.createdAt);
    const expiresAt = later(createdAt, wish.expiresInSeconds * 1000);
    const held: Reservation = { id, status: 'held', lines, createdAt, expiresAt };
    if (wish.reference !== undefined) held.reference = wish.reference;
    this.hold(held);
    return { status: 201, body: { ...held } };
  }

  /** Takes the units of a reservation as it was granted. */
  hold(reservation: Reservation): void {
    this.reservations.set(reservation.id, reservation);
    for (const { sku, allocations } of reservation.lines)
      for (const { location, quantity } of allocations) {
        const level = this.levelAt(sku, location);
        level.reserved += quantity;
        level.version++;
      }
  }

  read(id: string, answer: Answer): Expected {
    const found = this.reservations.get(id);
    if (found === undefined) return problem(404, 'unknown-reservation');
    if (found.status === 'expired') found.closedAt ??= onTime(found, answer.body.closedAt);
    return { status: 200, body: { ...found } };
  }

  cancel(id: string, answer: Answer): Expected {
    const found = this.reservations.get(id);
    if (found === undefined) return problem(404, 'unknown-reservation');
    if (found.status === 'held') {
      this.release(found, 'cancelled');
      found.closedAt = during(answer, answer.body.closedAt);
    }
    if (found.status !== 'cancelled') return problem(409, `reservation-${found.status}`);
    return { status: 200, body: { ...found } };
  }

  /** Its time has passed, and the second within which its stock must be back. */
  expire(id: string): void {
    this.release(this.reservations.get(id)!, 'expired');
  }

  /** The units of one level that reservations hold. */
  heldAt(sku: string, location: string): number {
    return [...this.reservations.values()]
      .filter(({ status }) => status === 'held')
      .flatMap(({ lines }) => lines.filter((line) => line.sku === sku).flatMap((line) => line.allocations))
      .reduce((sum, part) => sum + (part.location === location ? part.quantity : 0), 0);
  }

  private release(reservation: Reservation, status: 'cancelled' | 'expired'): void {
    reservation.status = status;
    this.giveBack(reservation.lines);
    for (const { sku, allocations } of reservation.lines)
      for (const { location } of allocations) this.levelAt(sku, location).version++;
  }

  private giveBack(lines: GrantedLine[]): void {
    for (const { sku, allocations } of lines)
      for (const { location, quantity } of allocations) this.levelAt(sku, location).reserved -= quantity;
  }

  private refuse(wish: Wish, short: Shortage[]): Expected {
    const skus = new Set(wish.lines.map(({ sku }) => sku));
    if (skus.size > 1)
      for (const level of [...skus].flatMap((sku) => this.levels.get(sku) ?? []))
        level.versionIsKnown = false;
    const isUnknown = short.some(({ code }) => code === 'unknown-sku');
    return problem(isUnknown ? 404 : 409, isUnknown ? 'unknown-sku' : 'insufficient-stock', short);
  }

  /** Where the units of a line come from, or how many there are of them if they are too few. */
  private source({ lines, sourcing }: Wish, line: number): GrantedLine['allocations'] | number {
    const { sku, quantity, location } = lines[line];
    const levels = this.levels.get(sku) ?? [];
    const allowed = location === undefined ? sourcing?.locations : [location];
    const candidates = (allowed ?? levels.map((level) => level.location)).flatMap((name) => {
      const level = levels.find((one) => one.location === name);
      return level === undefined ? [] : [{ location: name, free: Math.max(0, availableOf(level)) }];
    });
    if (location === undefined && sourcing?.strategy === 'split') {
      let missing = quantity;
      const parts = candidates.map((one) => {
        const part = Math.min(missing, one.free);
        missing -= part;
        return { location: one.location, quantity: part };
      });
      return missing > 0 ? quantity - missing : parts.filter((part) => part.quantity > 0);
    }
    const most = Math.max(0, ...candidates.map(({ free }) => free));
    if (most < quantity) return most;
    const wanted = sourcing?.strategy === 'in-order' ? quantity : most;
    return [{ location: candidates.find(({ free }) => free >= wanted)!.location, quantity }];
  }

  private stockBody(sku: string, seen: Json): Json {
    const levels = this.levels.get(sku);
    if (levels === undefined) return undefined;
    const bodies = levels.map((level, i) => levelBody(sku, level, seen?.levels?.[i]));
    const sum = (name: string): number => bodies.reduce((total, body) => total + body[name], 0);
    const names = ['onHand', 'reserved', 'safetyStock', 'backorderLimit', 'available'];
    return { sku, totals: Object.fromEntries(names.map((name) => [name, sum(name)])), levels: bodies };
  }

  private levelAt(sku: string, location: string): Level {
    return this.levels.get(sku)!.find((level) => level.location === location)!;
  }
}

export function availableOf(
  level: Pick<Level, 'onHand' | 'reserved' | 'safetyStock' | 'backorderLimit'>,
): number {
  return level.onHand - level.reserved - level.safetyStock + level.backorderLimit;
}

function problem(status: number, code: string, errors?: Shortage[]): Expected {
  return { status, body: errors === undefined ? { code } : { code, errors } };
}

/** @param seen this level as it was answered, which settles a version that is not known */
function levelBody(sku: string, level: Level, seen: Json): Json {
  if (!level.versionIsKnown && seen?.version >= level.version) {
    level.version = seen.version;
    level.versionIsKnown = true;
  }
  const { versionIsKnown: _, ...body } = level;
  return { sku, ...body, available: availableOf(level) };
}

function meets(level: Level | undefined, ifMatch: string, answer: Answer): boolean {
  if (level === undefined) return false;
  if (ifMatch === '*') return true;
  if (level.versionIsKnown) return Number(ifMatch) === level.version;
  if (answer.status === 412 || Number(ifMatch) < level.version) return false;
  level.version = Number(ifMatch);
  level.versionIsKnown = true;
  return true;
}

/** The time, if the server can have read it from its clock while it was asked. */
function during({ sentAt, receivedAt }: Answer, time: string): string {
  const at = Date.parse(time);
  return at >= sentAt && at <= receivedAt ? time : new Date(sentAt).toISOString();
}

function later(time: string, ms: number): string {
  return new Date(Date.parse(time) + ms).toISOString();
}

function onTime({ expiresAt }: Reservation, closedAt: string): string {
  const lateMs = Date.parse(closedAt) - Date.parse(expiresAt);
  return lateMs >= 0 && lateMs <= LATE_MS_MAX
    ? closedAt
    : `no later than ${LATE_MS_MAX} ms after ${expiresAt}`;
}
