/**
 * Clients that must not notice anything: they hold over one and several partitions, confirm, cancel and read, each with an
 * Idempotency-Key and none of them ever again, and every answer must be what it is on a quiet day. For what is done to
 * a server on purpose: moves, rolling restarts.
 */
import { expect } from 'bun:test';
import { type Shop, seeded, skusOfWorker } from './shop.ts';

const CLIENTS = 16;
const SKUS_PER_WORKER = 12;
const UNITS = 1_000_000;

export class SteadyLoad {
  /** Of requests that came back as they should, in milliseconds, since the last `lap`. */
  private latencies: number[] = [];
  readonly failures: string[] = [];
  private readonly skus: string[];
  private readonly random: () => number;
  private running: Promise<unknown> | undefined;
  private stopping = false;
  requests = 0;

  constructor(
    private readonly shop: Pick<Shop, 'call' | 'stockUp'>,
    private readonly name: string,
    readonly seed = Date.now(),
  ) {
    this.random = seeded(seed);
    this.skus = [0, 1].flatMap((worker) => skusOfWorker(worker, name, SKUS_PER_WORKER));
  }

  async start(): Promise<void> {
    await this.shop.stockUp(this.skus, 'berlin', UNITS);
    this.running = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.buy(client)));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
    expect(this.failures, `seed ${this.seed}, of ${this.requests} requests`).toEqual([]);
  }

  /** What the requests since the last lap took. */
  lap(): { requests: number; p50Ms: number; p99Ms: number; worstMs: number } {
    const sorted = this.latencies.sort((a, b) => a - b);
    this.latencies = [];
    const at = (share: number): number =>
      Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
    return { requests: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
  }

  private async buy(client: number): Promise<void> {
    for (let number = 0; !this.stopping; number++) {
      const reference = `${this.name}-${client}-${number}`;
      const held = await this.ask(
        201,
        'POST',
        '/v1/reservations',
        { lines: this.lines(), reference },
        reference,
      );
      if (held === undefined) continue;
      const path = `/v1/reservations/${held.id}`;
      const closing = this.random() < 0.5 ? 'confirm' : 'cancel';
      await this.ask(200, 'POST', `${path}/${closing}`, undefined, `${reference}-${closing}`);
      if (this.random() < 0.3) await this.ask(200, 'GET', path);
      if (this.random() < 0.3) await this.ask(200, 'GET', `/v1/stock/${this.sku()}`);
    }
  }

  private async ask(
    expected: number,
    method: string,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<{ id: string } | undefined> {
    const askedAt = performance.now();
    this.requests++;
    const answer = await this.shop
      .call<{ id: string }>(method, path, body, undefined, key)
      .catch((error: Error) => ({ status: 0, code: error.message, body: undefined }));
    if (answer.status === expected) {
      this.latencies.push(performance.now() - askedAt);
      return answer.body;
    }
    this.failures.push(`${method} ${path}: ${answer.status} ${answer.code}`);
    await Bun.sleep(20);
    return undefined;
  }

  private lines(): { sku: string; quantity: number }[] {
    const count = this.random() < 0.6 ? 1 : 2 + Math.floor(this.random() * 3);
    return Array.from({ length: count }, () => ({ sku: this.sku(), quantity: 1 }));
  }

  private sku(): string {
    return this.skus[Math.floor(this.random() * this.skus.length)];
  }
}
