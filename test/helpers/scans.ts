/** What a query did to the tables, as Postgres counted it: for tests that say what a query may read. */
import type { Sql } from '../../src/storage/database.ts';

export interface Reads {
  /** Scans of whole tables. */
  scans: number;
  /** Rows fetched by way of an index. */
  fetched: number;
}

/** @param sql a single connection: the counters are those of its own transaction (Postgres manual, 27.2) */
export async function readsOf<T>(
  sql: Sql,
  query: (sql: Sql) => Promise<T>,
): Promise<{ answer: T; reads: Reads }> {
  const counted = await sql.begin('isolation level repeatable read read only', async (transaction) => {
    const one = transaction as unknown as Sql;
    const before = await counters(one);
    const answer = await query(one);
    const after = await counters(one);
    return { answer, reads: { scans: after.scans - before.scans, fetched: after.fetched - before.fetched } };
  });
  return counted as { answer: T; reads: Reads };
}

async function counters(sql: Sql): Promise<Reads> {
  const [row] = await sql<Reads[]>`
    select sum(seq_scan)::float8 as scans, sum(idx_tup_fetch)::float8 as fetched
      from pg_stat_xact_user_tables
     where schemaname = 'holdfast' and relname in ('reservation', 'ledger_page', 'stock_level')`;
  return { ...row };
}
