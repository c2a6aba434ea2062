/**
 * Connections to Postgres, and what its errors mean.
 *
 * Session settings of a commit lane: its statements touch few rows by primary key, with arrays whose
 * size the planner cannot see, and plans are kept. One made while a table was small must not scan it when it
 * has grown; so loops over indexes, which are right for every size, are asked for rather than estimated.
 * (In words: postgres.js 3.4.9 sends no setting that is `false`.)
 */
import postgres from 'postgres';
import { systemClock } from '../clock.ts';
import { LOCK_WAIT_MS, SEARCH_STATEMENT_MS, SEARCHES_AT_ONCE } from '../limits.ts';
import type { DatabaseSpec } from '../process.ts';

export type Sql = postgres.Sql<{ bigint: number }>;

const BY_INDEX = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  // A commit sent again must not queue for ever behind the one that it repeats.
  lock_timeout: LOCK_WAIT_MS,
};

/** A connection whose statements find each row by its primary key. */
export function openLane(spec: DatabaseSpec, name: string): Sql {
  return openDatabase(spec, name, 1, BY_INDEX);
}

/** Connections for what may take long, and then ends by itself: QUERY_CANCELED. Nothing can be written over them. */
export function openSearches(spec: DatabaseSpec, name: string): Sql {
  return openDatabase(spec, name, SEARCHES_AT_ONCE, {
    ...BY_INDEX,
    statement_timeout: SEARCH_STATEMENT_MS,
    default_transaction_read_only: 'on',
  });
}

/** @param name what an operator sees in pg_stat_activity */
export function openDatabase(
  spec: DatabaseSpec,
  name: string,
  connections = 1,
  settings: Record<string, string | number> = {},
): Sql {
  const options: postgres.Options<{ bigint: postgres.PostgresType<number> }> = {
    max: connections,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 5,
    backoff: (attempt) => Math.min(1, 0.02 * 2 ** attempt),
    onnotice: () => {},
    connection: {
      application_name: `holdfast ${name}`,
      // Whatever the server, the database or the role says: a 2xx is durable (invariant I2).
      synchronous_commit: 'on',
      jit: 'off',
      search_path: 'holdfast,public',
      ...settings,
    },
    // Counters and sequence numbers stay far below 2^53, so a double holds them exactly.
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  };
  if (spec.url !== undefined) return postgres(spec.url, options) as Sql;
  const { socketFolder, port, user, database } = spec;
  return postgres({ ...options, host: socketFolder, port, user, database }) as Sql;
}

/**
 * Connections that are replaced when one of them breaks. postgres.js would dial again with the same
 * one, but forgets neither a query that was given to it between the break and the close, nor bytes it
 * had not written by then: such a connection never answers again (3.4.9, connection.js, `closed`).
 */
export class Connections {
  private current: Sql;

  constructor(private readonly open: () => Sql) {
    this.current = open();
  }

  /**
   * Rejects as the query does, or when there is no answer in time, which is as good as a break: nobody says
   * when a peer is gone without a word. What else was under way over that connection is then rejected too; so
   * not because of an answer that came, and that our own code can't use.
   */
  async use<T>(query: (sql: Sql) => Promise<T>, withinMs?: number): Promise<T> {
    const sql = this.current;
    try {
      return await (withinMs === undefined ? query(sql) : inTime(withinMs, query(sql)));
    } catch (error) {
      if (failureKind(error) === 'ambiguous' && sql === this.current) {
        this.current = this.open();
        void sql.end({ timeout: 0 });
      }
      throw error;
    }
  }

  close(): Promise<void> {
    return this.current.end({ timeout: 1 });
  }
}

/** The answer; rejects where it takes longer. */
export function inTime<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = systemClock.after(ms, () => reject(new NoAnswer(ms)));
    answer.then(resolve, reject).finally(cancel);
  });
}

class NoAnswer extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms / 1000} s`);
  }
}

/** The commit wrote nothing: the partitions have another owner, or a commit before it is missing, or it landed before. */
export class Fenced extends Error {
  constructor() {
    super('fenced');
  }
}

export type FailureKind =
  /** The statement may or may not have been committed. */
  | 'ambiguous'
  /** The statement was rolled back; the same one may succeed later. */
  | 'not-committed'
  /** See Fenced. */
  | 'fenced'
  /** Our own code can't use what it was answered, as where rows contradict each other. */
  | 'unusable'
  /** The statement can never succeed: a defect. */
  | 'defect';

/** By SQLSTATE or SQLSTATE class (Postgres manual, appendix A). */
const FAILURES: Record<string, FailureKind> = {
  '08': 'ambiguous',
  '57': 'ambiguous',
  '58': 'not-committed',
  '53': 'not-committed',
  '40': 'not-committed',
  '55': 'not-committed',
  '25006': 'not-committed',
  '28': 'not-committed',
  '3D': 'not-committed',
};

export function failureKind(error: unknown): FailureKind {
  if (error instanceof Fenced) return 'fenced';
  if (!(error instanceof postgres.PostgresError)) return isOwn(error) ? 'unusable' : 'ambiguous';
  return FAILURES[error.code] ?? FAILURES[error.code.slice(0, 2)] ?? 'defect';
}

/** Neither Postgres nor the connection: postgres.js gives its errors a code, and notes at any other one which query met it. */
function isOwn(error: unknown): boolean {
  return error instanceof Error && !(error instanceof NoAnswer) && !('code' in error) && !('query' in error);
}

/** Whether it is Postgres that failed, or the connection to it; otherwise it is a defect. */
export function isDatabaseError(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return error instanceof postgres.PostgresError || /^(CONNECT|CONNECTION_|E[A-Z]+$)/.test(String(code));
}

/** One line for a log or a health answer, without SQL text or parameters. */
export function failureText(error: unknown): string {
  if (error instanceof postgres.PostgresError) return `${error.code} ${error.message}`;
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}
