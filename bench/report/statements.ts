/** The statements of Holdfast's database under load, as a table. */
import { count } from '../numbers.ts';
import { readsStock, type Statement } from '../statements.ts';
import { table } from './table.ts';

const QUERY_CHARACTERS = 100;

export function statementTable(statements: Statement[]): string {
  const rows = statements.map((statement) => [
    count(statement.calls),
    count(statement.rows),
    count(Math.round(statement.milliseconds)),
    readsStock(statement) ? 'READS' : '',
    statement.query.replace(/\s+/g, ' ').trim().slice(0, QUERY_CHARACTERS),
  ]);
  return table(['calls', 'rows', 'ms', '', 'statement'], rows, [3, 4]);
}
