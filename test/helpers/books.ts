/**
 * The books as the database keeps them, read by a connection of the test's own, and the rules that `verify`
 * checks (invariants I1, I3, I6), with its notes taken for faults.
 */
import postgres from 'postgres';
import type { DatabaseSpec } from '../../src/process.ts';
import { bookRules } from '../../src/storage/book-rules.ts';
import type { TestServer } from './server.ts';
import type { Level } from './shop.ts';

export type BooksSql = postgres.Sql;

export function openBooks(server: TestServer): BooksSql {
  if (server.home.databaseUrl !== undefined) return openBooksAt({ url: server.home.databaseUrl });
  const folder = /psql -h (\S+) -U holdfast/.exec(server.output())?.[1];
  if (folder === undefined)
    throw new Error(`the server does not say where its database is\n${server.output()}`);
  return openBooksAt({ socketFolder: folder, port: 5432, user: 'holdfast', database: 'postgres' });
}

export function openBooksAt(spec: DatabaseSpec): BooksSql {
  // Tables that have just been filled have no statistics, and then a nested loop seems cheap.
  const options = { max: 1, onnotice: () => {}, idle_timeout: 0, connection: { enable_nestloop: 'off' } };
  if (spec.url !== undefined) return postgres(spec.url, options);
  const { socketFolder, port, user, database } = spec;
  return postgres({ ...options, host: socketFolder, port, user, database });
}

const RULES = bookRules(0);
/** True once every participant has heard what its home decided; the others are at any moment. */
const SETTLED = RULES.find(({ name }) => name === 'what a participant holds, its home holds')!;

/** @returns a line for each broken rule, with the first rows that break it; empty when the books balance */
export async function faultsOf(sql: Pick<BooksSql, 'unsafe'>, { settled = true } = {}): Promise<string[]> {
  const faults: string[] = [];
  for (const rule of RULES) {
    if (rule === SETTLED && !settled) continue;
    const rows = await sql.unsafe(rule.query);
    if (rows.length > 0)
      faults.push(
        `not "${rule.name}" ${rows.length} times: ${JSON.stringify(rows.slice(0, 3).map(rule.sentence))}`,
      );
  }
  return faults;
}

/** Rows of participants that hold units for a reservation that its home does not hold. */
export async function strayHolds(sql: BooksSql): Promise<number> {
  return (await sql.unsafe(SETTLED.query)).length;
}

/** Every level, in the order of its SKU and location. */
export async function levelsOf(
  sql: BooksSql,
): Promise<Pick<Level, 'sku' | 'location' | 'onHand' | 'reserved' | 'version'>[]> {
  const rows = await sql`
    select sku, location, on_hand as "onHand", reserved::float8 as reserved, version::float8 as version
      from holdfast.stock_level order by sku, location`;
  return rows.map((row) => ({ ...row })) as never;
}

export interface HomeRow {
  id: string;
  status: string;
  reference: string | null;
}

/** What each home has decided; an id that never was is not among them. */
export async function decisionsOf(sql: BooksSql): Promise<HomeRow[]> {
  return await sql<HomeRow[]>`
    select id::text as id, status::text as status, reference from holdfast.reservation
     where home = partition and status not in ('never', 'reheld')`;
}
