/** What the tables of a server take on the disk of Postgres, and how much of that is left over from updates. */
import type postgres from 'postgres';

export interface TableState {
  /** With what is too long for a row, and without indexes. */
  bytes: number;
  indexBytes: number;
  inserted: number;
  deleted: number;
  updated: number;
  /** Updates that needed no place in an index. */
  hotUpdated: number;
  dead: number;
  /** Times that autovacuum went through it. */
  vacuums: number;
}

export async function tableStates(sql: postgres.Sql): Promise<Record<string, TableState>> {
  const rows = await sql<(TableState & { name: string })[]>`
    select relname as name, pg_table_size(relid)::float8 as bytes, pg_indexes_size(relid)::float8 as "indexBytes",
           n_tup_ins::float8 as inserted, n_tup_del::float8 as deleted, n_tup_upd::float8 as updated,
           n_tup_hot_upd::float8 as "hotUpdated", n_dead_tup::float8 as dead, autovacuum_count::float8 as vacuums
      from pg_stat_user_tables where schemaname = 'holdfast'`;
  return Object.fromEntries(rows.map(({ name, ...state }) => [name, state]));
}
