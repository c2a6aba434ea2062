/** The database as searches see it: connections of their own, one state of it for each search, and an end to what takes long. */
import postgres from 'postgres';
import { SEARCH_ANSWER_MS } from '../limits.ts';
import type { DatabaseSpec } from '../process.ts';
import { Connections, openSearches, type Sql } from './database.ts';

/** What Postgres says of a statement that its timeout has ended (manual, appendix A). */
const QUERY_CANCELED = '57014';

export interface SearchStore {
  /** Rejects as the search does, but for one that took too long. */
  run<T>(search: (sql: Sql) => Promise<T>): Promise<T | 'too-slow'>;
  close(): Promise<void>;
}

export function openSearchStore(spec: DatabaseSpec, name: string): SearchStore {
  const connections = new Connections(() => openSearches(spec, name));
  return {
    run: (search) => connections.use((sql) => orTooSlow(inOneState(sql, search)), SEARCH_ANSWER_MS),
    close: () => connections.close(),
  };
}

function inOneState<T>(sql: Sql, search: (sql: Sql) => Promise<T>): Promise<T> {
  return sql.begin('isolation level repeatable read read only', (transaction) =>
    search(transaction as unknown as Sql),
  ) as Promise<T>;
}

/** The connection has no part in it, so it must not be replaced. */
async function orTooSlow<T>(search: Promise<T>): Promise<T | 'too-slow'> {
  try {
    return await search;
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === QUERY_CANCELED) return 'too-slow';
    throw error;
  }
}
