/**
 * Deletes what is old, a few rows by each statement. Each says how many rows it has looked at, so that its caller
 * knows when it is through.
 *
 * All of this may run twice at a time, also by a worker that has lost its partitions and doesn't know: what is old
 * stays old, a row is deleted once, and an entry of the ledger goes into its level's opening in the statement
 * that deletes it. No row is touched that a commit changes.
 */
import { PRUNE_ROWS_MAX } from '../limits.ts';
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

const time = (ms: number): string => new Date(ms).toISOString();

/**
 * Replaces the first entries of a partition's ledger by openings of their levels, as long as they are from before a
 * time in milliseconds. The partition's row is locked, and left to whoever has it.
 * @returns how many entries
 */
export async function foldLedger(sql: Sql, partition: number, before: number): Promise<number> {
  const [{ entries }] = await sql<{ entries: number }[]>`
    with cut as materialized (
      select pruned_seq from holdfast.partition p
       where partition = ${partition}
         and (select at from holdfast.ledger g where g.partition = p.partition and g.seq > p.pruned_seq
               order by seq limit 1) < ${time(before)}::timestamptz
         for update skip locked),
    first as materialized (
      select g.seq, g.at from cut cross join lateral (
        select seq, at from holdfast.ledger
         where partition = ${partition} and seq > pruned_seq order by seq limit ${PRUNE_ROWS_MAX}) g),
    last as materialized (
      select coalesce(min(seq) filter (where at >= ${time(before)}::timestamptz) - 1, max(seq)) as seq from first),
    gone as (
      delete from holdfast.ledger g using cut, last
       where g.partition = ${partition} and g.seq > cut.pruned_seq and g.seq <= last.seq
      returning g.level, g.seq, g.on_hand_delta, g.reserved_delta),
    opened as (
      insert into holdfast.ledger_opening as o (partition, level, seq, on_hand, reserved)
      select ${partition}::smallint, level, max(seq), sum(on_hand_delta), sum(reserved_delta) from gone group by level
      on conflict (partition, level) do update
         set seq = excluded.seq, on_hand = o.on_hand + excluded.on_hand, reserved = o.reserved + excluded.reserved),
    marked as (
      update holdfast.partition p
         set pruned_seq = last.seq, pruned_at = greatest(p.pruned_at, ${time(before)}::timestamptz)
        from last where p.partition = ${partition} and exists (select from cut))
    select count(*) as entries from gone`;
  return entries;
}

/**
 * Deletes reservations of a home that were closed before a time in milliseconds, with the parts of all participants, which
 * are none that is still open; of `never`, the parts that a participant has. Not before the ledgers of all these
 * partitions were cut behind the closing: no entry that is left asks for a row that is gone.
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
           select from holdfast.reservation r join holdfast.partition c using (partition)
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
