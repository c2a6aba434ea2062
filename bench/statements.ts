/**
 * Invariant I7: in steady state the write path reads no stock and no reservations. Postgres itself is
 * asked which statements ran, those within functions included.
 */
import postgres from 'postgres';

export interface Statement {
  query: string;
  calls: number;
  rows: number;
  /** In all calls together; of a statement that calls a function, what runs within included. */
  milliseconds: number;
}

const RELOAD_MS = 300;
const READS = /^\s*(select|with|table|copy)\b/i;
const OF_STOCK = /\b(from|join|table|copy)\s+(holdfast\.)?"?(stock_level|reservation|ledger)\b/i;

/** @returns every statement of Holdfast's database that ran during `work`, most calls first */
export async function statementsDuring(
  socketFolder: string,
  user: string,
  work: () => Promise<void>,
): Promise<Statement[]> {
  const sql = postgres({ host: socketFolder, user, database: 'rival', max: 1, onnotice: () => {} });
  try {
    await sql.unsafe('create extension if not exists pg_stat_statements');
    await sql.unsafe(`alter system set pg_stat_statements.track = 'all'`);
    await sql.unsafe('select pg_reload_conf()');
    await Bun.sleep(RELOAD_MS);
    await sql.unsafe('select pg_stat_statements_reset()');
    await work();
    const statements = await sql<Statement[]>`
      select query, calls::float8, rows::float8, total_exec_time milliseconds from pg_stat_statements
       where dbid = (select oid from pg_database where datname = 'postgres')
       order by calls desc`;
    // Tracking within functions costs time that the measured runs should not pay.
    await sql.unsafe('alter system reset pg_stat_statements.track');
    await sql.unsafe('select pg_reload_conf()');
    return [...statements];
  } finally {
    await sql.end();
  }
}

/** Whether it reads stock or reservations, as no statement of the write path may. */
export function readsStock({ query }: Statement): boolean {
  return READS.test(query) && OF_STOCK.test(query);
}
