/**
 * The first schema. Everything is keyed by partition, in the order in which a worker loads it.
 *
 * - A stock level has a number within its partition, given in order and never reused: the slot of
 *   the worker's arrays. Commits address levels by it, so that no commit carries a SKU but the one that
 *   creates it.
 * - A reservation has a row in each partition that holds a part of it. The home's row is the decision;
 *   a participant's row says `held` until the participant has been told. `lines` is a flat list
 *   of (line, level, quantity). The primary key has the status before the id, so that the open
 *   rows of a partition are one range of it and no second index is needed.
 * - `never` marks an id whose home answered that it had no such reservation; the answer must stick.
 * - Levels are updated in place all day: the free space of fillfactor lets those updates be HOT.
 */
export const sql = `
create table partition (
  partition smallint primary key,
  epoch bigint not null default 0,
  commit_seq bigint not null default 0,
  ledger_seq bigint not null default 0
) with (fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table stock_level (
  partition smallint not null,
  level integer not null,
  sku text collate "C" not null,
  location text collate "C" not null,
  on_hand integer not null,
  reserved bigint not null check (reserved >= 0),
  safety_stock integer not null check (safety_stock >= 0),
  backorder_limit integer not null check (backorder_limit >= 0),
  version bigint not null,
  updated_at timestamptz not null,
  primary key (partition, level),
  unique (partition, sku, location)
) with (fillfactor = 60);

create type reservation_status as enum ('held', 'confirmed', 'cancelled', 'expired', 'never');

create table reservation (
  partition smallint not null,
  status reservation_status not null,
  id uuid not null,
  home smallint not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  closed_at timestamptz,
  reference text,
  participants smallint[] not null,
  lines integer[] not null,
  primary key (partition, status, id)
) with (fillfactor = 90);

create type ledger_kind as enum ('counted', 'held', 'cancelled', 'expired', 'never', 'confirmed');

create table ledger (
  partition smallint not null,
  seq bigint not null,
  level integer not null,
  kind ledger_kind not null,
  on_hand_delta bigint not null,
  reserved_delta bigint not null,
  reservation uuid,
  at timestamptz not null,
  primary key (partition, seq)
);

create function commit_batch(
  p_partition smallint[], p_epoch bigint[], p_commit_seq bigint[], p_ledger_seq bigint[],
  n_partition smallint[], n_level integer[], n_sku text[], n_location text[],
  n_on_hand integer[], n_reserved bigint[], n_safety_stock integer[], n_backorder_limit integer[],
  n_version bigint[], n_at bigint[],
  l_partition smallint[], l_level integer[],
  l_on_hand integer[], l_reserved bigint[], l_safety_stock integer[], l_backorder_limit integer[],
  l_version bigint[], l_at bigint[],
  r_partition smallint[], r_status reservation_status[], r_id uuid[], r_home smallint[],
  r_created_at bigint[], r_expires_at bigint[], r_reference text[], r_participants text[], r_lines text[],
  c_partition smallint[], c_id uuid[], c_status reservation_status[], c_at bigint[],
  g_partition smallint[], g_seq bigint[], g_level integer[], g_kind ledger_kind[],
  g_on_hand_delta bigint[], g_reserved_delta bigint[], g_reservation uuid[], g_at bigint[]
) returns void language plpgsql as $commit$
declare
  advanced integer;
begin
  -- The fence: the epoch is still ours, and every commit before this one is there.
  update partition p
     set commit_seq = u.commit_seq, ledger_seq = u.ledger_seq
    from unnest(p_partition, p_epoch, p_commit_seq, p_ledger_seq) u (partition, epoch, commit_seq, ledger_seq)
   where p.partition = u.partition and p.epoch = u.epoch and p.commit_seq = u.commit_seq - 1;
  get diagnostics advanced = row_count;
  if advanced <> cardinality(p_partition) then
    raise exception 'fenced' using errcode = 'HF001';
  end if;

  if cardinality(n_level) > 0 then
    insert into stock_level
    select u.partition, u.level, u.sku, u.location, u.on_hand, u.reserved, u.safety_stock, u.backorder_limit,
           u.version, to_timestamp(u.at * 0.001::float8)
      from unnest(n_partition, n_level, n_sku, n_location, n_on_hand, n_reserved, n_safety_stock,
                  n_backorder_limit, n_version, n_at)
           u (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit, version, at);
  end if;

  if cardinality(l_level) > 0 then
    update stock_level s
       set on_hand = u.on_hand, reserved = u.reserved, safety_stock = u.safety_stock,
           backorder_limit = u.backorder_limit, version = u.version, updated_at = to_timestamp(u.at * 0.001::float8)
      from unnest(l_partition, l_level, l_on_hand, l_reserved, l_safety_stock, l_backorder_limit, l_version, l_at)
           u (partition, level, on_hand, reserved, safety_stock, backorder_limit, version, at)
     where s.partition = u.partition and s.level = u.level;
  end if;

  if cardinality(r_id) > 0 then
    insert into reservation (partition, status, id, home, created_at, expires_at, reference, participants, lines)
    select u.partition, u.status, u.id, u.home, to_timestamp(u.created_at * 0.001::float8),
           to_timestamp(u.expires_at * 0.001::float8), u.reference, u.participants::smallint[], u.lines::integer[]
      from unnest(r_partition, r_status, r_id, r_home, r_created_at, r_expires_at, r_reference, r_participants, r_lines)
           u (partition, status, id, home, created_at, expires_at, reference, participants, lines);
  end if;

  if cardinality(c_id) > 0 then
    update reservation r
       set status = u.status, closed_at = to_timestamp(u.at * 0.001::float8)
      from unnest(c_partition, c_id, c_status, c_at) u (partition, id, status, at)
     where r.partition = u.partition and r.status = 'held' and r.id = u.id;
  end if;

  if cardinality(g_seq) > 0 then
    insert into ledger (partition, seq, level, kind, on_hand_delta, reserved_delta, reservation, at)
    select u.partition, u.seq, u.level, u.kind, u.on_hand_delta, u.reserved_delta, u.reservation,
           to_timestamp(u.at * 0.001::float8)
      from unnest(g_partition, g_seq, g_level, g_kind, g_on_hand_delta, g_reserved_delta, g_reservation, g_at)
           u (partition, seq, level, kind, on_hand_delta, reserved_delta, reservation, at);
  end if;
end
$commit$;
`;
