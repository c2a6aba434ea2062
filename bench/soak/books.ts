/**
 * Whether the books agree with what was answered, when the load has ended and the last hold has expired; and whether
 * `verify` finds that they agree with each other.
 */
import { join } from 'node:path';
import type postgres from 'postgres';
import type { Holdfast } from '../holdfast.ts';
import type { Finished } from './load.ts';
import { HOLDS_END_WITHIN_SECONDS } from './shop.ts';

const POLL_MS = 250;

/** @returns a sentence for each thing that is wrong */
export async function checkBooks(
  holdfast: Holdfast,
  sql: postgres.Sql,
  { said, lost }: Finished,
): Promise<string[]> {
  const faults: string[] = [];
  const giveUpAt = Date.now() + HOLDS_END_WITHIN_SECONDS * 1000;
  while ((await homes(sql)).held > 0 && Date.now() < giveUpAt) await Bun.sleep(POLL_MS);
  const { held, all, confirmed, cancelled } = await homes(sql);
  if (held > 0) faults.push(`${held} are still held after the last has ended`);
  const compare = (what: string, found: number, told: number) => {
    if (found < told || found > told + lost)
      faults.push(`${found} were ${what}; the answers say ${told}, and ${lost} were not answered`);
  };
  compare('granted', all, said.granted);
  compare('confirmed', confirmed, said.confirmed);
  compare('cancelled', cancelled, said.cancelled);
  const books = await holdfast.books();
  for (const [place, units] of Object.entries({ ...books.reserved, ...books.drift }))
    if (units !== 0) faults.push(`${units} units are reserved, or differ, ${place}`);
  return [...faults, ...holdfast.contradictions(), ...(await verify(holdfast))];
}

async function homes(sql: postgres.Sql) {
  const [counts] = await sql<{ held: number; all: number; confirmed: number; cancelled: number }[]>`
    select count(*) filter (where status = 'held')::float8 as held,
           count(*) filter (where status = 'confirmed')::float8 as confirmed,
           count(*) filter (where status = 'cancelled')::float8 as cancelled,
           count(*) filter (where status <> 'never')::float8 as all
      from holdfast.reservation where home = partition`;
  return counts;
}

async function verify({ dataFolder }: Holdfast): Promise<string[]> {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, '..', '..', 'src', 'start.ts'), 'verify'],
    {
      env: { ...process.env, DATABASE_URL: '', HOLDFAST_DATA_DIR: dataFolder },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const [code, output, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return code === 0 ? [] : [`verify ended with ${code}:\n${output}${errors}`];
}
