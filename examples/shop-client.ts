/** A shop's side of Holdfast: what becomes of an order, in the words of a shop. The client repeats what got no answer. */
import { Holdfast, NoAnswerError, ProblemError, type StockLevel } from '../src/client/index.ts';

export type Level = Omit<StockLevel, 'version' | 'updatedAt'>;

export interface Order {
  lines: { sku: string; quantity: number; location?: string }[];
  reference: string;
}

export type Placed =
  | { kind: 'granted'; lines: { sku: string; allocations: { location: string; quantity: number }[] }[] }
  | { kind: 'refused' }
  /** Certainly without effect. */
  | { kind: 'failed'; reason: string }
  /** Perhaps held, perhaps not. */
  | { kind: 'unknown'; reason: string };

const SKUS_PER_QUERY = 1000;
const ANSWERS_WITHIN_MS = 5000;
/** The words of a 503 that nothing has happened. */
const HARMLESS = ['overloaded', 'partition-unavailable'];

export class NoServer extends Error {}

export class ShopClient {
  private readonly holdfast: Holdfast;

  constructor(
    private readonly url: string,
    key?: string,
  ) {
    this.holdfast = new Holdfast({ url, key });
  }

  /** @throws NoServer */
  async requireServer(): Promise<void> {
    const signal = AbortSignal.timeout(ANSWERS_WITHIN_MS);
    const response = await fetch(`${this.url}/readyz`, { signal }).catch(() => {
      throw new NoServer(
        `nothing answers at ${this.url}; start a server with: bun run start, or name one with --url`,
      );
    });
    await response.arrayBuffer();
    if (!response.ok) throw new NoServer(`the server at ${this.url} is not ready (${response.status})`);
  }

  async putLevel(level: Pick<Level, 'sku' | 'location' | 'onHand' | 'safetyStock' | 'backorderLimit'>) {
    const { sku, location, ...counts } = level;
    await this.holdfast.stock.put(sku, location, counts);
  }

  /** @returns every level of these SKUs */
  async levels(skus: string[]): Promise<Level[]> {
    const levels: Level[] = [];
    for (let at = 0; at < skus.length; at += SKUS_PER_QUERY) {
      const found = await this.holdfast.stock.query(skus.slice(at, at + SKUS_PER_QUERY));
      levels.push(...found.flatMap((one) => one.levels ?? []));
    }
    return levels;
  }

  async place(order: Order): Promise<Placed> {
    try {
      const { lines } = await this.holdfast.reservations.hold(order);
      return { kind: 'granted', lines };
    } catch (error) {
      if (error instanceof NoAnswerError) return { kind: 'unknown', reason: error.message };
      if (!(error instanceof ProblemError)) throw error;
      if (error.code === 'insufficient-stock') return { kind: 'refused' };
      const untouched = error.status < 500 || HARMLESS.includes(error.code);
      return { kind: untouched ? 'failed' : 'unknown', reason: `${error.status} ${error.code}` };
    }
  }
}
