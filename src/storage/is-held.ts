/** Whether a partition's part of a reservation is still held, whatever its owner, or an earlier one, has in memory. */
import type { Sql } from './database.ts';

export async function isHeld(sql: Sql, partition: number, id: string): Promise<boolean> {
  const rows = await sql`
    select 1 from holdfast.reservation
     where partition = ${partition} and status = 'held' and id = ${id} limit 1`;
  return rows.length > 0;
}
