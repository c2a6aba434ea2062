/**
 * One batch of decisions made durable: one statement, one round trip, one fsync.
 *
 * Levels and reservations are rows; the entries of the ledger are written as the lists that they come in (see migration 009).
 *
 * The statement is built from the parts that the batch has rows for, and every part of it writes only if
 * the fence, its first part, found the owner's row with the epoch and the commit sequence expected. So it is
 * safe to send the next batch before this one has been answered, and never possible to commit
 * after another owner has come. Parts of a statement don't see each other's rows (Postgres manual, 7.8.4):
 * a row stands in one part only, which Batch sees to.
 *
 * Arrays travel as Postgres array literals (manual, 8.15.2) in text parameters: one statement text for
 * every size of batch.
 *
 * A statement that is part of a trace says so in a comment (https://google.github.io/sqlcommenter), for whoever reads
 * it in the database's log or in pg_stat_activity. Its text is then another one each time, so it is sent without
 * being prepared: Postgres parses and plans it anew, and nothing of it is kept; a lane sends few of them. The comment comes first, because
 * pg_stat_activity shows only the beginning.
 */
import type { BatchRows } from './batch-rows.ts';
import { AT, columnsOf, MATCHES, PAGE, PARTS, type Part, type Value } from './commit-parts.ts';
import { Fenced, type Sql } from './database.ts';

/** Of each part, whether its columns are texts. */
const ARE_TEXTS = PARTS.map(([part]) => columnsOf(part).map(([, type]) => type === 'text'));

const statements = new Map<number, string>();

/** @throws Fenced, having written nothing */
export async function commitBatch(sql: Sql, rows: BatchRows): Promise<void> {
  const parameters: (number | string)[] = [rows.owner.epoch, rows.owner.commitSeq, rows.at, rows.page];
  const present: Part[] = [];
  let mask = 0;
  for (const [index, [part, has]] of PARTS.entries()) {
    if (!has(rows)) continue;
    mask |= 1 << index;
    present.push(part);
    part.values(rows).forEach((values, column) => {
      const isText = ARE_TEXTS[index][column];
      parameters.push(isText ? quoted(values as (string | null)[]) : plain(values));
    });
  }
  let statement = statements.get(mask);
  if (statement === undefined) {
    statement = statementOf(present);
    statements.set(mask, statement);
  }
  const { traceparent } = rows;
  const fence =
    traceparent === undefined
      ? await sql.unsafe(statement, parameters, { prepare: true })
      : await sql.unsafe(`/*traceparent='${traceparent}'*/ ${statement}`, parameters, { prepare: false });
  if (fence.length === 0) throw new Fenced();
}

function statementOf(parts: Part[]): string {
  let parameter = 4;
  const written = parts.flatMap((part, index) => {
    const lists = new Map(columnsOf(part).map(([name, type]) => [name, `$${++parameter}::${type}[]`]));
    const written: string[] = [];
    if (part.write !== undefined) {
      const columns = part.columns.map(([name]) => `unnest(${lists.get(name)}) as ${name}`);
      if (part.given !== undefined) columns.push(part.given);
      const matches = MATCHES.get(part);
      // In the list of a select, unnest needs no table of its rows, as it does behind `from`: a tenth of the statement.
      written.push(`part${index} as (
    ${part.write}
      from (select ${columns.join(', ')}) u
     where exists (select from fence)${matches === undefined ? '' : ` and ${matches}`}
    ${part.otherwise ?? ''})`);
    }
    if (part.also !== undefined) {
      const columns = part.also.from.map((name) => `unnest(${lists.get(name)}) as ${name}`);
      written.push(`also${index} as (
    ${part.also.write}
      from (select ${columns.join(', ')}) u
     where exists (select from fence) and ${part.also.where})`);
    }
    if (part.entries !== undefined) {
      const entries = Object.entries(part.entries((column) => lists.get(column)!));
      written.push(`entries${index} as (
    insert into ledger_page (page, epoch, source, at, ${entries.map(([name]) => name).join(', ')})
    select ${PAGE}, $1::bigint, ${index}, ${AT}, ${entries.map(([, list]) => list).join(', ')} from fence)`);
    }
    return written;
  });
  // The last condition gives parameters a type that nothing else may use.
  return `with fence as (
    update owner set commit_seq = $2::bigint
     where epoch = $1::bigint and commit_seq = $2::bigint - 1 and ${PAGE} + $3::float8 > 0 returning epoch),
  ${written.join(',\n  ')}
  select epoch from fence`;
}

/** Numbers, UUIDs and enum labels need no quotes in an array literal; null is written as nothing but NULL. */
function plain(values: Value[]): string {
  return `{${values.includes(null) ? values.map((value) => value ?? 'NULL').join(',') : values.join(',')}}`;
}

function quoted(values: (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${escaped(value)}"`)).join(',')}}`;
}

const SPECIAL = /["\\]/;
function escaped(value: string): string {
  return SPECIAL.test(value) ? value.replace(/["\\]/g, '\\$&') : value;
}
