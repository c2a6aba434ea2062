/**
 * How long a fault is felt: from the moment at which it is made until a hold succeeds again through every front at every
 * worker. And the table of it, which each file prints that makes faults.
 */
import { type BooksSql, strayHolds } from './books.ts';
import { Load, type LoadOptions } from './load.ts';
import type { TestServer } from './server.ts';
import { Shop, skusOfWorker } from './shop.ts';

const RECOVERED_MS_MAX = 30_000;
/** How long a fault is made under load before, and watched after. */
const UNDER_LOAD_MS = 700;
/** How often each fault is made: once in CI, more often for figures. */
export const ROUNDS = Number(process.env.HOLDFAST_TEST_ROUNDS ?? 1);

interface Under {
  server: Pick<TestServer, 'port' | 'output'>;
  fronts: number;
  workers: number;
}

export class Recoveries {
  private readonly ms = new Map<string, number[]>();
  private readonly loads: Load[] = [];

  /** @param under asked again after each fault, since a new start is another server */
  constructor(private readonly under: () => Under & { sql: BooksSql }) {}

  /**
   * Makes a fault under load, as often as ROUNDS says, and each time holds the decisions in the books against what was answered.
   * @param make resolves with the moment, by `performance.now()`, from which on it is to be counted
   */
  async measure(name: string, make: () => Promise<number>, options: LoadOptions = {}): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const { server, fronts } = this.under();
      const load = new Load(server.port, `load${this.loads.length}`, { fronts, ...options });
      await load.start();
      await Bun.sleep(UNDER_LOAD_MS);
      const madeAt = await make();
      await everythingServes(this.under());
      const ms = performance.now() - madeAt;
      this.note(name, ms);
      await Bun.sleep(UNDER_LOAD_MS);
      await load.stop();
      const { sql } = this.under();
      const unfinished = await strayHolds(sql);
      console.log(`${name}: ${Math.round(ms)} ms, unfinished parts: ${unfinished}, ${load.summary}`);
      await load.checkAnswers(sql);
      this.loads.push(load);
    }
  }

  /** What was left unfinished by all of them takes as long as that by one: checked once, in the end. */
  async checkAll(): Promise<void> {
    for (const load of this.loads) await load.check(this.under().sql);
  }

  note(name: string, ms: number): void {
    this.ms.set(name, [...(this.ms.get(name) ?? []), Math.round(ms)]);
  }

  print(): void {
    const rows = [...this.ms].map(([fault, all]) => {
      const sorted = all.sort((a, b) => a - b);
      return `| ${fault} | ${all.length} | ${sorted[Math.floor(all.length / 2)]} | ${sorted.at(-1)} |`;
    });
    console.log(['| fault | times | median ms | most ms |', '| --- | --- | --- | --- |', ...rows].join('\n'));
  }
}

/** Stock that the probes hold, one SKU of each worker. */
export async function stockProbes({ server, fronts, workers }: Under): Promise<void> {
  await new Shop(server, fronts).stockUp(probesOf(workers), 'berlin', 1_000_000);
}

/** Resolves when a hold succeeds through every front at every worker. */
export async function everythingServes({ server, fronts, workers }: Under): Promise<void> {
  const shop = new Shop(server, fronts);
  const giveUpAt = Date.now() + RECOVERED_MS_MAX;
  const serves = async (front: number, sku: string): Promise<void> => {
    const order = { lines: [{ sku, quantity: 1 }] };
    for (;;) {
      const { status } = await shop
        .call('POST', '/v1/reservations', order, front)
        .catch(() => ({ status: 0 }));
      if (status === 201) return;
      if (Date.now() > giveUpAt)
        throw new Error(`front ${front} still answers ${status}\n${server.output()}`);
      await Bun.sleep(5);
    }
  };
  const everyFront = Array.from({ length: fronts }, (_, front) => front);
  await Promise.all(probesOf(workers).flatMap((sku) => everyFront.map((front) => serves(front, sku))));
}

/** A SKU of each worker, which only probes use. */
export function probesOf(workers: number): string[] {
  return Array.from({ length: workers }, (_, worker) => skusOfWorker(worker, 'probe', 1, workers)[0]);
}
