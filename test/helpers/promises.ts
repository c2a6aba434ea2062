/**
 * What the answers of a load say, held against the books and against what the server says: reservation by reservation,
 * and level by level, to the unit.
 */
import { expect } from 'bun:test';
import type { Holdfast, Reservation } from '../../src/client/index.ts';
import { ASK_HOME_AFTER_MS } from '../../src/limits.ts';
import { type BooksSql, decisionsOf, faultsOf, strayHolds } from './books.ts';
import { type Load, PROMISED_MIN, type Promised } from './load.ts';
import { until } from './server.ts';
import { unitsByLevel } from './shop.ts';

/** The bound that docs/reliability.md states: nothing is held so long after its expiry, once everything serves. */
export const HELD_AFTER_EXPIRY_MS = ASK_HOME_AFTER_MS + 3000;
const SAMPLE = 25;

/** At once after a fault: every order that was answered is as it was answered, and there is none that was not. */
export async function checkAnswers({ about, name, promised, refused }: Load, sql: BooksSql): Promise<void> {
  expect(promised.size, about).toBeGreaterThanOrEqual(PROMISED_MIN);
  expect(await faultsOf(sql, { settled: false }), about).toEqual([]);
  const decisions = (await decisionsOf(sql)).filter(({ reference }) => reference?.startsWith(`${name}-`));
  const made = new Map(decisions.map(({ id, status }) => [id, status]));
  const odd = [...promised]
    .filter(([id, { reservation }]) => {
      const isExpired = reservation.status === 'held' && isOver(reservation) && made.get(id) === 'expired';
      return made.get(id) !== reservation.status && !isExpired;
    })
    .map(([id, { reservation }]) => `${id} was answered ${reservation.status} and is ${made.get(id)}`);
  expect(odd, about).toEqual([]);
  const unanswered = decisions.filter(({ id }) => !promised.has(id));
  expect(unanswered, `made, and nobody was told; ${about}`).toEqual([]);
  const unwanted = decisions.filter(({ reference }) => refused.has(reference!));
  expect(unwanted, `refused, and yet made; ${about}`).toEqual([]);
  expect(new Set(decisions.map(({ reference }) => reference)).size, about).toBe(decisions.length);
}

/** When what nobody finished has been swept up: every level is what the answers say, to the unit. */
export async function checkLevels(load: Load, sql: BooksSql, front: Holdfast): Promise<void> {
  const { about, promised } = load;
  await nothingOverdue(load, sql);
  await booksBalance(load, sql);
  await checkAnswers(load, sql);
  const stored = await storedLevels(load, sql);
  expect(Object.fromEntries(stored), about).toEqual(Object.fromEntries(expectedLevels(load)));
  for (const { levels = [] } of await front.stock.query(load.skus))
    for (const { sku, location, onHand, reserved } of levels)
      expect([onHand, reserved], `${sku}@${location}; ${about}`).toEqual(stored.get(`${sku}@${location}`)!);
  for (const [id, known] of [...promised].slice(-SAMPLE)) {
    const found = await front.reservations.get(id);
    expect(found.status, `${id}; ${about}`).toBe(statusOf(known));
    if (found.status === 'held') expect(found, about).toEqual(known.reservation);
  }
}

/** What was held and nobody was told of may end at any time, and participants hear of it a moment after its home has said so. */
async function booksBalance({ about }: Load, sql: BooksSql): Promise<void> {
  let faults: string[] = [];
  const balance = async (): Promise<boolean> => {
    faults = await faultsOf(sql);
    return faults.length === 0;
  };
  await until(balance, HELD_AFTER_EXPIRY_MS, () => `${faults.join('; ')}; ${about}`);
}

/** When everything short is over: no home holds it any more, and no participant what no home holds. */
async function nothingOverdue({ about, promised }: Load, sql: BooksSql): Promise<void> {
  const ends = [...promised.values()].filter(isShort).map(({ reservation }) => endOf(reservation));
  await Bun.sleep(Math.max(0, ...ends.map((end) => end - Date.now())));
  const overdue = async (): Promise<number> => {
    const [{ count }] = await sql<[{ count: number }]>`
      select count(*)::int as count from holdfast.reservation
       where status = 'held' and home = partition and expires_at < now()`;
    return count;
  };
  const isSwept = async (): Promise<boolean> => (await overdue()) === 0 && (await strayHolds(sql)) === 0;
  const late = (): string => `something is held that is over; ${about}`;
  await until(isSwept, HELD_AFTER_EXPIRY_MS, late);
}

function endOf({ expiresAt }: Reservation): number {
  return Date.parse(expiresAt);
}

export function isOver(reservation: Reservation): boolean {
  return endOf(reservation) <= Date.now();
}

function isShort({ reservation }: Promised): boolean {
  return endOf(reservation) - Date.parse(reservation.createdAt) < 60_000;
}

/** What nobody has closed has expired, if its time has come. */
function statusOf({ reservation }: Promised): Reservation['status'] {
  return reservation.status === 'held' && isOver(reservation) ? 'expired' : reservation.status;
}

type Levels = Map<string, [onHand: number, reserved: number]>;

function expectedLevels({ promised, stocked }: Load): Levels {
  const held = new Map<string, number>();
  const sold = new Map<string, number>();
  for (const known of promised.values()) {
    if (statusOf(known) === 'held') unitsByLevel(known.reservation.lines, held);
    unitsByLevel(known.sold ?? [], sold);
  }
  return new Map(
    [...stocked].sort().map(([key, units]) => [key, [units - (sold.get(key) ?? 0), held.get(key) ?? 0]]),
  );
}

async function storedLevels({ name }: Load, sql: BooksSql): Promise<Levels> {
  const rows = await sql`
    select sku, location, on_hand as "onHand", reserved::float8 as reserved
      from holdfast.stock_level where starts_with(sku, ${`${name}-`}) order by sku, location`;
  return new Map(
    rows.map(({ sku, location, onHand, reserved }) => [`${sku}@${location}`, [onHand, reserved]]),
  );
}
