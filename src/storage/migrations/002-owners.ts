/**
 * One fence for each commit lane instead of one for each partition, entries of the ledger that know the
 * one before them, and what the whole life of a reservation needs.
 *
 * - An owner is one lane of one worker, from the moment it takes partitions until another takes one of
 *   them. Its number is the epoch of its partitions; its row is the fence that each commit compares and advances,
 *   so a commit costs one such row however many partitions it touches. Taking a partition deletes the
 *   row of the owner it had, which waits for a commit of that owner that is under way, and leaves no row for
 *   those that come after.
 * - An entry of the ledger names the entry before it of the same level, and a level its last one, so a
 *   level's history is a walk over the primary key: no second index slows the commit. A partition's
 *   last entry is the greatest of its levels'.
 * - `sold` of a confirmed reservation: units of each line, where it was confirmed in part.
 * - A reservation that is confirmed after it expired stays closed as far as its own units go; they are taken
 *   and sold under an id of their own, whose home row has the status `reheld`, and `reheld_as` names it.
 */
export const sql = `
drop function commit_batch;

create table owner (
  epoch bigint primary key,
  commit_seq bigint not null default 0
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create sequence epoch;
select setval('epoch', (select greatest(max(epoch), 0) + 1 from partition), false);
alter table partition drop column commit_seq, drop column ledger_seq;

alter table stock_level add column last_entry bigint not null default 0;
alter table ledger
  add column previous bigint not null default 0,
  add column reason text,
  add column reference text;
alter type ledger_kind add value 'adjusted';
alter type ledger_kind add value 'released';
alter type ledger_kind add value 'corrected';
update ledger l set previous = p.previous
  from (select partition, seq, lag(seq) over (partition by partition, level order by seq) as previous from ledger) p
 where p.partition = l.partition and p.seq = l.seq and p.previous is not null;
update stock_level s set last_entry = l.seq
  from (select partition, level, max(seq) as seq from ledger group by 1, 2) l
 where l.partition = s.partition and l.level = s.level;

alter type reservation_status add value 'reheld';
alter table reservation add column sold integer[], add column reheld_as uuid;

create table idempotency_key (
  partition smallint not null,
  key uuid not null,
  key_partition smallint not null,
  fingerprint uuid not null,
  answer bytea not null,
  at timestamptz not null,
  primary key (partition, key)
);
`;
