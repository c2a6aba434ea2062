/**
 * Invariant I7: in steady state the write path reads no stock and no reservations. Postgres itself is
 * asked which statements ran, those within functions included.
 */
import { LOADS } from './load.ts';
import type { Session } from './session.ts';

export interface Statement {
  query: string;
  calls: number;
  rows: number;
  /** In all calls together; of a statement that calls a function, what runs within included. */
  milliseconds: number;
}

const CONNECTIONS = 64;
const RELOAD_MS = 300;
const READS = /^\s*(select|with|table|copy)\b/i;
const OF_STOCK = /\b(from|join|table|copy)\s+(holdfast\.)?"?(stock_level|reservation|ledger|ledger_page)\b/i;
const DELETES_OLD = /\bdelete\s+from\s+holdfast\.(reservation|ledger_page)\b/i;

/** @returns every statement of Holdfast's database that ran under a short load, most calls first; none if it was not measured */
export async function statementsOf(session: Session): Promise<Statement[]> {
  if (!session.hasHoldfast) return [];
  const holdfast = (await session.server('holdfast'))!;
  // From another database, so that what asks is not among what is found.
  const { sql } = await session.sqlDatabase();
  await sql.unsafe('create extension if not exists pg_stat_statements');
  await sql.unsafe(`alter system set pg_stat_statements.track = 'all'`);
  await sql.unsafe('select pg_reload_conf()');
  await Bun.sleep(RELOAD_MS);
  await sql.unsafe('select pg_stat_statements_reset()');
  await session.run(holdfast, LOADS.uniform, CONNECTIONS, 'which statements run', { seconds: session.short });
  return [
    ...(await sql<Statement[]>`
      select query, calls::float8, rows::float8, total_exec_time milliseconds from pg_stat_statements
       where dbid = (select oid from pg_database where datname = 'postgres')
       order by calls desc`),
  ];
}

/** Whether it reads stock or reservations, as no statement of the write path may. What deletes old ones, once a minute, is none. */
export function readsStock({ query }: Statement): boolean {
  return READS.test(query) && OF_STOCK.test(query) && !DELETES_OLD.test(query);
}
