/**
 * Many clients that hold, cancel and count at once, and remember what each answer promised, so that
 * it can be held against the books after something has been killed.
 *
 * An answer is either a promise (201, 200), a certain no (409, 503 `overloaded` and
 * `partition-unavailable`: nothing was changed), or unknown (503 `outcome-unknown`, a connection that
 * broke). Anything else is wrong.
 */
import { expect } from 'bun:test';
import { type BooksSql, decisionsOf, faultsOf, strayHolds } from './books.ts';
import { until } from './server.ts';
import { type Answer, type Line, type Reservation, type Shop, seeded, skusOfWorker } from './shop.ts';

const CLIENTS = 32;
/** So few that some sell out, so many that most orders are granted. */
const SKUS_PER_WORKER = 6;
const UNITS = 1000;
const PAUSE_MS = 20;
/** A participant asks the home after ASK_HOME_AFTER_MS at the latest; then every half second. */
const SWEPT_MS = 20_000;
const NO_EFFECT = ['insufficient-stock', 'overloaded', 'partition-unavailable'];

export class Load {
  /** Acknowledged and, as far as anyone was told, not closed. */
  readonly held = new Map<string, Reservation>();
  readonly cancelled = new Set<string>();
  /** Cancels whose outcome nobody was told. */
  readonly perhapsCancelled = new Set<string>();
  /** References of orders that were certainly refused. */
  readonly refused = new Set<string>();
  /** By SKU, the count last acknowledged and the last one sent. */
  readonly counts = new Map<string, { acknowledged: number; sent: number }>();
  readonly wrong: string[] = [];
  readonly answers = new Map<string, number>();
  private readonly skus: string[];
  private readonly random: () => number;
  private running: Promise<unknown> | undefined;
  private stopping = false;

  constructor(
    private readonly shop: Shop,
    private readonly name: string,
    readonly seed = Date.now(),
  ) {
    this.random = seeded(seed);
    this.skus = [0, 1].flatMap((worker) => skusOfWorker(worker, name, SKUS_PER_WORKER));
  }

  async start(): Promise<void> {
    await this.shop.stockUp(this.skus, 'berlin', UNITS);
    await this.shop.stockUp(this.skus, 'hamburg', UNITS);
    const clients = Array.from({ length: CLIENTS }, (_, client) => this.orders(client));
    const counters = [0, 1].map((worker) => this.counter(skusOfWorker(worker, `${this.name}-count`, 1)[0]));
    this.running = Promise.all([...clients, ...counters]);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** Holds the books against what was promised, once what nobody finished has been swept up. */
  async check(sql: BooksSql, shop = this.shop): Promise<void> {
    const about = `seed ${this.seed}, answers ${JSON.stringify(Object.fromEntries(this.answers))}`;
    expect(this.wrong, about).toEqual([]);
    expect(this.held.size, about).toBeGreaterThan(100);
    expect(this.cancelled.size, about).toBeGreaterThan(20);
    expect(await faultsOf(sql, { settled: false }), about).toEqual([]);
    await this.checkDecisions(sql, about);
    await this.checkReads(shop, about);
    await until(
      async () => (await strayHolds(sql)) === 0,
      SWEPT_MS,
      () => 'participants hold what no home holds',
    );
    expect(await faultsOf(sql), about).toEqual([]);
    // Once more: sweeping up must not have touched what was promised.
    await this.checkDecisions(sql, about);
  }

  private async checkDecisions(sql: BooksSql, about: string): Promise<void> {
    const decisions = await decisionsOf(sql);
    const status = new Map(decisions.map((row) => [row.id, row.status]));
    const lost = [...this.held.keys()].filter((id) => status.get(id) !== 'held');
    expect(lost, `acknowledged and not held; ${about}`).toEqual([]);
    const open = [...this.cancelled].filter((id) => status.get(id) !== 'cancelled');
    expect(open, `acknowledged and not cancelled; ${about}`).toEqual([]);
    const allowed = ['held', 'cancelled'];
    const odd = [...this.perhapsCancelled].filter((id) => !allowed.includes(status.get(id) ?? ''));
    expect(odd, `neither held nor cancelled; ${about}`).toEqual([]);
    const made = decisions.filter(({ reference }) => reference !== null && this.refused.has(reference));
    expect(made, `refused and yet made; ${about}`).toEqual([]);
    for (const [sku, { acknowledged, sent }] of this.counts) {
      const [row] = await sql`select on_hand from holdfast.stock_level where sku = ${sku}`;
      expect(row.on_hand, `${sku}; ${about}`).toBeGreaterThanOrEqual(acknowledged);
      expect(row.on_hand, `${sku}; ${about}`).toBeLessThanOrEqual(sent);
    }
  }

  private async checkReads(shop: Shop, about: string): Promise<void> {
    for (const [id, reservation] of [...this.held].slice(-20)) {
      const { status, body } = await shop.read(id);
      expect([status, body], about).toEqual([200, reservation]);
    }
    for (const id of [...this.cancelled].slice(-20)) {
      expect((await shop.read(id)).body.status, about).toBe('cancelled');
    }
  }

  private async orders(client: number): Promise<void> {
    const mine: string[] = [];
    for (let number = 0; !this.stopping; number++) {
      if (mine.length > 0 && this.random() < 0.3) {
        const [id] = mine.splice(Math.floor(this.random() * mine.length), 1);
        if (await this.cancel(id)) mine.push(id);
      } else {
        const id = await this.hold(`${this.name}-${client}-${number}`);
        if (id !== undefined) mine.push(id);
      }
    }
  }

  /** @returns the id of what was certainly held */
  private async hold(reference: string): Promise<string | undefined> {
    const lines = this.order();
    const answer = await this.answerOf('hold', this.shop.hold(lines, { reference }));
    if (answer === undefined) return undefined;
    if (answer.status === 201) {
      const same = answer.body.lines.every(
        ({ sku, quantity }, i) => sku === lines[i].sku && quantity === lines[i].quantity,
      );
      if (!same || answer.body.lines.length !== lines.length) {
        this.wrong.push(`${JSON.stringify(lines)} were granted as ${JSON.stringify(answer.body)}`);
      }
      this.held.set(answer.body.id, answer.body);
      return answer.body.id;
    }
    if (NO_EFFECT.includes(answer.code!)) this.refused.add(reference);
    else if (answer.code !== 'outcome-unknown') this.wrong.push(`hold: ${JSON.stringify(answer.problem)}`);
    return undefined;
  }

  /** @returns whether the reservation is certainly still held */
  private async cancel(id: string): Promise<boolean> {
    const reservation = this.held.get(id)!;
    this.held.delete(id);
    const answer = await this.answerOf('cancel', this.shop.cancel(id));
    if (answer?.status === 200 && answer.body.status === 'cancelled') {
      this.cancelled.add(id);
      return false;
    }
    if (answer?.code === 'overloaded' || answer?.code === 'partition-unavailable') {
      this.held.set(id, reservation);
      return true;
    }
    if (answer !== undefined && answer.code !== 'outcome-unknown') {
      this.wrong.push(`cancel of ${id}: ${JSON.stringify(answer.body)}`);
    }
    this.perhapsCancelled.add(id);
    return false;
  }

  private async counter(sku: string): Promise<void> {
    const count = { acknowledged: 0, sent: 0 };
    while (!this.stopping) {
      const answer = await this.answerOf('count', this.shop.put(sku, 'berlin', ++count.sent));
      if (answer?.status === 200 || answer?.status === 201) count.acknowledged = count.sent;
      if (count.acknowledged > 0) this.counts.set(sku, count);
    }
  }

  /** @returns undefined when no whole answer arrived */
  private async answerOf<T>(what: string, sent: Promise<Answer<T>>): Promise<Answer<T> | undefined> {
    const answer = await sent.catch(() => undefined);
    const kind = `${what} ${answer === undefined ? 'broken' : (answer.code ?? answer.status)}`;
    this.answers.set(kind, (this.answers.get(kind) ?? 0) + 1);
    if (answer === undefined || answer.status === 503) await Bun.sleep(PAUSE_MS);
    return answer;
  }

  private order(): Line[] {
    const count = this.random() < 0.5 ? 1 : 2 + Math.floor(this.random() * 3);
    const place = (): string | undefined => [undefined, 'berlin', 'hamburg'][Math.floor(this.random() * 3)];
    return Array.from({ length: count }, () => ({
      sku: this.skus[Math.floor(this.random() * this.skus.length)],
      quantity: 1,
      location: place(),
    }));
  }
}
