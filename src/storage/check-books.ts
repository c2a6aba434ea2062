/**
 * Checks the books of a database that may be in use: all rules see one snapshot, and take no lock that a commit
 * waits for. What is sorted or grouped is so in Postgres, which spills to disk; here only the rows that break a
 * rule arrive, a few at a time.
 */
import { systemClock } from '../clock.ts';
import { VERIFY_GRACE_MS } from '../limits.ts';
import { type BookRule, bookRules, WHOLE_TABLES } from './book-rules.ts';
import type { Sql } from './database.ts';

const ROWS_AT_ONCE = 1000;

export interface BooksRead {
  levels: number;
  reservations: number;
  /** Of the reservations. */
  open: number;
  entries: number;
  ms: number;
}

export interface BooksReader {
  /** Called for each row that breaks a rule, before `checked` is called for that rule. */
  broken(rule: BookRule, sentence: string): void;
  checked(rule: BookRule): void;
}

/** @throws what Postgres says, also when `signal` ends the query that is under way */
export async function checkBooks(sql: Sql, reader: BooksReader, signal: AbortSignal): Promise<BooksRead> {
  const startedAt = systemClock.now();
  return await sql.begin('isolation level repeatable read read only', async (transaction) => {
    await transaction.unsafe(WHOLE_TABLES);
    const [counts] = await transaction<Omit<BooksRead, 'ms'>[]>`
      select (select count(*) from holdfast.stock_level) as levels, (select count(*) from holdfast.ledger) as entries,
             count(*) as reservations, count(*) filter (where status = 'held') as open
        from holdfast.reservation where home = partition and status <> 'never'`;
    for (const rule of bookRules(VERIFY_GRACE_MS)) {
      signal.throwIfAborted();
      const query = transaction.unsafe(rule.query);
      const cancel = (): void => query.cancel();
      signal.addEventListener('abort', cancel);
      await query.cursor(ROWS_AT_ONCE, (rows) => {
        for (const row of rows) reader.broken(rule, rule.sentence(row));
      });
      signal.removeEventListener('abort', cancel);
      reader.checked(rule);
    }
    return { ...counts, ms: systemClock.now() - startedAt };
  });
}
