/**
 * Rows one after another, in bounded memory, for code of ours that may not know what to do with one of them. What it throws must not
 * get into postgres.js, which would count the rows of the next answer over that connection behind those of this one (3.4.9, connection.js,
 * `PortalSuspended`). So the stream is closed first, and the connection is as good as before.
 */
import type postgres from 'postgres';
import type { Sql } from './database.ts';

const ROWS_AT_ONCE = 5000;

/** Rejects with what `onRow` has thrown, or as the query does. No row follows one that was not taken. */
export async function streamRows<Row extends postgres.MaybeRow>(
  sql: Sql,
  query: postgres.PendingQuery<Row[]>,
  onRow: (row: Row) => void,
): Promise<void> {
  let refusal: { error: unknown } | undefined;
  await query.cursor(ROWS_AT_ONCE, (rows) => {
    try {
      if (refusal === undefined) for (const row of rows) onRow(row);
      return;
    } catch (error) {
      refusal = { error };
      return sql.CLOSE;
    }
  });
  if (refusal !== undefined) throw refusal.error;
}
