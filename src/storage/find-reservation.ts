/**
 * Reads reservations as a caller sees them: the status of the home's row, the lines of all their rows.
 * Off the write path, on a connection that no commit waits for.
 *
 * Each row is looked up by its primary key in a subquery with a limit, which no plan can turn into a scan of
 * the table, whatever the planner believed of the table's size when it made the plan.
 */
import { type Sold, soldLines } from '../reservations/sold.ts';
import type { GrantedLine, Reservation, Status } from '../reservations/types.ts';
import type { Sql } from './database.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface FoundReservation extends Reservation {
  /** Participants whose rows do not show yet that it is closed: their stock is not back. */
  unsettled: number[];
  /** The id under which they hold: its own, or that of the units that were taken again. */
  heldAs: string;
  /** What a confirmation in part has sold. */
  sold?: Sold;
  /** Its lines as they were held. */
  heldLines: GrantedLine[];
}

/**
 * What a home has of an id. `never`: it has said that there will be none. `reheld`: units taken again in the name of
 * another reservation, which callers know only by that one's id.
 */
export type Found = FoundReservation | 'never' | 'reheld' | undefined;

interface Row {
  id: string;
  home: number;
  createdAt: number;
  expiresAt: number;
  closedAt: number | null;
  reference: string | null;
  participants: string;
  unsettled: string;
  heldAs: string;
  sold: string | null;
}
type ReservationRow = Row & { status: Status };
type HomeRow = ReservationRow | (Row & { status: 'never' | 'reheld' });

interface LineRow {
  id: string;
  line: number;
  quantity: number;
  sku: string;
  location: string;
}

export async function findReservation(sql: Sql, home: number, id: string): Promise<Found> {
  const [row] = await readHomes(sql, [{ home, id }]);
  if (row === undefined) return undefined;
  return isReservation(row) ? reservationOf(row, await readLines(sql, [row])) : row.status;
}

/** Those of these ids whose homes have a reservation, in the order given. */
export async function readReservations(
  sql: Sql,
  wanted: { home: number; id: string }[],
): Promise<FoundReservation[]> {
  const rows = (await readHomes(sql, wanted)).filter(isReservation);
  const lines = Map.groupBy(await readLines(sql, rows), ({ id }) => id);
  return rows.map((row) => reservationOf(row, lines.get(row.id) ?? []));
}

function isReservation(row: HomeRow): row is ReservationRow {
  return row.status !== 'never' && row.status !== 'reheld';
}

async function readHomes(sql: Sql, wanted: { home: number; id: string }[]): Promise<HomeRow[]> {
  return await sql<HomeRow[]>`
    select h.id, h.home, h.status::text as status, h.reference, h.participants::text, h.sold::text,
           case when h.status = 'held' then '{}' else array(
             select p.partition from holdfast.reservation p
              where p.partition = any(coalesce(a.participants, h.participants)) and p.status = 'held'
                and p.id = coalesce(a.id, h.id))::text end as unsettled,
           coalesce(a.id, h.id) as "heldAs",
           round(extract(epoch from h.created_at) * 1000)::float8 as "createdAt",
           round(extract(epoch from h.expires_at) * 1000)::float8 as "expiresAt",
           round(extract(epoch from h.closed_at) * 1000)::float8 as "closedAt"
      from unnest(${arrayLiteral(wanted.map(({ home }) => home))}::smallint[],
                  ${arrayLiteral(wanted.map(({ id }) => id))}::uuid[]) with ordinality w (home, id, place)
      cross join lateral (
        select * from holdfast.reservation
         where partition = w.home and id = w.id
           and status in ('held', 'confirmed', 'cancelled', 'expired', 'never', 'reheld') limit 1) h
      left join lateral (
        select id, participants from holdfast.reservation
         where partition = h.home and id = h.reheld_as and status = 'reheld' limit 1) a on true
     order by w.place`;
}

async function readLines(sql: Sql, rows: HomeRow[]): Promise<LineRow[]> {
  const parts = rows.flatMap(({ id, home, participants }) =>
    [home, ...parseIntegers(participants)].map((partition) => ({ partition, id })),
  );
  // Unnested once: a subscript would unpack a long stored array anew for each of its elements.
  return await sql<LineRow[]>`
    select l.id, l.line, l.quantity, s.sku, s.location
      from (select r.id, r.partition, (u.n - 1) / 3 as i,
                   max(u.value) filter (where u.n % 3 = 1) as line,
                   max(u.value) filter (where u.n % 3 = 2) as level,
                   max(u.value) filter (where u.n % 3 = 0) as quantity
              from unnest(${arrayLiteral(parts.map(({ partition }) => partition))}::smallint[],
                          ${arrayLiteral(parts.map(({ id }) => id))}::uuid[]) p (partition, id)
              cross join lateral (
                select * from holdfast.reservation
                 where partition = p.partition and id = p.id
                   and status in ('held', 'confirmed', 'cancelled', 'expired', 'never') limit 1) r
              cross join lateral unnest(r.lines) with ordinality u (value, n)
             group by 1, 2, 3) l
      cross join lateral (
        select sku, location from holdfast.stock_level
         where partition = l.partition and level = l.level limit 1) s
     order by l.id, l.line, l.partition, l.i`;
}

/** The one place where rows become a reservation. */
function reservationOf(row: ReservationRow, rows: LineRow[]): FoundReservation {
  const sold = row.sold === null ? undefined : parseIntegers(row.sold);
  const heldLines = gather(rows);
  return {
    id: row.id,
    status: row.status,
    lines: soldLines(heldLines, sold),
    heldLines,
    sold,
    reference: row.reference ?? undefined,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    closedAt: row.closedAt ?? undefined,
    unsettled: parseIntegers(row.unsettled),
    heldAs: row.heldAs,
  };
}

/** One line for the allocations of the same line number. */
function gather(rows: LineRow[]): GrantedLine[] {
  const lines: GrantedLine[] = [];
  for (const { line, quantity, sku, location } of rows) {
    const last = lines.at(-1);
    if (last?.line === line) {
      last.quantity += quantity;
      last.allocations.push({ location, quantity });
    } else {
      lines.push({ line, quantity, sku, allocations: [{ location, quantity }] });
    }
  }
  return lines;
}

/** Parses a one-dimensional array literal of integers. */
function parseIntegers(literal: string): number[] {
  return literal === '{}' ? [] : literal.slice(1, -1).split(',').map(Number);
}
