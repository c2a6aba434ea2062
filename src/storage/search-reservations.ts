/**
 * Finds reservations, newest first: by id, which begins with the time.
 *
 * No index exists for this but the one of references, since every index is paid for by every commit. The primary
 * key (partition, status, id) has the rows of each partition and status in order, so the newest of all are
 * found by merging these lists: first the head of each, then, of the lists whose heads are new enough, what is not
 * older than the oldest of the heads that count. The rows read are about those answered, however many there are.
 *
 * A row of a participant stands for its reservation as well as the home's does. (Otherwise a partition that is
 * never a home would be read to its end in search of one.) What counts is the home's status: a
 * participant may not have heard yet, or hold for what will never be.
 *
 * Rows with a line of a SKU are all in the SKU's partition, which is read newest first until the page is full.
 * That alone can take long; the session's statement_timeout ends it.
 */
import { ALLOCATIONS_PER_PAGE_MAX } from '../limits.ts';
import { type Reservation, STATUSES, type Status } from '../reservations/types.ts';
import type { Sql } from './database.ts';
import { readReservations } from './find-reservation.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface ReservationSearch {
  partitions: number;
  reference?: string;
  status?: Status;
  sku?: { sku: string; partition: number };
  /** Only ids before this one. */
  below?: string;
  limit: number;
}

interface FoundRow {
  id: string;
  home: number;
  allocations: number;
}

/** Levels of a SKU, in its partition. */
interface SkuLevels {
  partition: number;
  levels: string;
}

/**
 * What the rows of a reservation say while its home says this. A participant may not have been told yet; and
 * what was confirmed after it had expired stays expired there.
 */
const ROW_STATUSES: Record<Status, Status[]> = {
  held: ['held'],
  confirmed: ['confirmed', 'held', 'expired'],
  cancelled: ['cancelled', 'held'],
  expired: ['expired', 'held'],
};

const BEYOND_EVERY_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const BEFORE_EVERY_ID = '00000000-0000-0000-0000-000000000000';

/**
 * @param sql in a transaction that sees one state of the database, so that what was found still is as it was found
 * @returns `next`: the id to go on below; absent on the last page
 */
export async function searchReservations(
  sql: Sql,
  search: ReservationSearch,
): Promise<{ reservations: Reservation[]; next?: string }> {
  const { limit, sku } = search;
  const ofSku = sku && { partition: sku.partition, levels: arrayLiteral(await levelsOf(sql, sku)) };
  if (ofSku?.levels === '{}') return { reservations: [] };
  // One more than fits the page tells whether there is another.
  const found =
    search.reference === undefined
      ? await newest(sql, search, limit + 1, ofSku)
      : await byReference(sql, search, search.reference, limit + 1, ofSku);
  const page = found.slice(0, fitting(found, limit));
  const reservations = page.length === 0 ? [] : await readReservations(sql, page);
  return { reservations, next: page.length < found.length ? page.at(-1)?.id : undefined };
}

/** How many of the first can stand on one page. */
function fitting(found: FoundRow[], limit: number): number {
  let allocations = 0;
  const tooMany = found.findIndex((row, index) => {
    allocations += row.allocations;
    return index > 0 && allocations > ALLOCATIONS_PER_PAGE_MAX;
  });
  return tooMany < 0 ? limit : Math.min(limit, tooMany);
}

async function levelsOf(sql: Sql, { sku, partition }: { sku: string; partition: number }): Promise<number[]> {
  const rows = await sql<{ level: number }[]>`
    select level from holdfast.stock_level where partition = ${partition} and sku = ${sku}`;
  return rows.map(({ level }) => level);
}

async function newest(
  sql: Sql,
  { partitions, status, below = BEYOND_EVERY_ID }: ReservationSearch,
  limit: number,
  ofSku: SkuLevels | undefined,
): Promise<FoundRow[]> {
  const [from, to] = ofSku === undefined ? [0, partitions - 1] : [ofSku.partition, ofSku.partition];
  // The home's row is in a list of its status, but may be in another partition than that of a SKU.
  const lists = arrayLiteral(status === undefined ? STATUSES : ofSku ? ROW_STATUSES[status] : [status]);
  const wanted = arrayLiteral(status === undefined ? STATUSES : [status]);
  const matches = sql`
    case when r.home = r.partition then r.status = any(${wanted}::holdfast.reservation_status[]) else (
      select true from holdfast.reservation h
       where h.partition = r.home and h.id = r.id and h.status = any(${wanted}::holdfast.reservation_status[])
       limit 1) end
    ${ofSku === undefined ? sql`` : sql`and ${hasLineOf(sql, ofSku)}`}`;
  return await sql<FoundRow[]>`
    with head as (
      select list.*, r.id, dense_rank() over (order by r.id desc) as rank
        from (select p::smallint as partition, s as status
                from generate_series(${from}::integer, ${to}::integer) p,
                     unnest(${lists}::holdfast.reservation_status[]) s) list
        cross join lateral (
          select r.id from holdfast.reservation r
           where r.partition = list.partition and r.status = list.status and r.id < ${below} and ${matches}
           order by r.id desc limit 1) r),
    found as (
      select distinct r.id, r.home
        from head
        cross join lateral (
          select r.id, r.home from holdfast.reservation r
           where r.partition = head.partition and r.status = head.status and r.id <= head.id
             and r.id >= coalesce((select id from head where rank = ${limit}::integer limit 1), ${BEFORE_EVERY_ID})
             and ${matches}
           order by r.id desc limit ${limit}::integer) r
       where head.rank <= ${limit}::integer
       order by r.id desc limit ${limit}::integer)
    ${withAllocations(sql)}`;
}

async function byReference(
  sql: Sql,
  { status, below = BEYOND_EVERY_ID }: ReservationSearch,
  reference: string,
  limit: number,
  ofSku: SkuLevels | undefined,
): Promise<FoundRow[]> {
  const wanted = arrayLiteral(status === undefined ? STATUSES : [status]);
  const holdsSku =
    ofSku === undefined
      ? sql``
      : sql`and (
          select ${hasLineOf(sql, ofSku)} from holdfast.reservation r
           where r.partition = ${ofSku.partition} and r.id = home.id
             and r.status in ('held', 'confirmed', 'cancelled', 'expired', 'never') limit 1)`;
  return await sql<FoundRow[]>`
    with found as (
      select home.id, home.home from holdfast.reservation home
       where home.reference = ${reference} and home.home = home.partition and home.id < ${below}
         and home.status = any(${wanted}::holdfast.reservation_status[]) ${holdsSku}
       order by home.id desc limit ${limit}::integer)
    ${withAllocations(sql)}`;
}

/** Of a row `r`: it has a line of one of these levels. The first test is quick, but counts quantities as well. */
function hasLineOf(sql: Sql, { levels }: SkuLevels) {
  return sql`
    r.lines && ${levels}::integer[]
    and exists (select from unnest(r.lines) with ordinality u (value, n)
                 where u.n % 3 = 2 and u.value = any(${levels}::integer[]))`;
}

/** The rows of `found`, newest first, with how much each will be when it is read. */
function withAllocations(sql: Sql) {
  return sql`
    select found.id, found.home,
           (select sum(cardinality(r.lines) / 3)
              from unnest(h.home || h.participants) p (partition)
              cross join lateral (
                select lines from holdfast.reservation
                 where partition = p.partition and id = h.id
                   and status in ('held', 'confirmed', 'cancelled', 'expired', 'never') limit 1) r)::float8 as allocations
      from found
      cross join lateral (
        select * from holdfast.reservation
         where partition = found.home and id = found.id
           and status in ('held', 'confirmed', 'cancelled', 'expired', 'never') limit 1) h
     order by found.id desc`;
}
