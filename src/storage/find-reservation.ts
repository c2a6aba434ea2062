/**
 * Reads one reservation as a caller sees it: the status of its home's row, the lines of all its rows.
 * Off the write path, on a connection that no commit waits for.
 */
import { type Sold, soldLines } from '../reservations/sold.ts';
import type { GrantedLine, Reservation, Status } from '../reservations/types.ts';
import type { Sql } from './database.ts';
import { parseIntegers } from './load-partitions.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface FoundReservation extends Reservation {
  /** Participants whose rows do not show yet that it is closed: their stock is not back. */
  unsettled: number[];
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

interface HomeRow {
  status: Status | 'never' | 'reheld';
  createdAt: number;
  expiresAt: number;
  closedAt: number | null;
  reference: string | null;
  participants: string;
  unsettled: string;
  sold: string | null;
}

interface LineRow {
  line: number;
  quantity: number;
  sku: string;
  location: string;
}

export async function findReservation(sql: Sql, home: number, id: string): Promise<Found> {
  const [row] = await sql<HomeRow[]>`
    select status::text as status, reference, participants::text, sold::text,
           case when status = 'held' then '{}' else array(
             select p.partition from holdfast.reservation p
              where p.partition = any(h.participants) and p.status = 'held' and p.id = h.id)::text end as unsettled,
           round(extract(epoch from created_at) * 1000)::float8 as "createdAt",
           round(extract(epoch from expires_at) * 1000)::float8 as "expiresAt",
           round(extract(epoch from closed_at) * 1000)::float8 as "closedAt"
      from holdfast.reservation h
     where partition = ${home} and id = ${id}
       and status in ('held', 'confirmed', 'cancelled', 'expired', 'never', 'reheld')`;
  if (row === undefined) return undefined;
  const { status } = row;
  if (status === 'never' || status === 'reheld') return status;
  const sold = row.sold === null ? undefined : parseIntegers(row.sold);
  // Unnested once: a subscript would unpack a long stored array anew for each of its elements.
  const lines = await sql<LineRow[]>`
    select l.line, l.quantity, s.sku, s.location
      from (select r.partition, (u.n - 1) / 3 as i,
                   max(u.value) filter (where u.n % 3 = 1) as line,
                   max(u.value) filter (where u.n % 3 = 2) as level,
                   max(u.value) filter (where u.n % 3 = 0) as quantity
              from holdfast.reservation r
              cross join lateral unnest(r.lines) with ordinality u (value, n)
             where r.partition = any(${arrayLiteral([home, ...parseIntegers(row.participants)])}::smallint[]) and r.id = ${id}
               and r.status in ('held', 'confirmed', 'cancelled', 'expired', 'never')
             group by 1, 2) l
      join holdfast.stock_level s on s.partition = l.partition and s.level = l.level
     order by 1, l.partition, l.i`;
  const heldLines = gather(lines);
  return {
    id,
    status,
    lines: soldLines(heldLines, sold),
    heldLines,
    sold,
    reference: row.reference ?? undefined,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    closedAt: row.closedAt ?? undefined,
    unsettled: parseIntegers(row.unsettled),
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
