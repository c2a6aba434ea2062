/**
 * A Holdfast with a large stock: levels and held reservations copied into its tables, and started on them.
 * There are no entries of the ledger for them: a start does not read any.
 */
import { copyLines } from './ceilings/copy-text.ts';
import { type Holdfast, PLENTY } from './holdfast.ts';
import { allOf, type Skus } from './load.ts';
import { count } from './numbers.ts';
import { type Session, START_SECONDS } from './session.ts';
import { LEVEL_COLUMNS, Places, RESERVATION_COLUMNS } from './stock-rows.ts';

export interface Big {
  holdfast: Holdfast;
  skus: Skus;
  /** Of its first start on the large stock, until it served. */
  startedInSeconds: number;
}

/** For the progress bar. */
const ROWS_A_SECOND = 60_000;
const LOADED_A_SECOND = 250_000;
/** Levels that are compared over HTTP with the database. */
const COMPARED = 10_000;

export async function startBig(session: Session): Promise<Big> {
  const { levels, held } = session.options;
  const skus = { prefix: 'BIG', count: levels };
  const holdfast = await session.another(
    'a large stock',
    allOf({ ...skus, count: Math.min(levels, COMPARED) }),
  );
  session.step(`copying ${sizeOf(session)} in`, (levels + held) / ROWS_A_SECOND);
  const sql = holdfast.connect();
  const places = new Places(skus);
  await copyLines(sql, `holdfast.stock_level (${LEVEL_COLUMNS})`, places.levels(PLENTY, held));
  await copyLines(sql, `holdfast.reservation (${RESERVATION_COLUMNS})`, places.reservations(held));
  await sql`vacuum (analyze) holdfast.stock_level, holdfast.reservation`;
  await sql.end();
  return { holdfast, skus, startedInSeconds: await restartBig(session, holdfast) };
}

export async function restartBig(session: Session, holdfast: Holdfast): Promise<number> {
  const { levels, held } = session.options;
  session.step(`a cold start with ${sizeOf(session)}`, 2 + (levels + held) / LOADED_A_SECOND);
  return await holdfast.restart();
}

export function sizeOf({ options: { levels, held } }: Session): string {
  return `${count(levels)} levels, ${count(held)} held`;
}

/** How long it takes until it is there, for the progress bar. */
export function secondsToBig({ levels, held }: { levels: number; held: number }): number {
  return START_SECONDS + (levels + held) / ROWS_A_SECOND;
}

export function secondsToRestart({ levels, held }: { levels: number; held: number }): number {
  return 2 + (levels + held) / LOADED_A_SECOND;
}
