/**
 * The best single statement: a conditional UPDATE and the INSERT of the reservation in one CTE, which is one
 * round trip and one commit. By postgres.js or by Bun's own client, whichever is faster here.
 */
import { SQL } from 'bun';
import { serviceSpec } from '../service.ts';
import { type Outcome, type Store, serveRival, type Wish } from './app.ts';
import { type Connection, openPool, type Pool } from './sql-database.ts';

export interface Driven extends Pool {
  driver: 'postgres.js' | 'Bun';
}

/** What both clients are: a tagged template that gives rows. */
interface Client {
  (text: TemplateStringsArray, ...values: unknown[]): Promise<unknown[]>;
  end(): Promise<void>;
}

const connection = serviceSpec<Connection>();

function openClient({ driver, pool }: Driven): Client {
  if (driver === 'postgres.js') return openPool(connection, pool) as unknown as Client;
  const { host, user: username, database } = connection;
  return new SQL({
    adapter: 'postgres',
    path: `${host}/.s.PGSQL.5432`,
    username,
    database,
    max: pool,
  }) as unknown as Client;
}

serveRival((driven: Driven): Store => {
  const sql = openClient(driven);
  return {
    async hold({ id, lines, reference, createdAt, expiresAt }: Wish) {
      const [{ sku, quantity, allocations }] = lines;
      const held = await sql`
        with level as (
          update stock set reserved = reserved + ${quantity}::integer
           where sku = ${sku} and location = ${allocations[0].location}
             and on_hand - reserved - safety_stock + backorder_limit >= ${quantity}::integer
          returning 1)
        insert into reservation (id, status, lines, reference, created_at, expires_at)
        select ${id}::uuid, 'held', ${JSON.stringify(lines)}::text::jsonb, ${reference ?? null}::text,
               ${createdAt}::timestamptz, ${expiresAt}::timestamptz from level
        returning 1`;
      return held.length > 0;
    },
    async close(id: string, outcome: Outcome) {
      const closed = await sql`
        with closed as (
          update reservation set status = ${outcome}::text where id = ${id}::uuid and status = 'held'
          returning lines),
        units as (
          select line ->> 'sku' as sku, line #>> '{allocations,0,location}' as location,
                 (line ->> 'quantity')::integer as quantity
            from closed, jsonb_array_elements(lines) line)
        update stock s
           set reserved = reserved - quantity,
               on_hand = on_hand - case when ${outcome}::text = 'confirmed' then quantity else 0 end
          from units u where s.sku = u.sku and s.location = u.location
        returning 1`;
      return closed.length > 0;
    },
    end: () => sql.end(),
  };
});
