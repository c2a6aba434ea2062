/**
 * The rival that most teams write, and write well: one transaction a request, with conditional UPDATEs that can't
 * oversell and the INSERT of the reservation, sent together and rolled back if one of them found too little.
 */
import { serviceSpec } from '../service.ts';
import { type Outcome, Refused, type Store, serveRival, type Wish } from './app.ts';
import { type Connection, openPool, type Pool } from './sql-database.ts';

const connection = serviceSpec<Connection>();

serveRival(({ pool }: Pool): Store => {
  const sql = openPool(connection, pool);
  return {
    async hold({ id, lines, reference, createdAt, expiresAt }: Wish) {
      // Always in the same order, so that transactions wait for each other and never in a circle.
      const inOrder = lines.toSorted((a, b) => (a.sku < b.sku ? -1 : 1));
      await sql.begin(async (tx) => {
        const levels = inOrder.map(
          ({ sku, quantity, allocations: [{ location }] }) => tx`
            update stock set reserved = reserved + ${quantity}
             where sku = ${sku} and location = ${location}
               and on_hand - reserved - safety_stock + backorder_limit >= ${quantity}
            returning reserved`,
        );
        const reservation = tx`
          insert into reservation (id, status, lines, reference, created_at, expires_at)
          values (${id}, 'held', ${tx.json(lines)}, ${reference ?? null}, ${createdAt}, ${expiresAt})`;
        const [, ...found] = await Promise.all([reservation, ...levels]);
        if (found.some((rows) => rows.length === 0)) throw new Refused();
      });
      return true;
    },
    async close(id: string, outcome: Outcome) {
      return await sql.begin(async (tx) => {
        const [reservation] = await tx<Pick<Wish, 'lines'>[]>`
          update reservation set status = ${outcome} where id = ${id} and status = 'held' returning lines`;
        if (reservation === undefined) return false;
        const inOrder = reservation.lines.toSorted((a, b) => (a.sku < b.sku ? -1 : 1));
        await Promise.all(
          inOrder.map(({ sku, quantity, allocations: [{ location }] }) => {
            const sold = outcome === 'confirmed' ? quantity : 0;
            return tx`
              update stock set reserved = reserved - ${quantity}, on_hand = on_hand - ${sold}
               where sku = ${sku} and location = ${location}`;
          }),
        );
        return true;
      });
    },
    end: () => sql.end(),
  };
});
