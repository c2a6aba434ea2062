/**
 * The closest architecture: one process that gathers what is waiting and decides it in one statement, over one
 * connection. It has no snapshot: Postgres reads the levels, decides, and writes. What came first is
 * served first; the queue is bounded.
 */
import { serviceSpec } from '../service.ts';
import { Overloaded, type Store, serveRival, type Wish } from './app.ts';
import { type Connection, openPool } from './sql-database.ts';

const QUEUE_MAX = 10_000;
const BATCH_MAX = 1000;

const connection = serviceSpec<Connection>();

interface Waiting {
  wish: Wish;
  decided(held: boolean): void;
  failed(error: unknown): void;
}

serveRival((): Store => {
  const sql = openPool(connection, 1);
  let queue: Waiting[] = [];
  let busy = false;

  /** @returns the ids of those that were held */
  async function decide(wishes: Wish[]): Promise<Set<string>> {
    const column = <T>(value: (wish: Wish) => T): T[] => wishes.map(value);
    const held = await sql<{ id: string }[]>`
      with asked as materialized (
        select *, sum(quantity) over (partition by sku, location order by position) as up_to
          from unnest(${column(({ id }) => id)}::uuid[], ${column(({ lines }) => lines[0].sku)}::text[],
                      ${column(({ lines }) => lines[0].allocations[0].location)}::text[],
                      ${column(({ lines }) => lines[0].quantity)}::integer[],
                      ${column(({ lines }) => JSON.stringify(lines))}::text[],
                      ${column(({ reference }) => reference ?? null)}::text[],
                      ${column(({ createdAt }) => createdAt.getTime())}::float8[],
                      ${column(({ expiresAt }) => expiresAt.getTime())}::float8[])
               with ordinality u (id, sku, location, quantity, lines, reference, created_at, expires_at, position)),
      granted as materialized (
        select a.* from asked a join stock s on s.sku = a.sku and s.location = a.location
         where s.on_hand - s.reserved - s.safety_stock + s.backorder_limit >= a.up_to),
      levels as (
        update stock s set reserved = s.reserved + g.quantity
          from (select sku, location, sum(quantity)::integer as quantity from granted group by sku, location) g
         where s.sku = g.sku and s.location = g.location)
      insert into reservation (id, status, lines, reference, created_at, expires_at)
      select id, 'held', lines::jsonb, reference, to_timestamp(created_at / 1000), to_timestamp(expires_at / 1000)
        from granted
      returning id`;
    return new Set(held.map(({ id }) => id));
  }

  async function work(): Promise<void> {
    busy = true;
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH_MAX);
      queue = queue.slice(BATCH_MAX);
      try {
        const held = await decide(batch.map(({ wish }) => wish));
        for (const { wish, decided } of batch) decided(held.has(wish.id));
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    busy = false;
  }

  return {
    hold(wish) {
      if (queue.length >= QUEUE_MAX) throw new Overloaded();
      return new Promise((decided, failed) => {
        queue.push({ wish, decided, failed });
        // What arrives in the same turn of the event loop is in the same batch.
        if (queue.length === 1 && !busy) setImmediate(() => void work());
      });
    },
    end: () => sql.end(),
  };
});
