/**
 * Many clients at once, each sending what it does until it has a certain answer. In the end every call has one, and what the
 * answers say together is what the books must say, to the unit: nothing that was acknowledged is lost, nothing took effect
 * twice or without an answer.
 */
import { expect } from 'bun:test';
import { type Order, ProblemError, type Reservation, type StockLevel } from '../../src/client/index.ts';
import type { BooksSql } from './books.ts';
import { PatientClient } from './patient-client.ts';
import { checkAnswers, checkLevels, isOver } from './promises.ts';
import { until } from './server.ts';
import { seeded } from './shop.ts';

const CLIENTS = 24;
/** So few that some sell out, so many that most orders are granted. */
const SKUS = 12;
const LOCATIONS = ['berlin', 'hamburg'];
const UNITS = 800;
const LONG_SECONDS = 3600;
const SHORT_SECONDS = 3;
/** Longer than any fault lasts that a test makes, unless it says otherwise. */
const PATIENCE_MS = 60_000;
/** Orders that are granted before a load stops, so that what is checked afterwards says something, however slow all was. */
export const PROMISED_MIN = 51;
const ENOUGH_MS = 15_000;

export interface LoadOptions {
  fronts?: number;
  seed?: number;
  /** How long a call is tried. */
  patienceMs?: number;
  clients?: number;
  /** Every order has several lines, and so, most of them, several partitions. */
  together?: boolean;
}

/** What is known of a reservation by the answers of those who made, changed and read it. */
export interface Promised {
  reservation: Reservation;
  /** Of the confirmed: what was sold. */
  sold?: Reservation['lines'];
}

export class Load {
  readonly promised = new Map<string, Promised>();
  /** References of orders that were certainly refused. */
  readonly refused = new Set<string>();
  /** By `sku@location`: units on hand by counts and adjustments alone. */
  readonly stocked = new Map<string, number>();
  /** By `sku@location`: the highest version that was shown. */
  private readonly versions = new Map<string, number>();
  readonly wrong: string[] = [];
  readonly skus: string[];
  readonly seed: number;
  private readonly random: () => number;
  private readonly client: PatientClient;
  private readonly clients: number;
  private readonly singles: number;
  private running: Promise<unknown> | undefined;
  private stopping = false;

  constructor(
    port: number,
    readonly name: string,
    {
      fronts = 2,
      seed = Date.now(),
      patienceMs = PATIENCE_MS,
      clients = CLIENTS,
      together = false,
    }: LoadOptions = {},
  ) {
    this.seed = seed;
    this.clients = clients;
    this.singles = together ? 0 : 0.4;
    this.random = seeded(seed);
    this.skus = Array.from({ length: SKUS }, (_, i) => `${name}-${i}`);
    this.client = new PatientClient(port, { fronts, patienceMs, random: this.random, wrong: this.wrong });
  }

  async start(): Promise<void> {
    await Promise.all(
      this.skus.flatMap((sku) => LOCATIONS.map((location) => this.count(sku, location, UNITS))),
    );
    const clients = Array.from({ length: this.clients }, (_, client) => this.shopper(client));
    this.running = Promise.all([...clients, this.counter()]);
  }

  /** Resolves when enough has been promised and each call has its answer. */
  async stop(): Promise<void> {
    const isEnough = (): boolean => this.stopping || this.promised.size >= PROMISED_MIN;
    const late = (): string => `only ${this.promised.size} orders were granted; ${this.about}`;
    try {
      await Promise.race([until(isEnough, ENOUGH_MS, late), this.running]);
    } finally {
      this.stopping = true;
      await this.running;
    }
  }

  /** For a failure's message. */
  get about(): string {
    return `seed ${this.seed}, answers ${this.summary}`;
  }

  /** Kinds of answers that were no certain ones. */
  get failures(): string[] {
    return this.client.failures;
  }

  get summary(): string {
    return this.client.summary;
  }

  /** Holds every decision in the books against what was answered. */
  async checkAnswers(sql: BooksSql): Promise<void> {
    expect(this.wrong, this.about).toEqual([]);
    await checkAnswers(this, sql);
  }

  /** The same, and every level, once what nobody finished has been swept up, which may take its time. */
  async check(sql: BooksSql): Promise<void> {
    await this.checkAnswers(sql);
    await checkLevels(this, sql, this.client.fronts[0]);
  }

  private async shopper(client: number): Promise<void> {
    const mine: string[] = [];
    for (let number = 0; !this.stopping; number++) {
      const chance = this.random();
      if (chance < 0.08) await this.adjust(this.sku(), this.location(), `${client}-${number}`);
      else if (chance < 0.18) await this.readLevels(this.sku());
      else if (chance < 0.5 && mine.length > 0) await this.goOnWith(mine);
      else await this.hold(`${this.name}-${client}-${number}`, mine);
    }
  }

  private async goOnWith(mine: string[]): Promise<void> {
    const at = Math.floor(this.random() * mine.length);
    const id = mine[at];
    const chance = this.random();
    if (chance < 0.2) return this.extend(id);
    if (chance < 0.35) return this.readReservation(id);
    mine.splice(at, 1);
    if (chance < 0.65) await this.cancel(id);
    else await this.confirm(id);
  }

  private async hold(reference: string, mine: string[]): Promise<void> {
    const order = { ...this.order(), reference };
    const held = await this.client.call('hold', (front, once) => front.reservations.hold(order, once));
    if (held instanceof ProblemError) {
      if (held.code !== 'insufficient-stock') this.wrong.push(`hold: ${held.code}: ${held.message}`);
      this.refused.add(reference);
    } else if (held !== undefined) {
      const asOrdered = held.lines.every(
        ({ sku, quantity }, i) => sku === order.lines[i].sku && quantity === order.lines[i].quantity,
      );
      if (!asOrdered || held.lines.length !== order.lines.length)
        this.wrong.push(`${JSON.stringify(order)} was granted as ${JSON.stringify(held)}`);
      if (this.promised.has(held.id)) this.wrong.push(`${held.id} was given twice`);
      this.promised.set(held.id, { reservation: held });
      mine.push(held.id);
    }
  }

  private async confirm(id: string): Promise<void> {
    const { lines } = this.promised.get(id)!.reservation;
    const part = this.random() < 0.3 ? { lines: [{ sku: lines[0].sku, quantity: 1 }] } : undefined;
    const done = await this.client.call('confirm', (front, once) =>
      front.reservations.confirm(id, part, once),
    );
    this.closed(id, done, 'confirmed');
  }

  private async cancel(id: string): Promise<void> {
    const done = await this.client.call('cancel', (front, once) => front.reservations.cancel(id, once));
    this.closed(id, done, 'cancelled');
  }

  private async extend(id: string): Promise<void> {
    const done = await this.client.call('extend', (front, once) =>
      front.reservations.extend(id, LONG_SECONDS, once),
    );
    if (done instanceof ProblemError) this.closed(id, done, 'held');
    else if (done !== undefined) this.promised.get(id)!.reservation = done;
  }

  /** @param as the status that it was to have, unless it had expired */
  private closed(id: string, done: Reservation | ProblemError | undefined, as: Reservation['status']): void {
    const promised = this.promised.get(id)!;
    if (done === undefined) return;
    if (!(done instanceof ProblemError)) {
      if (done.status !== as) this.wrong.push(`${id} was to be ${as} and is ${JSON.stringify(done)}`);
      if (as === 'confirmed') promised.sold = done.lines;
      promised.reservation = { ...promised.reservation, status: done.status };
    } else if (done.code !== 'reservation-expired' || !isOver(promised.reservation)) {
      this.wrong.push(`${id} was to be ${as}: ${done.code}: ${done.message}`);
    } else {
      promised.reservation = { ...promised.reservation, status: 'expired' };
    }
  }

  private async readReservation(id: string): Promise<void> {
    const { reservation } = this.promised.get(id)!;
    const found = await this.client.call('read', (front, { deadlineMs, triesMax }) =>
      front.reservations.get(id, { deadlineMs, triesMax }),
    );
    if (found instanceof ProblemError || found === undefined) {
      if (found !== undefined) this.wrong.push(`${id} is not found: ${found.code}`);
    } else if (found.status !== 'held' && !(found.status === 'expired' && isOver(reservation))) {
      this.wrong.push(`${id} was left held and is ${found.status}`);
    }
  }

  /** Whoever reads sees at least what was shown before the read was sent. */
  private async readLevels(sku: string): Promise<void> {
    const before = new Map(this.versions);
    const stock = await this.client.call('levels', (front, { deadlineMs, triesMax }) =>
      front.stock.get(sku, { deadlineMs, triesMax }),
    );
    if (stock instanceof ProblemError) this.wrong.push(`${sku} is not found: ${stock.code}`);
    else for (const level of stock?.levels ?? []) this.show(level, before);
  }

  private show(level: StockLevel, before = new Map<string, number>()): void {
    const key = `${level.sku}@${level.location}`;
    if (level.version < (before.get(key) ?? 0))
      this.wrong.push(`${key} has gone back from version ${before.get(key)}: ${JSON.stringify(level)}`);
    this.versions.set(key, Math.max(this.versions.get(key) ?? 0, level.version));
  }

  private async adjust(sku: string, location: string, reference: string): Promise<void> {
    const delta = this.random() < 0.7 ? 3 : -1;
    const adjustment = { delta, reason: 'load', reference };
    const level = await this.client.call('adjust', (front, once) =>
      front.stock.adjust(sku, location, adjustment, once),
    );
    if (level instanceof ProblemError) {
      if (level.code !== 'stock-below-zero') this.wrong.push(`adjust: ${level.code}: ${level.message}`);
    } else if (level !== undefined) {
      this.show(level);
      this.stocked.set(`${sku}@${location}`, this.stocked.get(`${sku}@${location}`)! + delta);
    }
  }

  /** Counts a level that nobody else changes: repeating it is safe without a key. */
  private async counter(): Promise<void> {
    for (let onHand = 1; !this.stopping; onHand++)
      await this.count(`${this.name}-counted`, LOCATIONS[0], onHand);
  }

  private async count(sku: string, location: string, onHand: number): Promise<void> {
    const level = await this.client.call('count', (front, { deadlineMs, triesMax }) =>
      front.stock.put(sku, location, { onHand }, { deadlineMs, triesMax }),
    );
    if (level === undefined || level instanceof ProblemError) this.wrong.push(`count: ${level?.code}`);
    else this.show(level);
    this.stocked.set(`${sku}@${location}`, onHand);
  }

  private order(): Order & { lines: { sku: string; quantity: number; location?: string }[] } {
    const count = this.random() < this.singles ? 1 : 2 + Math.floor(this.random() * 3);
    const lines = Array.from({ length: count }, () => ({
      sku: this.sku(),
      quantity: 1 + Math.floor(this.random() * 2),
      location: this.random() < 0.3 ? undefined : this.location(),
    }));
    return { lines, expiresInSeconds: this.random() < 0.15 ? SHORT_SECONDS : LONG_SECONDS };
  }

  private sku(): string {
    return this.skus[Math.floor(this.random() * this.skus.length)];
  }

  private location(): string {
    return LOCATIONS[Math.floor(this.random() * LOCATIONS.length)];
  }
}
