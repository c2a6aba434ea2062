/**
 * The sale: whole, in part, or after the reservation has expired.
 *
 * What is sold in part is named by SKU, and the lines that hold it are known only to the database; so they are
 * read first. A reservation does not change its lines while it is open, so that what was read still holds
 * when the home decides. After an expiry, the same stock is taken again like that of a new reservation.
 */
import { REHOLD_ALLOCATIONS_MAX, REHOLD_MS } from '../limits.ts';
import { type Sold, soldByLine, soldLines } from '../reservations/sold.ts';
import type { HoldLine, LineRefusal, Reservation } from '../reservations/types.ts';
import type { FrontContext } from './context.ts';
import { askWith, type KeyInUse, once } from './idempotency.ts';
import { invalid, problem } from './problems.ts';
import { ok, renderReservation } from './render.ts';
import { atHome, noReservation, refusalOf, type ToHome } from './reservations.ts';
import { reserve, withSkus } from './reserve.ts';
import * as schemas from './schemas.ts';
import { shown, validator } from './validate.ts';

const confirmBody = validator(schemas.Confirm);

export async function confirmReservation(
  context: FrontContext,
  request: Request,
  { id }: { id: string },
): Promise<Response> {
  const body = (await context.bodies.readOptional(request, confirmBody)) ?? {};
  if (body instanceof Response) return body;
  return once(context, request, body, (key) =>
    atHome(context, id, (home) => confirm(context, home, body, key)),
  );
}

async function confirm(
  context: FrontContext,
  home: ToHome,
  body: schemas.Confirm,
  key: KeyInUse | undefined,
): Promise<Response> {
  let sold: Sold | undefined;
  if (body.lines !== undefined) {
    const found = await context.backends.ask({ kind: 'get-reservation', ...home });
    const isUnknown = found.kind === 'problem' && found.code === 'unknown-reservation';
    if (found.kind !== 'reservation' && !isUnknown) return noReservation(found, home.id, 'reads');
    // Of one that is closed, or not there, the home says so, and remembers it with the key.
    const sellable = body.ifExpired === undefined ? ['held'] : ['held', 'expired'];
    if (found.kind === 'reservation' && sellable.includes(found.reservation.status)) {
      const parts = partsOf(found.reservation, body.lines);
      if (parts instanceof Response) return parts;
      sold = parts;
    }
  }
  const late = body.ifExpired === 'rehold';
  const confirming = { kind: 'confirm' as const, ...home, sold, rehold: late, key };
  const answer = await askWith(context.backends, confirming, key);
  if (answer.kind === 'reservation') return ok(renderReservation(answer.reservation));
  // What an earlier request with the key was answered when it took the stock again.
  if (answer.kind === 'refused') return notThere(context, home, answer.lines, key);
  const isLate = answer.kind === 'problem' && answer.code === 'reservation-expired';
  return isLate && late ? rehold(context, home, sold, key) : noReservation(answer, home.id, 'writes');
}

async function rehold(
  context: FrontContext,
  home: ToHome,
  sold: Sold | undefined,
  key: KeyInUse | undefined,
): Promise<Response> {
  const found = await read(context, home);
  if (found instanceof Response) return found;
  const lines = soldLines(found.lines, sold).flatMap(({ line, sku, allocations }) =>
    allocations.map(({ location, quantity }): HoldLine => ({ line, sku, quantity, location })),
  );
  if (lines.length > REHOLD_ALLOCATIONS_MAX) {
    const detail = `Reservation ${home.id} has expired, and is split over too many locations to be taken again.`;
    return problem('reservation-expired', { detail });
  }
  const verdict = await reserve(context, {
    lines,
    strategy: 'in-order',
    locations: [],
    expiresInMs: REHOLD_MS,
    mode: 'all',
    key,
    rehold: { id: home.id, home: home.partition, sold },
  });
  switch (verdict.kind) {
    case 'reheld':
      return ok(renderReservation(verdict.reservation));
    case 'refused':
      return notThere(context, home, verdict.lines, key);
    case 'problem':
      return problem(verdict.code);
    case 'held':
      throw new Error('a reservation was held that was to be confirmed');
  }
}

/**
 * The stock of an expired reservation is gone; maybe to another request to confirm that very reservation. Beside a
 * key the refusal stands, since that is what the key will be answered.
 */
async function notThere(
  context: FrontContext,
  home: ToHome,
  refused: Omit<LineRefusal, 'sku'>[],
  key: KeyInUse | undefined,
): Promise<Response> {
  const now = await read(context, home);
  if (now instanceof Response) return now;
  if (now.status === 'confirmed' && key === undefined) return ok(renderReservation(now));
  // A line that was not sold in the end is not there to be named.
  const named = refused.filter(({ line }) => now.lines.some((one) => one.line === line));
  if (named.length === 0) return problem('insufficient-stock');
  // Callers count the lines that it has, which may be fewer than were asked for.
  const lines = withSkus(named, now.lines).map((one) => ({
    ...one,
    line: now.lines.findIndex(({ line }) => line === one.line),
  }));
  return problem(...refusalOf({ kind: 'refused', lines }));
}

async function read({ backends }: FrontContext, home: ToHome): Promise<Reservation | Response> {
  const answer = await backends.ask({ kind: 'get-reservation', ...home });
  return answer.kind === 'reservation' ? answer.reservation : noReservation(answer, home.id, 'reads');
}

/** Units of each line; or the 422 that says which SKU is asked for in excess of what is held. */
function partsOf({ lines }: Reservation, wanted: NonNullable<schemas.Confirm['lines']>): Sold | Response {
  const parts = soldByLine(lines, wanted);
  if (Array.isArray(parts)) return parts;
  const { index, sku, held } = parts;
  return invalid([
    {
      pointer: `/lines/${index}/quantity`,
      code: 'not-held',
      detail: `must be covered by what is held: the reservation holds ${held} of SKU ${shown(sku)}`,
    },
  ]);
}
