/**
 * The entries of a commit as one row of lists, a page, in place of a row for each of them with an entry of the index: a
 * fifth less for Postgres to do for a hold, and a third of the disk where commits have many.
 *
 * - A page's number is the millisecond of its commit, or, where that is no more than what its owner has numbered before or what the
 *   partitions that it took have, the next one: a logical clock that follows the physical one (Kulkarni et al., "Logical Physical
 *   Clocks", 2014). So pages of one partition rise, whoever owned it when, and none is older than its number says. Owners that commit
 *   in the same millisecond are told apart by their epoch, and what one commit writes in several lists by their `source`.
 * - Of each entry: its partition, its number there, its level, and the page of the entry before it of the same level, 0 for the first;
 *   within a page entries of a level follow their numbers. A level names its last page. Each entry gives its level another version, so a
 *   partition's last number is the sum of those of its levels. Lists that are shorter than the others,
 *   or missing: the one kind is that of all entries; a delta is 0; there is no reservation, reason or reference.
 * - Lists are not compressed, which would not be worth its time.
 * - `ledger` is still there to be read, an entry a row.
 * - What has been deleted ends at one moment for all partitions, so that whole pages go.
 */
export const sql = `
create table ledger_page (
  page bigint not null,
  epoch bigint not null,
  source smallint not null,
  at timestamptz not null,
  partitions smallint[] not null,
  seqs bigint[] not null,
  levels integer[] not null,
  previous bigint[],
  kinds ledger_kind[] not null,
  on_hand_deltas bigint[],
  reserved_deltas bigint[],
  reservations uuid[],
  reasons text[],
  reference_texts text[],
  primary key (page, epoch, source)
);
alter table ledger_page
  alter partitions set storage external, alter seqs set storage external, alter levels set storage external,
  alter previous set storage external, alter kinds set storage external, alter on_hand_deltas set storage external,
  alter reserved_deltas set storage external, alter reservations set storage external;

-- Each run of entries of one partition with one time was a commit; numbered as above, also where the clock was set back.
create table paged as
  select t.*, turn + max(ceil(extract(epoch from at) * 1000)::bigint - turn) over (partition by partition order by seq) as page
    from (select c.*, sum(case when at = at_before then 0 else 1 end) over (partition by partition order by seq) as turn
            from (select *, lag(at) over (partition by partition order by seq) as at_before from ledger) c) t;
insert into ledger_page
  select e.page, -row_number() over (partition by e.page order by e.at), 0, e.at,
         array_agg(e.partition), array_agg(e.seq), array_agg(e.level), array_agg(coalesce(b.page, 0)),
         array_agg(e.kind), array_agg(e.on_hand_delta), array_agg(e.reserved_delta), array_agg(e.reservation),
         array_agg(e.reason), array_agg(e.reference)
    from paged e
    left join (select partition, seq, page from paged) b on b.partition = e.partition and b.seq = e.previous
   group by e.page, e.at;

-- 0 where the last entry has been deleted.
alter table stock_level rename last_entry to last_page;
update stock_level s set last_page = coalesce(e.page, 0)
  from (select partition, level, last_page as seq from stock_level where last_page > 0) l
  left join paged e using (partition, seq)
 where s.partition = l.partition and s.level = l.level;
drop table paged;
alter table ledger_opening add column page bigint not null default 0;
alter table ledger_opening alter page drop default;
-- From now on, the number of a partition's last entry is the sum of its levels' versions.
update stock_level s set version = version + last - versions
  from (select distinct on (partition) partition, level, sum(version) over (partition by partition)::bigint as versions
          from stock_level order by partition, version desc) v
  join (select partition, max(seq) as last
          from (select partition, seq from ledger
                union all
                select partition, seq from ledger_opening) e group by 1) l using (partition)
 where s.partition = v.partition and s.level = v.level and version + last - versions > 0;

create table ledger_cut (
  one boolean primary key default true check (one),
  pruned_at timestamptz not null
);
insert into ledger_cut (pruned_at) select coalesce(max(pruned_at), '-infinity') from partition;
alter table partition drop column pruned_seq, drop column pruned_at;

drop table ledger;
create view ledger as
  select partition, seq, level, page, coalesce(previous, 0) as previous, coalesce(kind, kinds[1]) as kind,
         coalesce(on_hand_delta, 0) as on_hand_delta, coalesce(reserved_delta, 0) as reserved_delta, reservation, at, reason, reference
    from (select page, at, kinds, unnest(partitions) as partition, unnest(seqs) as seq, unnest(levels) as level,
                 unnest(previous) as previous, unnest(kinds) as kind, unnest(on_hand_deltas) as on_hand_delta,
                 unnest(reserved_deltas) as reserved_delta, unnest(reservations) as reservation,
                 unnest(reasons) as reason, unnest(reference_texts) as reference
            from ledger_page) e;
`;
