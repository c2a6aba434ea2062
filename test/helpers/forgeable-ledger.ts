/**
 * A ledger that tests can forge: each entry on a page of its own, and the view `ledger` so that an entry can be inserted, changed
 * and deleted like a row.
 */
export const FORGEABLE_LEDGER = `
  create temp table entry as select * from holdfast.ledger;
  truncate holdfast.ledger_page;
  create sequence if not exists holdfast.forged;
  create or replace function holdfast.forge() returns trigger language plpgsql as $forge$
  begin
    if tg_op <> 'INSERT' then
      delete from holdfast.ledger_page
       where page = old.page and partitions = array[old.partition] and seqs = array[old.seq];
    end if;
    if tg_op <> 'DELETE' then
      insert into holdfast.ledger_page
      values (new.page, -nextval('holdfast.forged'), 0, new.at, array[new.partition], array[new.seq], array[new.level],
              array[new.previous], array[new.kind], array[new.on_hand_delta], array[new.reserved_delta],
              array[new.reservation], array[new.reason], array[new.reference]);
      return new;
    end if;
    return old;
  end $forge$;
  create or replace trigger forge instead of insert or update or delete on holdfast.ledger
    for each row execute function holdfast.forge();
  insert into holdfast.ledger select * from entry;
  drop table entry`;
