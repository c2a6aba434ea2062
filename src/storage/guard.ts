/**
 * One server on one database. Two, each with a data folder of its own, would take the partitions from each other over and
 * over: nothing would be lost, and nothing served. So a server with DATABASE_URL holds an advisory lock of the database
 * for as long as it runs, in a session of a process of its own (Postgres manual, 13.3.5), and one that finds
 * it taken does not start.
 *
 * The lock keeps out who starts, no more. When its session breaks, the server goes on and takes it again; should another
 * have come in between, that is logged: what keeps the books right is the owners' fence (take-partitions.ts), not this.
 * A machine that is gone without a word keeps the lock no longer than Postgres takes to find out, by keepalives.
 */
import { systemClock } from '../clock.ts';
import { GUARD_ANSWER_MS, GUARD_EVERY_MS, GUARD_WAIT_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { GuardSpec, Running } from '../process.ts';
import { Connections, failureText, openDatabase } from './database.ts';
import { DatabaseRefused, describe, prepareDatabase, requireAnswer } from './migrate.ts';

/** As arbitrary as the lock of migrations, and the one after it. */
const SERVER_LOCK = '7525354459811214197';
const KEEPALIVES = { tcp_keepalives_idle: 10, tcp_keepalives_interval: 5, tcp_keepalives_count: 3 };
const POLL_MS = 100;

/** Makes the database ready, too. @throws DatabaseRefused where another server has it, or it cannot be used */
export async function startGuard({ database, partitions, exposedAt, starting }: GuardSpec): Promise<Running> {
  const connection = new Connections(() => openDatabase(database, 'guard', 1, KEEPALIVES));
  const lock = new Lock(connection);
  try {
    await connection.use((sql) => requireAnswer(sql, database));
    // One that has just been killed may not be quite gone.
    const giveUpAt = systemClock.now() + GUARD_WAIT_MS;
    while (!(await lock.hold())) {
      if (systemClock.now() > giveUpAt) {
        throw new DatabaseRefused(
          `another server runs on the database ${describe(database)}; stop it, or set DATABASE_URL to another database`,
        );
      }
      await Bun.sleep(POLL_MS);
    }
    await prepareDatabase(database, partitions, exposedAt, starting);
  } catch (error) {
    await connection.close();
    throw error;
  }
  let cancel = (): void => {};
  let stopped = false;
  const watch = (): void => {
    if (stopped) return;
    cancel = systemClock.after(GUARD_EVERY_MS, () => void lock.holdOn().then(watch));
  };
  watch();
  return {
    hear() {},
    async drain() {
      stopped = true;
      cancel();
      await connection.close();
    },
  };
}

class Lock {
  /** The session that has it. */
  private session: number | undefined;
  private problem: string | undefined;

  constructor(private readonly connection: Connections) {}

  /** @returns whether this process has the lock */
  hold(): Promise<boolean> {
    return this.connection.use(async (sql) => {
      const [{ session }] = await sql<{ session: number }[]>`select pg_backend_pid() as session`;
      if (session === this.session) return true;
      // In the session that answers: should it be another one by then, the next look finds out.
      const [{ held }] = await sql<{ held: boolean }[]>`
        select pg_try_advisory_lock(${SERVER_LOCK}::bigint) as held`;
      this.session = held ? session : undefined;
      return held;
    }, GUARD_ANSWER_MS);
  }

  /** Takes it again where it was lost; says once that it can't, and once that it could. */
  async holdOn(): Promise<void> {
    let problem: string | undefined;
    try {
      if (!(await this.hold())) problem = 'another server has taken this one’s place at the database';
    } catch (error) {
      problem = failureText(error);
    }
    if (problem !== undefined && problem !== this.problem)
      log.warn('database.unguarded', { reason: problem });
    if (problem === undefined && this.problem !== undefined) log.info('database.guarded', {});
    this.problem = problem;
  }
}
