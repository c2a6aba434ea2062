/** Reservations: stock that is promised to an order until it is sold, given back, or runs out. */
import type { Call, Caller } from './caller.ts';
import { itemsOf } from './pages.ts';
import type {
  BatchedOrder,
  BatchedResult,
  CallOptions,
  ChangeOptions,
  Filters,
  Order,
  PageOptions,
  Reservation,
  Sale,
} from './types.ts';

const PATH = '/v1/reservations';

export class Reservations {
  constructor(private readonly caller: Caller) {}

  /** Holds all lines or nothing; with `mode: 'partial'`, what there is. @throws ProblemError `insufficient-stock` */
  hold(order: Order, options?: ChangeOptions): Promise<Reservation> {
    return this.change(PATH, order, options);
  }

  get(id: string, options?: CallOptions): Promise<Reservation> {
    return this.caller.json({ method: 'GET', path: pathOf(id) }, options);
  }

  /** The sale: of everything, or with `lines` of so much, and the rest is released. */
  confirm(id: string, sale: Sale = {}, options?: ChangeOptions): Promise<Reservation> {
    return this.change(`${pathOf(id)}/confirm`, sale, options);
  }

  /** Gives the stock back. */
  cancel(id: string, options?: ChangeOptions): Promise<Reservation> {
    return this.change(`${pathOf(id)}/cancel`, undefined, options);
  }

  /** Holds it for so long from now on. */
  extend(id: string, expiresInSeconds: number, options?: ChangeOptions): Promise<Reservation> {
    return this.change(`${pathOf(id)}/extend`, { expiresInSeconds }, options);
  }

  /** Newest first; all of them, unless filters are given. */
  find({
    reference,
    status,
    sku,
    ...options
  }: Filters & PageOptions = {}): AsyncGenerator<Reservation, void, undefined> {
    return itemsOf(this.caller, PATH, { reference, status, sku }, options);
  }

  /** Up to 10,000 of them, each on its own; the results in order, each with a reservation or a problem. */
  async batch(orders: readonly BatchedOrder[], options?: ChangeOptions): Promise<BatchedResult[]> {
    return (await this.change<{ results: BatchedResult[] }>(`${PATH}/batch`, orders, options)).results;
  }

  private change<T>(path: string, json: unknown, options: ChangeOptions | undefined): Promise<T> {
    const call: Call = { method: 'POST', path, json, keyed: true };
    return this.caller.json(call, options);
  }
}

function pathOf(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`;
}
