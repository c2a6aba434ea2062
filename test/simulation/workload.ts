/**
 * What clients do all day: they count and adjust stock, look at it, order a few articles of few, more than there are, and then buy,
 * change their minds, or forget. Each order belongs to one client, so it knows what must become of it.
 */
import type { Call, Level, Line, Reservation, Sourcing } from './calls.ts';
import type { Client } from './client.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface Shop {
  skus: string[];
  locations: string[];
  /** Between two things that a client does, in milliseconds. */
  pauseMs: number;
  /** Orders are of so many lines at most. */
  linesMost: number;
  /** Units on hand after a count, at most. */
  onHandMost: number;
  /** How many of the requests have a key. */
  keyed: number;
}

/** How many of the confirmations and cancellations are not asked for again. */
const IMPATIENT = 0.3;
const SHORT_SECONDS = { from: 1, to: 20 };
const LONG_SECONDS = { from: 60, to: 240 };

export class Customer {
  private orders = 0;
  /** A level as it was when it was last looked at. */
  private seen: Level | undefined;
  private readonly random: Random;
  private readonly patience: Random;

  constructor(
    private readonly world: World,
    private readonly client: Client,
    private readonly shop: Shop,
  ) {
    this.random = client.random;
    this.patience = world.random.fork(`${client.name} patience`);
  }

  /** Goes on until told that it is over, and then finishes what it has begun. */
  async work(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.world.sleep(this.random.exponential(this.shop.pauseMs));
      await this.random.pick([
        this.count,
        this.recount,
        this.adjust,
        this.look,
        this.order,
        this.order,
        this.order,
        this.order,
      ])();
    }
  }

  /** Counts every level once. */
  async open(): Promise<void> {
    for (const sku of this.shop.skus)
      for (const location of this.shop.locations) await this.ask(this.countOf(sku, location));
  }

  private ask(call: Call, patient = true) {
    return this.client.ask(call, {
      keyed: this.takesKey(call) && this.random.chance(this.shop.keyed),
      patient,
    });
  }
  private takesKey({ kind }: Call): boolean {
    return kind !== 'put' && kind !== 'levels' && kind !== 'read';
  }

  /** Whoever is not gives up after the first answer that settles nothing: what was begun must come to its end by itself. */
  private isPatient(): boolean {
    return !this.patience.chance(IMPATIENT);
  }

  private reference(): string {
    return `${this.client.name}/${++this.orders}`;
  }

  private countOf(sku: string, location: string): Extract<Call, { kind: 'put' }> {
    const body: Extract<Call, { kind: 'put' }>['body'] = {
      onHand: this.random.between(0, this.shop.onHandMost),
    };
    if (this.random.chance(0.1)) body.safetyStock = this.random.between(0, 3);
    if (this.random.chance(0.1)) body.backorderLimit = this.random.between(0, 3);
    return { kind: 'put', sku, location, body };
  }

  private readonly count = async (): Promise<void> => {
    await this.ask(this.countOf(this.random.pick(this.shop.skus), this.random.pick(this.shop.locations)));
  };

  /** Only if nothing has happened to the level since it was looked at. */
  private readonly recount = async (): Promise<void> => {
    if (this.seen === undefined) return this.look();
    const { sku, location, version } = this.seen;
    await this.ask({ ...this.countOf(sku, location), ifVersion: version });
    this.seen = undefined;
  };

  private readonly adjust = async (): Promise<void> => {
    const delta = this.random.pick([-5, -2, -1, 1, 2, 5, 10]);
    const body = { delta, reason: delta < 0 ? 'damaged' : 'received', reference: this.reference() };
    const { skus, locations } = this.shop;
    await this.ask({
      kind: 'adjust',
      sku: this.random.pick(skus),
      location: this.random.pick(locations),
      body,
    });
  };

  private readonly look = async (): Promise<void> => {
    const answer = await this.ask({ kind: 'levels', sku: this.random.pick(this.shop.skus) });
    if (answer?.status === 200) this.seen = this.random.pick(JSON.parse(answer.body).levels as Level[]);
  };

  private readonly order = async (): Promise<void> => {
    const { random } = this;
    const lines = Array.from({ length: random.between(1, this.shop.linesMost) }, () => this.line());
    const seconds = random.chance(0.75) ? SHORT_SECONDS : LONG_SECONDS;
    const answer = await this.ask({
      kind: 'reserve',
      body: {
        lines,
        mode: random.chance(0.25) ? 'partial' : undefined,
        sourcing: this.sourcing(),
        expiresInSeconds: random.between(seconds.from, seconds.to),
        reference: this.reference(),
      },
    });
    if (answer?.status === 201) await this.decide(JSON.parse(answer.body));
  };

  private line(): Line {
    const { skus, locations } = this.shop;
    const line: Line = { sku: this.random.pick(skus), quantity: this.random.between(1, 4) };
    if (this.random.chance(0.3)) line.location = this.random.pick(locations);
    return line;
  }

  private sourcing(): Sourcing | undefined {
    if (this.random.chance(0.4)) return undefined;
    const strategy = this.random.pick(['most-available', 'in-order', 'split'] as const);
    const { locations } = this.shop;
    const named = strategy === 'in-order' || this.random.chance(0.3);
    return named
      ? { strategy, locations: [this.random.pick(locations), locations[0]].filter(isFirst) }
      : { strategy };
  }

  /** What becomes of an order that was granted. */
  private async decide(order: Reservation): Promise<void> {
    const { random } = this;
    const { id } = order;
    const expiresMs = Date.parse(order.expiresAt) - Date.parse(order.createdAt);
    const isLong = expiresMs >= LONG_SECONDS.from * 1000;
    await this.world.sleep(random.exponential(isLong ? 3000 : expiresMs / 2));
    if (random.chance(0.2)) await this.ask({ kind: 'read', id });
    if (random.chance(0.2)) {
      await this.ask({
        kind: 'extend',
        id,
        body: { expiresInSeconds: random.between(1, isLong ? 120 : 15) },
      });
      await this.world.sleep(random.exponential(1000));
    }
    const late = random.chance(0.15);
    if (late && !isLong) await this.world.sleep(expiresMs + random.exponential(500));
    if (random.chance(0.45) || late)
      await this.ask({ kind: 'confirm', id, body: this.confirmation(order, late) }, this.isPatient());
    else if (random.chance(0.6)) await this.ask({ kind: 'cancel', id }, this.isPatient());
    // Too late, or for the second time: the first answer must stand.
    if (random.chance(0.1)) await this.ask({ kind: random.pick(['read', 'cancel'] as const), id });
    if (random.chance(0.05)) await this.client.misuse(this.countless());
  }

  /** For a key that was used for something else. */
  private countless(): Call {
    const lines = [{ sku: this.random.pick(this.shop.skus), quantity: 1 }];
    return { kind: 'reserve', body: { lines, expiresInSeconds: 1, reference: this.reference() } };
  }

  private confirmation({ lines }: Reservation, late: boolean): Extract<Call, { kind: 'confirm' }>['body'] {
    const ifExpired = late && this.random.chance(0.8) ? ('rehold' as const) : undefined;
    if (this.random.chance(0.7)) return { ifExpired };
    const [{ sku, quantity }] = lines;
    return { ifExpired, lines: [{ sku, quantity: this.random.between(1, quantity) }] };
  }
}

function isFirst<T>(item: T, index: number, items: T[]): boolean {
  return items.indexOf(item) === index;
}
