/**
 * Makes levels and ledger agree again, by entries of kind `corrected` behind the others. What is trusted:
 *
 * - Open reservations are the truth for `reserved`: the level is set to the units that they hold, and the ledger
 *   gets what it lacks. Where a reservation's own entries don't add up to what its row says, the entry carries its id.
 * - A level's `onHand` is the truth where its ledger disagrees: the level stays, the ledger gets the difference.
 * - Of a partition whose levels have fewer versions than it has entries, one gets those that lack, and an entry.
 * - A level whose last entry is on another page than it says gets an entry behind the one that is really the last.
 *
 * Nothing is deleted and no entry is changed: gaps, links within the history, and reservations that contradict
 * each other stay as they are.
 */
import { BATCH_COMMANDS_MAX, LOCK_WAIT_MS } from '../limits.ts';
import { FIRST_ID, heldBy, MOVEMENTS, WHOLE_TABLES } from './book-rules.ts';
import { Fenced, type Sql } from './database.ts';
import { takePartitions } from './take-partitions.ts';

const CORRECTIONS = `
  cut as (select ${FIRST_ID} as first_id),
  summed as (
    select partition, level, sum(on_hand)::bigint as on_hand, sum(reserved)::bigint as reserved, max(page) as last
      from ${MOVEMENTS} m group by 1, 2),
  of_reservations as (
    select partition, level, id, coalesce(h.held, 0) - coalesce(g.net, 0) as reserved_delta
      from (select partition, level, reservation as id, sum(reserved_delta)::bigint as net
              from holdfast.ledger where reservation is not null group by 1, 2, 3 having sum(reserved_delta) <> 0) g
      full join ${heldBy('partition, id, level')} h using (partition, level, id)
      cross join cut
     where case when id >= first_id then coalesce(g.net, 0) <> coalesce(h.held, 0)
                else coalesce(g.net, 0) > coalesce(h.held, 0) or coalesce(g.net, 0) < 0 and h.held > 0 end),
  behind as (
    select partition, first_level, greatest(versions, last) as seq, greatest(last - versions, 0) as lacking
      from (select partition, min(level) as first_level, sum(version)::bigint as versions
              from holdfast.stock_level group by 1) v
      left join (select partition, max(seq) as last from ${MOVEMENTS} m group by 1) g using (partition)),
  of_levels as (
    select partition, level, s.on_hand - coalesce(g.on_hand, 0) as on_hand_delta,
           coalesce(h.held, 0) - coalesce(g.reserved, 0) - coalesce(r.reserved_delta, 0) as reserved_delta,
           coalesce(h.held, 0) as held, coalesce(g.last, 0) as last,
           r.partition is null and (s.reserved <> coalesce(h.held, 0) or s.last_page <> coalesce(g.last, 0)
                                    or b.first_level = s.level and b.lacking > 0) as is_off,
           format('verify: onHand was %s by the level and %s by its ledger, reserved %s and %s', s.on_hand,
                  coalesce(g.on_hand, 0), s.reserved, coalesce(g.reserved, 0)) as reason
      from holdfast.stock_level s
      left join summed g using (partition, level)
      left join ${heldBy('partition, level')} h using (partition, level)
      left join (select partition, level, sum(reserved_delta)::bigint as reserved_delta from of_reservations group by 1, 2) r
                using (partition, level)
      join behind b using (partition)),
  corrections as (
    select partition, level, null::uuid as reservation, on_hand_delta, reserved_delta, held, last, reason
      from of_levels where on_hand_delta <> 0 or reserved_delta <> 0 or is_off
    union all
    select partition, level, id, 0, r.reserved_delta, held, last, 'verify: not what the reservation says'
      from of_reservations r join of_levels using (partition, level))`;

/** As the owner whose epoch is the parameter. Ends with the number of entries written. */
const WRITE = `
  with ${CORRECTIONS},
  numbered as (
    select c.*, b.seq + row_number() over (partition by partition order by level, reservation) as seq,
           row_number() over (order by partition, level, reservation) - 1 as turn
      from corrections c join behind b using (partition)),
  first as (
    select 1 + greatest(max(last_page), (select max(page) from holdfast.ledger_page),
                        ceil(extract(epoch from now()) * 1000)::bigint) as page
      from holdfast.stock_level),
  linked as (
    select n.*, lag(page, 1, last) over (partition by partition, level order by seq) as previous
      from (select n.*, f.page + turn / ${BATCH_COMMANDS_MAX} as page from numbered n cross join first f) n),
  inserted as (
    insert into holdfast.ledger_page (page, epoch, source, at, partitions, seqs, levels, previous, kinds, on_hand_deltas,
                                      reserved_deltas, reservations, reasons)
    select page, $1::bigint, 0, now(), array_agg(partition), array_agg(seq), array_agg(level), array_agg(previous),
           '{corrected}', array_agg(on_hand_delta), array_agg(reserved_delta), array_agg(reservation), array_agg(reason)
      from linked group by page),
  updated as (
    update holdfast.stock_level s
       set reserved = l.held, last_page = l.page, updated_at = now(),
           version = s.version + l.entries + case b.first_level when l.level then b.lacking else 0 end
      from (select partition, level, max(page) as page, max(held) as held, count(*) as entries from linked group by 1, 2) l
      join behind b using (partition)
     where s.partition = l.partition and s.level = l.level)
  select count(*) as entries from linked`;

/** Sessions of workers that are connected to this database. */
export async function workersOf(sql: Sql): Promise<number> {
  const [{ workers }] = await sql<{ workers: number }[]>`
    select count(*) as workers from pg_stat_activity
     where datname = current_database() and application_name like 'holdfast worker %'`;
  return workers;
}

/** How many entries `correctBooks` would write. */
export async function countCorrections(sql: Sql): Promise<number> {
  return await sql.begin('read only', async (transaction) => {
    await transaction.unsafe(WHOLE_TABLES);
    const [{ entries }] = await transaction.unsafe(
      `with ${CORRECTIONS} select count(*) as entries from corrections`,
    );
    return entries;
  });
}

/**
 * Writes as the owner of all partitions, fenced like any other: a server that is there after all, or comes up
 * meanwhile, waits for this or keeps it from writing, and never commits on a memory from before.
 * @returns how many entries were written
 * @throws Fenced where a server has taken partitions meanwhile; nothing was written
 */
export async function correctBooks(sql: Sql): Promise<number> {
  // Whoever keeps a row for longer than a commit does is not waited for.
  await sql.unsafe(`set lock_timeout = ${LOCK_WAIT_MS}`);
  const partitions = await sql<{ partition: number }[]>`select partition from holdfast.partition`;
  const epoch = await takePartitions(
    sql,
    partitions.map(({ partition }) => partition),
  );
  return await sql.begin(async (transaction) => {
    await transaction.unsafe(WHOLE_TABLES);
    const fence = await transaction`
      update holdfast.owner set commit_seq = 1 where epoch = ${epoch} and commit_seq = 0 returning epoch`;
    if (fence.length === 0) throw new Fenced();
    const [{ entries }] = await transaction.unsafe(WRITE, [epoch]);
    return entries;
  });
}
