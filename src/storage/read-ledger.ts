/**
 * Reads the changes of a SKU's levels, newest first, as one list.
 *
 * Each entry of the ledger names the page of the one before it of its level (there is no index by level, which every commit would pay
 * for), so this merges as many linked lists as the SKU has levels: one page back in all of them at a time, by primary key, with
 * all entries of these levels there. A list is left as soon as an answer of newer entries is certain: after n steps, every list that
 * is ahead of it has given n at least. So an answer of m entries reads no more than m (1 + 1/2 + … + 1/m) pages beside
 * the first of each level, and how far back it is makes no difference. A page is gone through once, whatever is looked for there.
 *
 * Pages that retention has deleted end their lists.
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
  /** The number of the last entry that was shown, and for each level, in the order of their numbers, the page to go on with; absent: its last one. */
  from?: number[];
  limit: number;
}

interface EntryRow {
  seq: number;
  level: number;
  /** Pages. */
  page: number;
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
  const ofSku = await sql<{ level: number; location: string; lastPage: number }[]>`
    select level, location, last_page as "lastPage" from holdfast.stock_level
     where partition = ${partition} and sku = ${sku} order by level`;
  if (ofSku.length === 0) return undefined;
  const levels = ofSku.filter((level) => location === undefined || level.location === location);
  const [shown, ...heads] = from ?? [Number.MAX_SAFE_INTEGER, ...levels.map(({ lastPage }) => lastPage)];
  const numbers = levels.map(({ level }) => level);
  const found = await walk(sql, partition, numbers, heads, shown, limit + 1);
  const page = found.slice(0, limit);
  const known = await confirmedAs(
    sql,
    page.flatMap(({ reservation }) => reservation ?? []),
  );
  const places = new Map(numbers.map((level, place) => [level, place]));
  const next = [...heads];
  const entries = page.map(({ level, page: _, previous, ...row }): LedgerEntry => {
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
  return { entries, next: page.length < found.length ? [page.at(-1)!.seq, ...next] : undefined };
}

/** @param shown all entries that are found come before this one */
async function walk(
  sql: Sql,
  partition: number,
  levels: number[],
  pages: number[],
  shown: number,
  limit: number,
): Promise<EntryRow[]> {
  // Of a page only those two lists are gone through: the others are picked from, once for each entry that is found.
  const entries = sql`
    select p.page, e.level, p.seqs[e.n] as seq, coalesce(p.previous[e.n], 0) as previous, coalesce(p.kinds[e.n], p.kinds[1]) as kind,
           coalesce(p.on_hand_deltas[e.n], 0) as on_hand_delta, coalesce(p.reserved_deltas[e.n], 0) as reserved_delta,
           p.reservations[e.n] as reservation, p.reasons[e.n] as reason, p.reference_texts[e.n] as reference, p.at
      from holdfast.ledger_page p cross join lateral unnest(p.partitions, p.levels) with ordinality e (partition, level, n)
     where p.page = head.page and e.partition = ${partition} and e.level = any(head.levels)`;
  return await sql<EntryRow[]>`
    with recursive walk as (
      select 1 as steps, e.*
        from (select page, array_agg(level) as levels
                from unnest(${arrayLiteral(levels)}::integer[], ${arrayLiteral(pages)}::bigint[]) l (level, page)
               group by page) head
       cross join lateral (${entries}) e
       where e.seq < ${shown}
      union all
      select head.steps + 1, e.*
        from (select steps, page, array_agg(level) over (partition by page) as levels,
                     row_number() over (partition by page order by level) as nth
                from (select steps, level, previous as page, row_number() over (order by seq desc) - 1 as ahead
                        from walk where previous < page) l
               where steps * ahead < ${limit}::integer and steps < ${limit}::integer) head
       cross join lateral (${entries}) e
       where head.nth = 1)
    select seq, level, page, previous, kind::text as kind, on_hand_delta as "onHandDelta", reserved_delta as "reservedDelta",
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
