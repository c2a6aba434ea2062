/**
 * A shop behind a balancer, as HAProxy would be one: it asks every front again and again whether it is there, gives requests
 * in turn to those that are, and to the next one where a connection is refused, which is certain to have had no effect.
 */
import type { TestServer } from './server.ts';
import { type Answer, Shop } from './shop.ts';

const CHECK_EVERY_MS = 100;

export class Balanced {
  private readonly ready: boolean[];
  private turnOf = 0;
  private closed = false;
  private readonly shop: Shop;

  constructor(
    private readonly server: TestServer,
    private readonly fronts: number,
  ) {
    this.shop = new Shop(server, fronts);
    this.ready = Array.from({ length: fronts }, () => true);
    for (let front = 0; front < fronts; front++) void this.check(front);
  }

  stockUp(skus: readonly string[], location: string, onHand: number): Promise<void> {
    return this.shop.stockUp(skus, location, onHand);
  }

  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    _front?: number,
    key?: string,
  ): Promise<Answer<T>> {
    for (let tries = 0; ; tries++) {
      const front = this.next();
      try {
        return await this.shop.call<T>(method, path, body, front, key);
      } catch (error) {
        if ((error as { code?: string }).code !== 'ConnectionRefused' || tries === this.fronts) throw error;
        this.ready[front] = false;
      }
    }
  }

  close(): void {
    this.closed = true;
  }

  private next(): number {
    for (let tries = 0; tries < this.fronts; tries++) {
      const front = this.turnOf++ % this.fronts;
      if (this.ready[front]) return front;
    }
    return this.turnOf++ % this.fronts;
  }

  private async check(front: number): Promise<void> {
    while (!this.closed) {
      this.ready[front] = await fetch(`http://127.0.0.1:${this.server.port + front}/livez`).then(
        ({ ok }) => ok,
        () => false,
      );
      await Bun.sleep(CHECK_EVERY_MS);
    }
  }
}
