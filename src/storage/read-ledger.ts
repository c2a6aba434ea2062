/**
 * Reads the changes of a SKU's levels, newest first, as one list.
 *
 * Each entry names the one before it of its level (there is no index by level, which every commit would pay for),
 * so this merges as many linked lists as the SKU has levels: one step back in all of them at a
 * time, by primary key. A list is left as soon as a page of newer entries is certain: after n steps, every list that
 * is ahead of it has given n. So a page of m entries reads no more than m (1 + 1/2 + … + 1/m) of them beside
 * the first of each level, and how far back the page is makes no difference.
 *
 * Entries that retention has deleted end their lists.
 *
 * Units that were taken again for a reservation that had expired have an id of their own in the ledger, which no caller
 * knows: an entry of theirs shows the reservation that was confirmed so.
 */
import type { LedgerEntry, LedgerKind } from '../reservations/types.ts';
import type { Sql } from './database.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface LedgerSearch {
  partition: number;
  sku: string;
  location?: string;
  /** For each level, in the order of their numbers, the entry to go on with; absent: its last one. */
  from?: number[];
  limit: number;
}

interface EntryRow {
  seq: number;
  level: number;
  previous: number;
  kind: LedgerKind;
  onHandDelta: number;
  reservedDelta: number;
  reservation: string | null;
  reason: string | null;
  reference: string | null;
  at: number;
}

/**
 * @returns undefined for a SKU without levels. `next`: `from` of the next page; absent on the last one. Levels
 *   that came after the first page are not in it: all their entries are newer than that page.
 */
export async function readLedger(
  sql: Sql,
  { partition, sku, location, from, limit }: LedgerSearch,
): Promise<{ entries: LedgerEntry[]; next?: number[] } | undefined> {
  const ofSku = await sql<{ level: number; location: string; lastEntry: number }[]>`
    select level, location, last_entry as "lastEntry" from holdfast.stock_level
     where partition = ${partition} and sku = ${sku} order by level`;
  if (ofSku.length === 0) return undefined;
  const levels = ofSku.filter((level) => location === undefined || level.location === location);
  const heads = from ?? levels.map(({ lastEntry }) => lastEntry);
  const numbers = levels.map(({ level }) => level);
  const found = await walk(sql, partition, numbers, heads, limit + 1);
  const page = found.slice(0, limit);
  const known = await confirmedAs(
    sql,
    page.flatMap(({ reservation }) => reservation ?? []),
  );
  const places = new Map(numbers.map((level, place) => [level, place]));
  const next = [...heads];
  const entries = page.map(({ level, previous, ...row }): LedgerEntry => {
    const place = places.get(level)!;
    next[place] = previous;
    return {
      ...row,
      location: levels[place].location,
      reservation: known.get(row.reservation) ?? row.reservation ?? undefined,
      reason: row.reason ?? undefined,
      reference: row.reference ?? undefined,
    };
  });
  return { entries, next: page.length < found.length ? next : undefined };
}

async function walk(
  sql: Sql,
  partition: number,
  levels: number[],
  heads: number[],
  limit: number,
): Promise<EntryRow[]> {
  return await sql<EntryRow[]>`
    with recursive walk as (
      select 1 as steps, l.*
        from unnest(${arrayLiteral(levels)}::integer[], ${arrayLiteral(heads)}::bigint[]) head (level, seq)
        join holdfast.ledger l on l.partition = ${partition} and l.seq = head.seq and l.level = head.level
      union all
      select w.steps + 1, l.*
        from (select steps, previous, row_number() over (order by seq desc) - 1 as ahead from walk) w
        join holdfast.ledger l on l.partition = ${partition} and l.seq = w.previous
       where w.steps * w.ahead < ${limit}::integer and w.steps < ${limit}::integer)
    select seq, level, previous, kind::text as kind, on_hand_delta as "onHandDelta", reserved_delta as "reservedDelta",
           reservation, reason, reference, round(extract(epoch from at) * 1000)::float8 as at
      from walk order by seq desc limit ${limit}::integer`;
}

/** By the id under which units were taken again: the reservation that they were taken for. */
async function confirmedAs(sql: Sql, ids: string[]): Promise<Map<string | null, string>> {
  const found = await sql<{ again: string; id: string }[]>`
    select again, r.id
      from unnest(${arrayLiteral([...new Set(ids)])}::uuid[]) u (again)
      cross join lateral (select id from holdfast.reservation where reheld_as = u.again limit 1) r`;
  return new Map(found.map(({ again, id }) => [again, id]));
}
