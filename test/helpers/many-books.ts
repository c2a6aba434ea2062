/** Books of any size, made by the database alone: counted levels, and reservations of one unit of one of them. */
import type { Sql } from '../../src/storage/database.ts';

export interface BooksSize {
  partitions: number;
  levels: number;
  /** Two of three are cancelled. */
  reservations: number;
  /** How long ago it all happened; what is held expires tomorrow. */
  days?: number;
}

/** Entries of the ledger that `fillBooks` writes. */
export function entriesOf({ levels, reservations }: BooksSize): number {
  return levels + reservations + Math.floor((reservations * 2) / 3);
}

/** Into a database that is ready and empty. Entries stand in the order: all counts, all holds, all cancels. */
export async function fillBooks(
  sql: Sql,
  { partitions, levels, reservations, days = 0 }: BooksSize,
): Promise<void> {
  const at = `now() - interval '${days} days'`;
  await sql.unsafe(`
    create temp table deed as
      select i % ${partitions} as partition, i / ${partitions} as level, 'counted' as kind, 1000000 as on_hand, 0 as reserved,
             null::uuid as id, i as turn
        from generate_series(0, ${levels} - 1) i
      union all
      select i % ${levels} % ${partitions}, i % ${levels} / ${partitions}, kind, 0, units,
             (lpad(to_hex((extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '70008000' ||
              lpad(to_hex(i), 8, '0') || lpad(to_hex(i % ${levels} % ${partitions}), 4, '0'))::uuid,
             turn + i
        from generate_series(0, ${reservations} - 1) i
        cross join (values ('held', 1, 1000000000), ('cancelled', -1, 2000000000)) k (kind, units, turn)
       where kind = 'held' or i % 3 > 0;
    create temp table entry as
      select partition, row_number() over (partition by partition order by turn) as seq, level, kind, on_hand, reserved, id,
             (extract(epoch from ${at}) * 1000)::bigint + row_number() over (order by turn, partition) / 100 as page
        from deed;
    insert into holdfast.ledger_page (page, epoch, source, at, partitions, seqs, levels, previous, kinds, on_hand_deltas,
                                      reserved_deltas, reservations)
      select page, 0, 0, ${at}, array_agg(partition), array_agg(seq), array_agg(level), array_agg(previous),
             array_agg(kind::holdfast.ledger_kind), array_agg(on_hand), array_agg(reserved), array_agg(id)
        from (select *, lag(page, 1, 0::bigint) over (partition by partition, level order by seq) as previous from entry) e
       group by page;
    insert into holdfast.stock_level
      select partition, level, 'SKU-' || partition || '-' || level, 'berlin', 1000000, sum(reserved), 0, 0, count(*), ${at},
             max(page)
        from entry group by 1, 2;
    insert into holdfast.reservation (partition, status, id, home, created_at, expires_at, closed_at, participants, lines)
      select partition, case sum(reserved) when 0 then 'cancelled' else 'held' end::holdfast.reservation_status, id,
             partition, ${at}, now() + interval '1 day', case sum(reserved) when 0 then ${at} end, '{}', array[0, level, 1]
        from entry where id is not null group by id, partition, level;
    drop table deed, entry`);
}

/** Makes everything so many days older: times, and ids, which have the time of their making. What is held expires tomorrow. */
export async function ageBooks(sql: Sql, days: number): Promise<void> {
  const past = `interval '${days} days'`;
  const older = (id: string): string => `
    (lpad(to_hex(('x0000' || left(replace(${id}::text, '-', ''), 12))::bit(64)::bigint - ${days} * 86400000::bigint), 12, '0')
     || substr(replace(${id}::text, '-', ''), 13))::uuid`;
  const olderPage = (page: string): string =>
    `case ${page} when 0 then 0 else ${page} - ${days} * 86400000::bigint end`;
  await sql.unsafe(`
    update holdfast.reservation
       set id = ${older('id')}, reheld_as = ${older('reheld_as')}, created_at = created_at - ${past},
           closed_at = closed_at - ${past},
           expires_at = case status when 'held' then now() + interval '1 day' else expires_at - ${past} end;
    update holdfast.ledger_page
       set at = at - ${past}, page = ${olderPage('page')}, previous = array(select ${olderPage('id')} from unnest(previous) id),
           reservations = array(select ${older('id')} from unnest(reservations) id);
    update holdfast.stock_level set updated_at = updated_at - ${past}, last_page = ${olderPage('last_page')}`);
}
