/** The smallest question that the database must answer. */
import type { Sql } from './database.ts';

export async function ping(sql: Sql): Promise<void> {
  await sql`select 1`;
}
