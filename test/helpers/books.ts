/**
 * The books as the database keeps them, read by a connection of the test's own, and everything that
 * must hold of them at any moment (invariants I1, I3, I5, I6).
 *
 * Each check is one query that returns the rows that break it; a check that finds nothing is passed.
 */
import postgres from 'postgres';
import type { TestServer } from './server.ts';
import type { Level } from './shop.ts';

export type BooksSql = postgres.Sql;

export function openBooks(server: TestServer): BooksSql {
  // Tables that have just been filled have no statistics, and then a nested loop seems cheap.
  const options = { max: 1, onnotice: () => {}, idle_timeout: 0, connection: { enable_nestloop: 'off' } };
  if (server.home.databaseUrl !== undefined) return postgres(server.home.databaseUrl, options);
  const folder = /psql -h (\S+) -U holdfast/.exec(server.output())?.[1];
  if (folder === undefined)
    throw new Error(`the server does not say where its database is\n${server.output()}`);
  return postgres({ ...options, host: folder, port: 5432, user: 'holdfast', database: 'postgres' });
}

/** True at any moment, also while requests are being decided: one query, one view of the database. */
const ALWAYS: Record<string, string> = {
  'reserved = units of open reservations': `
    select s.partition, s.level, s.sku, s.location, s.reserved, coalesce(h.held, 0) as held
      from holdfast.stock_level s
      left join (
        select r.partition, r.lines[i + 1] as level, sum(r.lines[i + 2]) as held
          from holdfast.reservation r cross join generate_series(1, cardinality(r.lines), 3) i
         where r.status = 'held' group by 1, 2) h using (partition, level)
     where s.reserved <> coalesce(h.held, 0)`,
  'held units have a level': `
    select r.partition, r.id, r.lines from holdfast.reservation r
      cross join generate_series(1, cardinality(r.lines), 3) i
      left join holdfast.stock_level s on s.partition = r.partition and s.level = r.lines[i + 1]
     where s.level is null or r.lines[i + 2] <= 0`,
  'onHand and reserved = sums of the ledger': `
    select s.partition, s.level, s.on_hand, s.reserved, g.on_hand as ledger_on_hand, g.reserved as ledger_reserved
      from holdfast.stock_level s
      left join (
        select partition, level, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved
          from holdfast.ledger group by 1, 2) g using (partition, level)
     where s.on_hand is distinct from g.on_hand or s.reserved is distinct from g.reserved`,
  'a ledger without gaps': `
    select partition, count(*) as entries, min(seq) as first, max(seq) as last
      from holdfast.ledger group by 1 having min(seq) <> 1 or count(*) <> max(seq)`,
  'each entry names the one before it of its level, and each level its last': `
    select partition, level, seq, previous, before
      from (select partition, level, seq, previous,
                   coalesce(lag(seq) over (partition by partition, level order by seq), 0) as before
              from holdfast.ledger) g
     where previous <> before
     union all
    select s.partition, s.level, s.last_entry, 0, coalesce(g.last, 0)
      from holdfast.stock_level s
      left join (select partition, level, max(seq) as last from holdfast.ledger group by 1, 2) g using (partition, level)
     where s.last_entry <> coalesce(g.last, 0)`,
  'each open reservation took its units once, each closed one gave them back once': `
    select coalesce(r.partition, g.partition) as partition, coalesce(r.id, g.id) as id, r.status, r.units, g.taken, g.given
      from (select partition, id, status, sum(lines[i + 2]) as units
              from holdfast.reservation cross join generate_series(1, cardinality(lines), 3) i group by 1, 2, 3) r
      full join (select partition, reservation as id, sum(reserved_delta) filter (where kind = 'held') as taken,
                        -coalesce(sum(reserved_delta) filter (where kind <> 'held'), 0) as given
                   from holdfast.ledger where reservation is not null group by 1, 2) g using (partition, id)
     where r.units is distinct from g.taken
        or g.given is distinct from case r.status when 'held' then 0 else r.units end`,
  'what is confirmed left the shelf, but for what was released; nothing else did': `
    select r.partition, r.id, r.status, r.units, g.sold, g.released
      from (select partition, id, status, reheld_as, sum(lines[i + 2]) as units
              from holdfast.reservation cross join generate_series(1, cardinality(lines), 3) i group by 1, 2, 3, 4) r
      join (select partition, reservation as id, -sum(on_hand_delta) as sold,
                   -coalesce(sum(reserved_delta) filter (where kind = 'released'), 0) as released
              from holdfast.ledger where reservation is not null group by 1, 2) g using (partition, id)
     where g.sold is distinct from case when r.status in ('confirmed', 'reheld') and r.reheld_as is null
                                        then r.units - g.released else 0 end`,
  'one row of a reservation in a partition': `
    select partition, id, array_agg(status::text) from holdfast.reservation group by 1, 2 having count(*) > 1`,
  'nothing promised beyond what is there': `
    select partition, level, sku, location, on_hand, reserved from holdfast.stock_level
     where on_hand - reserved - safety_stock + backorder_limit < 0`,
  'what the home holds, its participants hold': `
    select h.id, h.partition as home, h.participants, r.partitions
      from holdfast.reservation h
      left join (
        select id, array_agg(partition order by partition) as partitions
          from holdfast.reservation where home <> partition and status = 'held' group by id) r using (id)
     where h.home = h.partition and h.status = 'held'
       and coalesce(r.partitions, '{}') <> array(select p from unnest(h.participants) p order by p)`,
};

/** True once every participant has heard what its home decided. */
const SETTLED: Record<string, string> = {
  'what a participant holds, its home holds': `
    select r.partition, r.id, r.home, h.status as home_status
      from holdfast.reservation r
      left join holdfast.reservation h on h.id = r.id and h.partition = r.home
     where r.home <> r.partition and r.status = 'held' and h.status is distinct from 'held'`,
  'a closed reservation is closed alike everywhere': `
    select r.partition, r.id, r.status, h.status as home_status
      from holdfast.reservation r
      left join holdfast.reservation h on h.id = r.id and h.partition = r.home
     where r.home <> r.partition and r.status <> 'held'
       and r.status::text is distinct from case
             when h.status = 'reheld' then 'confirmed'
             when h.reheld_as is not null then 'expired'
             else coalesce(h.status::text, 'never') end`,
};

/** @returns a line for each broken rule, with the first rows that break it; empty when the books balance */
export async function faultsOf(sql: Pick<BooksSql, 'unsafe'>, { settled = true } = {}): Promise<string[]> {
  const faults: string[] = [];
  for (const [rule, query] of Object.entries(settled ? { ...ALWAYS, ...SETTLED } : ALWAYS)) {
    const rows = await sql.unsafe(query);
    if (rows.length > 0)
      faults.push(`not "${rule}" ${rows.length} times: ${JSON.stringify(rows.slice(0, 3))}`);
  }
  return faults;
}

/** Rows of participants that hold units for a reservation that its home does not hold. */
export async function strayHolds(sql: BooksSql): Promise<number> {
  return (await sql.unsafe(SETTLED['what a participant holds, its home holds'])).length;
}

/** Every level, in the order of its SKU and location. */
export async function levelsOf(
  sql: BooksSql,
): Promise<Pick<Level, 'sku' | 'location' | 'onHand' | 'reserved' | 'version'>[]> {
  const rows = await sql`
    select sku, location, on_hand as "onHand", reserved::float8 as reserved, version::float8 as version
      from holdfast.stock_level order by sku, location`;
  return rows.map((row) => ({ ...row })) as never;
}

export interface HomeRow {
  id: string;
  status: string;
  reference: string | null;
}

/** What each home has decided; an id that never was is not among them. */
export async function decisionsOf(sql: BooksSql): Promise<HomeRow[]> {
  return await sql<HomeRow[]>`
    select id::text as id, status::text as status, reference from holdfast.reservation
     where home = partition and status not in ('never', 'reheld')`;
}
