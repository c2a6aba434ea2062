/**
 * What must hold of the books at any moment, whoever reads them: each rule is one query whose rows are
 * what breaks it, and one sentence for such a row. `verify` and the tests ask the same ones.
 *
 * Where the beginning of the ledger has been deleted (see migration 003), openings stand for it. A reservation made
 * before the cut may then lack its first entries, and is given the benefit of the doubt; its id has its time.
 */

/** A row of a rule's query. */
type Row = Record<string, string | number | boolean | null>;

export interface BookRule {
  name: string;
  /** What is worth knowing, and no error: it may mend itself, or be right. */
  note?: true;
  query: string;
  sentence(row: Row): string;
}

/**
 * Settings of a transaction that reads whole tables: those that have just been filled have no statistics, and
 * a nested loop then seems cheap. What doesn't fit into memory is sorted and grouped on disk.
 */
export const WHOLE_TABLES = `
  set local enable_nestloop = off; set local work_mem = '64MB'; set local statement_timeout = 0`;

/** Entries of the ledger, and the openings in the place of those deleted. */
export const MOVEMENTS = `(
  select partition, level, seq, page, on_hand_delta as on_hand, reserved_delta as reserved from holdfast.ledger
  union all
  select partition, level, seq, page, on_hand, reserved from holdfast.ledger_opening)`;

/** What open reservations hold, by these columns. Unnested: a subscript would unpack a long stored array each time. */
export const heldBy = (columns: 'partition, level' | 'partition, id, level'): string => `(
  select ${columns}, sum(quantity)::bigint as held
    from holdfast.reservation r
   cross join lateral (
     select max(value) filter (where n % 3 = 2) as level, max(value) filter (where n % 3 = 0) as quantity
       from unnest(r.lines) with ordinality u (value, n) group by (n - 1) / 3) l
   where r.status = 'held' group by ${columns})`;

/** No reservation made before the ledger was last cut has a greater id; a minute more for clocks. */
export const FIRST_ID = `(
  select (lpad(to_hex((extract(epoch from greatest(pruned_at + interval '1 minute', 'epoch')) * 1000)::bigint), 12, '0')
          || repeat('0', 20))::uuid from holdfast.ledger_cut)`;

/** What the parts of a reservation are closed as, by the row of its home. */
const DECISION = `case
  when h.status = 'reheld' then 'confirmed'
  when h.reheld_as is not null then 'expired'
  else coalesce(h.status::text, 'never') end`;

/** Behind every entry of a ledger. */
const ENDLESS = '9223372036854775807';

/** Units of a reservation's row; nearly every row has one line. */
const UNITS = `case cardinality(r.lines) when 3 then r.lines[3] else (
  select coalesce(sum(value), 0) from unnest(r.lines) with ordinality u (value, n) where n % 3 = 0) end`;

/** What was confirmed after it had expired was sold under the id that it was taken again under. */
const SOLD_UNITS = `case when r.status not in ('confirmed', 'reheld') or r.reheld_as is not null then 0 when r.sold is null then ${UNITS} else (
  select coalesce(sum(r.sold[line + 1]), 0)
    from (select distinct value as line from unnest(r.lines) with ordinality u (value, n) where n % 3 = 1) l) end`;

const level = ({ sku, location, partition, level }: Row): string =>
  sku === null
    ? `level ${level} of partition ${partition}, which is not there`
    : `${JSON.stringify(sku)} at ${JSON.stringify(location)} (partition ${partition}, level ${level})`;

/** @param graceMs how long participants may take to hear what their home has decided before it is worth a note */
export function bookRules(graceMs: number): BookRule[] {
  return [
    {
      name: 'onHand and reserved are what the ledger adds up to',
      query: `
        select partition, level, s.sku, s.location, s.on_hand, s.reserved,
               coalesce(g.on_hand, 0) as ledger_on_hand, coalesce(g.reserved, 0) as ledger_reserved
          from holdfast.stock_level s
          full join (select partition, level, sum(on_hand)::bigint as on_hand, sum(reserved)::bigint as reserved
                       from ${MOVEMENTS} m group by 1, 2) g using (partition, level)
         where s.on_hand is distinct from coalesce(g.on_hand, 0) or s.reserved is distinct from coalesce(g.reserved, 0)`,
      sentence: (row) =>
        `${level(row)}: onHand is ${row.on_hand} and reserved ${row.reserved}, but its ledger adds up to ${row.ledger_on_hand} and ${row.ledger_reserved}`,
    },
    {
      name: 'reserved is what open reservations hold',
      query: `
        select partition, level, s.sku, s.location, s.reserved, coalesce(h.held, 0) as held
          from holdfast.stock_level s full join ${heldBy('partition, level')} h using (partition, level)
         where s.reserved is distinct from coalesce(h.held, 0)`,
      sentence: (row) => `${level(row)}: reserved is ${row.reserved}, but open reservations hold ${row.held}`,
    },
    {
      name: 'the ledger of a partition has no gaps, and its pages rise',
      query: `
        with number as (
          select partition, seq, page, false as is_end from holdfast.ledger
          union all
          select partition, sum(version)::bigint + 1, max(last_page), true from holdfast.stock_level group by 1),
        folded as (
          select partition, max(seq) as seq, max(page) as page from holdfast.ledger_opening group by 1)
        select partition, seq, before, is_end, page, page_before
          from (select n.*, lag(n.seq, 1, coalesce(f.seq, 0)) over last as before,
                       lag(n.page, 1, coalesce(f.page, 0)) over last as page_before
                  from number n left join folded f using (partition)
                window last as (partition by n.partition order by n.is_end, n.seq)) n
         where seq <> before + 1 or page < page_before`,
      sentence: ({ partition, seq, before, is_end, page, page_before }) => {
        const missing = Number(seq) - Number(before) - 1;
        if (is_end && missing !== 0)
          return `partition ${partition}: its last entry is ${before}, but its levels have changed ${Number(seq) - 1} times`;
        if (missing > 0)
          return `partition ${partition}: between entries ${before} and ${seq}, ${missing} missing`;
        if (missing === -1) return `partition ${partition}: entry ${seq} is there twice`;
        if (missing < 0)
          return `partition ${partition}: entry ${seq} is there, though the openings stand for those up to ${before}`;
        return `partition ${partition}: entry ${before} is on page ${page_before}, and what follows it on ${page}`;
      },
    },
    {
      name: 'each entry names the page of the one before it of its level, and each level that of its last',
      query: `
        select partition, level, s.sku, s.location, nullif(seq, ${ENDLESS}) as seq, previous, before
          from (select *, lag(page, 1, 0::bigint) over (partition by partition, level order by seq) as before
                  from (select partition, level, seq, page, previous from holdfast.ledger
                        union all
                        select partition, level, seq, page, null from holdfast.ledger_opening
                        union all
                        select partition, level, ${ENDLESS}, 0, last_page from holdfast.stock_level) link) e
          left join holdfast.stock_level s using (partition, level)
         where previous <> before`,
      sentence: (row) =>
        row.seq === null
          ? `${level(row)}: its last entry is on page ${row.before}, but the level names ${row.previous}`
          : `${level(row)}: before entry ${row.seq} comes one of page ${row.before}, but it names ${row.previous}`,
    },
    {
      name: 'a reservation took its units once, and gave back or sold what it closed with',
      query: `
        with parts as (
          select r.partition, r.id, r.status, ${UNITS} as units, ${SOLD_UNITS} as sold from holdfast.reservation r offset 0),
        entries as (
          select partition, reservation as id, sum(greatest(reserved_delta, 0))::bigint as taken,
                 sum(reserved_delta)::bigint as held, -sum(on_hand_delta)::bigint as sold, bool_or(kind = 'corrected') as corrected
            from holdfast.ledger where reservation is not null group by 1, 2),
        cut as (select ${FIRST_ID} as first_id)
        select partition, id, r.status, r.units, e.taken, e.taken - e.held as given, e.sold
          from parts r full join entries e using (partition, id) cross join cut
         where case when id >= first_id
                    -- What was corrected need only come out right.
                    then r.id is null and not e.corrected
                      or r.units <> coalesce(e.taken, 0) and not coalesce(e.corrected, false)
                      or coalesce(e.held, 0) <> case r.status when 'held' then r.units else 0 end
                      or coalesce(e.sold, 0) <> r.sold
                    else e.held > case r.status when 'held' then r.units else 0 end
                      or e.held < case r.status when 'held' then 0 else -r.units end
                      or e.sold not between 0 and coalesce(r.sold, e.sold) end`,
      sentence: ({ partition, id, status, units, taken, given, sold }) =>
        `reservation ${id} in partition ${partition}${status === null ? ', which is not there' : ` (${status}, units: ${units})`}: by the ledger it took ${taken ?? 0} and gave back ${given ?? 0}, of which ${sold ?? 0} were sold`,
    },
    {
      name: 'what a home has said will never be is not there',
      query: `
        select n.partition, n.id, r.status from holdfast.reservation n
          join holdfast.reservation r using (partition, id)
         where n.status = 'never' and n.home = n.partition and r.status <> 'never'`,
      sentence: ({ partition, id, status }) =>
        `reservation ${id}: its home ${partition} has said that it will never be, and has it as ${status}`,
    },
    {
      name: 'what a home holds, its participants hold',
      query: `
        select h.id, h.partition as home, p.partition
          from holdfast.reservation h cross join lateral unnest(h.participants) p (partition)
          left join holdfast.reservation r on r.partition = p.partition and r.id = h.id and r.status = 'held'
         where h.home = h.partition and h.status = 'held' and h.participants <> '{}' and r.id is null`,
      sentence: ({ id, home, partition }) =>
        `reservation ${id}: its home ${home} holds it, partition ${partition} does not hold its part`,
    },
    {
      name: 'a closed part of a reservation is closed as its home is',
      query: `
        select r.id, r.partition, r.status, r.home, ${DECISION} as decision
          from holdfast.reservation r
          left join holdfast.reservation h on h.partition = r.home and h.id = r.id
         where r.home <> r.partition and r.status::text not in ('held', ${DECISION})`,
      sentence: ({ id, partition, status, home, decision }) =>
        `reservation ${id}: partition ${partition} has its part as ${status}, its home ${home} as ${decision}`,
    },
    {
      name: 'what a participant holds, its home holds',
      note: true,
      query: `
        select r.id, r.partition, r.home, h.status as decision
          from holdfast.reservation r
          left join holdfast.reservation h on h.partition = r.home and h.id = r.id
         where r.home <> r.partition and r.status = 'held' and h.status is distinct from 'held'
           and coalesce(h.closed_at, r.created_at) <= now() - interval '${graceMs} milliseconds'`,
      sentence: ({ id, partition, home, decision }) =>
        `reservation ${id}: partition ${partition} still holds its part, which its home ${home} has as ${decision ?? 'never made'}; a server that runs settles it`,
    },
    {
      name: 'nothing is promised beyond what is there',
      note: true,
      query: `
        select partition, level, sku, location,
               reserved + safety_stock - on_hand - backorder_limit as units
          from holdfast.stock_level where on_hand - reserved - safety_stock + backorder_limit < 0`,
      sentence: (row) =>
        `${level(row)}: available is -${row.units}; a count may have found less than was promised`,
    },
  ];
}
