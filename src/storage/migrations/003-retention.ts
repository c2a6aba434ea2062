/**
 * What is left of a history whose beginning has been deleted.
 *
 * - A level's opening is what its deleted entries of the ledger add up to, and the last of them; opening and
 *   remaining entries add up to the level.
 * - A partition's ledger is deleted from its beginning: it now starts behind `pruned_seq`. Of what happened
 *   before `pruned_at`, entries and closed reservations may be gone.
 * - Keys are inserted in the order of their time and deleted in it: an index of block ranges finds
 *   the old ones and costs an insert next to nothing.
 */
export const sql = `
create table ledger_opening (
  partition smallint not null,
  level integer not null,
  seq bigint not null,
  on_hand bigint not null,
  reserved bigint not null,
  primary key (partition, level)
) with (fillfactor = 70);

alter table partition
  add column pruned_seq bigint not null default 0,
  add column pruned_at timestamptz not null default '-infinity';

create index idempotency_key_at on idempotency_key using brin (at);
`;
