/**
 * Holdfast over HTTP, as a shop would call it. What is safe to repeat is repeated: any read, any count,
 * and a reservation that the server refused with 503 `overloaded` or `partition-unavailable`, which
 * say that nothing has happened. A reservation whose answer got lost is not repeated; it may hold.
 */
export interface Level {
  sku: string;
  location: string;
  onHand: number;
  reserved: number;
  safetyStock: number;
  backorderLimit: number;
  available: number;
}

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
const GIVE_UP_AFTER_MS = 30_000;
const RETRY_AFTER_MS = 250;
const ANSWERS_WITHIN_MS = 5000;
const HARMLESS = new Set(['overloaded', 'partition-unavailable']);

export class NoServer extends Error {}

export class ShopClient {
  constructor(private readonly url: string) {}

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
    await this.repeat('PUT', `/v1/stock/${encodeURIComponent(sku)}/${encodeURIComponent(location)}`, counts);
  }

  /** @returns every level of these SKUs */
  async levels(skus: string[]): Promise<Level[]> {
    const levels: Level[] = [];
    for (let at = 0; at < skus.length; at += SKUS_PER_QUERY) {
      const response = await this.repeat('POST', '/v1/stock/query', {
        skus: skus.slice(at, at + SKUS_PER_QUERY),
      });
      const { results } = (await response.json()) as { results: { levels?: Level[] }[] };
      levels.push(...results.flatMap((result) => result.levels ?? []));
    }
    return levels;
  }

  async place(order: Order): Promise<Placed> {
    const giveUpAt = Date.now() + GIVE_UP_AFTER_MS;
    for (;;) {
      const response = await this.send('POST', '/v1/reservations', order).catch((error: Error) => error);
      if (response instanceof Error) return { kind: 'unknown', reason: response.message };
      const answer = await bodyOf(response);
      if (answer === undefined) return { kind: 'unknown', reason: `${response.status} without a whole body` };
      if (response.status === 201) return { kind: 'granted', lines: answer.lines };
      if (answer.code === 'insufficient-stock') return { kind: 'refused' };
      const reason = `${response.status} ${answer.code}`;
      if (!HARMLESS.has(answer.code)) return { kind: response.status < 500 ? 'failed' : 'unknown', reason };
      if (Date.now() > giveUpAt) return { kind: 'failed', reason };
      await Bun.sleep(waitOf(response));
    }
  }

  /** For what has the same effect however often it is sent. */
  private async repeat(method: string, path: string, body: unknown): Promise<Response> {
    const giveUpAt = Date.now() + GIVE_UP_AFTER_MS;
    for (;;) {
      const response = await this.send(method, path, body).catch((error: Error) => error);
      const isFinal = response instanceof Response && response.status < 500;
      if (isFinal && response.ok) return response;
      if (isFinal || Date.now() > giveUpAt) {
        const reason =
          response instanceof Error ? response.message : `${response.status} ${await response.text()}`;
        throw new Error(`${method} ${path}: ${reason}`);
      }
      await Bun.sleep(response instanceof Error ? RETRY_AFTER_MS : waitOf(response));
    }
  }

  private send(method: string, path: string, body: unknown): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the server said; each use names the field it needs
async function bodyOf(response: Response): Promise<any> {
  return await response.json().catch(() => undefined);
}

function waitOf(response: Response): number {
  return Number(response.headers.get('retry-after') ?? 0) * 1000 || RETRY_AFTER_MS;
}
