/**
 * The sale: whole, in part, or after the reservation has expired.
 *
 * What is sold in part is named by SKU, and the lines that hold it are known only to the database; so they are
 * read first. A reservation does not change its lines while it is open, so that what was read still holds
 * when the home decides. After an expiry, the same stock is taken again like that of a new reservation.
 */
import { REHOLD_MS } from '../limits.ts';
import { type Sold, soldByLine, soldLines } from '../reservations/sold.ts';
import type { HoldLine, LineRefusal, Reservation } from '../reservations/types.ts';
import type { FrontContext } from './context.ts';
import { askWith, type KeyInUse, once } from './idempotency.ts';
import { invalid, problem } from './problems.ts';
import { ok, renderReservation } from './render.ts';
import { atHome, noReservation, refusal, type ToHome } from './reservations.ts';
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
    const found = await read(context, home);
    if (found instanceof Response) return found;
    // The lines of a confirmed one are those that were sold, and say nothing of what was held.
    if (found.status !== 'confirmed') {
      const parts = partsOf(found, body.lines);
      if (parts instanceof Response) return parts;
      sold = parts;
    }
  }
  const late = body.ifExpired === 'rehold';
  const confirming = { kind: 'confirm' as const, ...home, sold, rehold: late, key };
  const answer = await askWith(context.backends, confirming, key);
  if (answer.kind === 'reservation') return ok(renderReservation(answer.reservation));
  // What an earlier request with the key was answered when it took the stock again.
  if (answer.kind === 'refused') return notThere(context, home, answer.lines);
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
      return notThere(context, home, verdict.lines);
    case 'problem':
      return problem(verdict.code);
    case 'held':
      throw new Error('a reservation was held that was to be confirmed');
  }
}

/** The stock of an expired reservation is gone; maybe to another request to confirm that very reservation. */
async function notThere(
  context: FrontContext,
  home: ToHome,
  refused: Omit<LineRefusal, 'sku'>[],
): Promise<Response> {
  const now = await read(context, home);
  if (now instanceof Response) return now;
  return now.status === 'confirmed' ? ok(renderReservation(now)) : refusal(withSkus(refused, now.lines));
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
