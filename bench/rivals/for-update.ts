/**
 * The rival by the book: SELECT … FOR UPDATE, a decision in the program, UPDATE and INSERT; one transaction a request.
 */
import { serviceSpec } from '../service.ts';
import { Refused, type Store, serveRival, type Wish } from './app.ts';
import { type Connection, openPool, type Pool } from './sql-database.ts';

const connection = serviceSpec<Connection>();

serveRival(({ pool }: Pool): Store => {
  const sql = openPool(connection, pool);
  return {
    async hold({ id, lines, reference, createdAt, expiresAt }: Wish) {
      const [{ sku, quantity, allocations }] = lines;
      const [{ location }] = allocations;
      await sql.begin(async (tx) => {
        const [level] = await tx`
          select on_hand - reserved - safety_stock + backorder_limit as available from stock
           where sku = ${sku} and location = ${location} for update`;
        if (level === undefined || level.available < quantity) throw new Refused();
        await Promise.all([
          tx`update stock set reserved = reserved + ${quantity} where sku = ${sku} and location = ${location}`,
          tx`insert into reservation (id, status, lines, reference, created_at, expires_at)
             values (${id}, 'held', ${tx.json(lines)}, ${reference ?? null}, ${createdAt}, ${expiresAt})`,
        ]);
      });
      return true;
    },
    end: () => sql.end(),
  };
});
