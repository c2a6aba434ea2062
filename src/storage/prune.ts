/**
 * Deletes what is old, a few rows by each statement. Each says how many rows it has looked at, so that its caller
 * knows when it is through.
 *
 * All of this may run twice at a time, also by a worker that has lost its partitions and doesn't know: what is old
 * stays old, a row is deleted once, and an entry of the ledger goes into its level's opening in the statement
 * that deletes it. No row is touched that a commit changes.
 */
import { PRUNE_PAGES_MAX, PRUNE_ROWS_MAX } from '../limits.ts';
import { firstIdOf } from '../reservations/id.ts';
import type { Sql } from './database.ts';
import { arrayLiteral } from './take-partitions.ts';

/** What is not open. A part that will never be is a participant's; its home has a mark that says so. */
export const CLOSED = ['confirmed', 'reheld', 'cancelled', 'expired', 'never'] as const;

export interface Pruned {
  seen: number;
  deleted: number;
  /** The greatest id that was seen. */
  last: string | null;
}

export interface Folded {
  entries: number;
  /** The last page that was. */
  last: number;
  /** Whether there is more to fold behind it. */
  more: boolean;
}

const time = (ms: number): string => new Date(ms).toISOString();

/**
 * Replaces the first pages of the ledger by openings of the levels that they have entries of, as long as they are from before a time in
 * milliseconds. Whoever does the same at the same time waits: openings stand for the beginning of each level's history at any moment.
 * @param after a page up to which there are none any more: what has just been deleted from an index is slow to pass
 */
export async function foldLedger(sql: Sql, before: number, after: number): Promise<Folded> {
  return await sql.begin(async (transaction) => {
    await transaction`select from holdfast.ledger_cut for update`;
    // A statement of its own, which sees what was done meanwhile.
    const [folded] = await transaction<[Folded]>`
      with first as materialized (
        select page, bool_or(at >= ${time(before)}::timestamptz) over (order by page) as is_young,
               sum(cardinality(seqs)) over (order by page) as entries
          from (select page, at, seqs from holdfast.ledger_page
                 where page > ${after} order by page fetch first (${PRUNE_PAGES_MAX}) rows with ties) p),
      last as materialized (
        select coalesce(min(page) filter (where entries >= ${PRUNE_ROWS_MAX}), max(page)) as page from first where not is_young),
      gone as (
        delete from holdfast.ledger_page p using last
         where p.page > ${after} and p.page <= last.page and p.at < ${time(before)}::timestamptz
        returning p.*),
      entry as materialized (
        select page, unnest(partitions) as partition, unnest(levels) as level, unnest(seqs) as seq,
               unnest(on_hand_deltas) as on_hand, unnest(reserved_deltas) as reserved from gone),
      opened as (
        insert into holdfast.ledger_opening as o (partition, level, seq, page, on_hand, reserved)
        select partition, level, max(seq), max(page), coalesce(sum(on_hand), 0), coalesce(sum(reserved), 0)
          from entry group by 1, 2
        on conflict (partition, level) do update
           set seq = excluded.seq, page = excluded.page, on_hand = o.on_hand + excluded.on_hand,
               reserved = o.reserved + excluded.reserved),
      marked as (
        update holdfast.ledger_cut c
           set pruned_at = greatest(c.pruned_at, ${time(before)}::timestamptz)
          from last where last.page is not null)
      select (select count(*) from entry) as entries, coalesce(last.page, ${after}::bigint) as last,
             exists (select from first where page > last.page and not is_young)
               or (select count(*) >= ${PRUNE_PAGES_MAX} and not bool_or(is_young) from first) as more
        from last`;
    return folded;
  });
}

/**
 * Deletes reservations of a home that were closed before a time in milliseconds, with the parts of all participants, which
 * are none that is still open; of `never`, the parts that a participant has. Not before the ledger was cut behind the
 * closing: no entry that is left asks for a row that is gone.
 * @param after the id to go on behind
 */
export async function deleteReservations(
  sql: Sql,
  partition: number,
  status: (typeof CLOSED)[number],
  before: number,
  after: string,
): Promise<Pruned> {
  const [pruned] = await sql<[Pruned]>`
    with seen as materialized (
      select id, home, participants from holdfast.reservation
       where partition = ${partition} and status = ${status}::holdfast.reservation_status
         and id > ${after}::uuid and id < ${firstIdOf(before)}::uuid
       order by id limit ${PRUNE_ROWS_MAX}),
    old as materialized (
      select s.id, p.partitions
        from seen s cross join lateral (select s.participants || ${partition}::smallint) p (partitions)
       where (home = ${partition}) = (${status} <> 'never')
         and not exists (
           select from holdfast.reservation r cross join holdfast.ledger_cut c
            where r.partition = any(p.partitions) and r.id = s.id
              and r.status in ('held', 'confirmed', 'reheld', 'cancelled', 'expired', 'never')
              and (r.status = 'held' or r.closed_at >= least(c.pruned_at, ${time(before)}::timestamptz)))),
    gone as (
      delete from holdfast.reservation r using old
       where r.partition = any(old.partitions) and r.id = old.id
         and r.status in ('confirmed', 'reheld', 'cancelled', 'expired', 'never')
         -- Looked at again where the row has changed meanwhile: one that had expired may have been confirmed.
         and (r.closed_at is null or r.closed_at < ${time(before)}::timestamptz)
      returning 1)
    select (select count(*) from seen) as seen, (select count(*) from gone) as deleted,
           (select id from seen order by id desc limit 1) as last`;
  return pruned;
}

/**
 * Deletes what a home has said, before a time in milliseconds, would never be. A participant that asks once more
 * gets the same answer anew: there is no record, and whatever could make one is out of time since long.
 * @param after the id to go on behind
 */
export async function deleteNeverMarks(
  sql: Sql,
  home: number,
  before: number,
  after: string,
): Promise<Pruned> {
  const [pruned] = await sql<[Pruned]>`
    with seen as materialized (
      select id, home, created_at from holdfast.reservation
       where partition = ${home} and status = 'never' and id > ${after}::uuid and id < ${firstIdOf(before)}::uuid
       order by id limit ${PRUNE_ROWS_MAX}),
    gone as (
      delete from holdfast.reservation r using seen s
       where r.partition = ${home} and r.status = 'never' and r.id = s.id
         and s.home = ${home} and s.created_at < ${time(before)}::timestamptz
      returning 1)
    select (select count(*) from seen) as seen, (select count(*) from gone) as deleted,
           (select id from seen order by id desc limit 1) as last`;
  return pruned;
}

/**
 * Deletes idempotency keys from between two times in milliseconds.
 * @returns how many
 */
export async function deleteKeys(
  sql: Sql,
  partitions: number[],
  since: number,
  before: number,
): Promise<number> {
  const gone = await sql`
    delete from holdfast.idempotency_key where at < ${time(before)}::timestamptz and ctid = any(array(
      select ctid from holdfast.idempotency_key
       where at >= ${time(since)}::timestamptz and at < ${time(before)}::timestamptz
         and partition = any(${arrayLiteral(partitions)}::smallint[])
       limit ${PRUNE_ROWS_MAX}))`;
  return gone.count;
}
