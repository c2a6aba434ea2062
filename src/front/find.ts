/** GET /v1/reservations: finds reservations, newest first, a page at a time. */
import { REQUEST_DEADLINE_MS, RESERVATIONS_PER_PAGE_DEFAULT } from '../limits.ts';
import { problemFrom } from './answers.ts';
import type { FrontContext } from './context.ts';
import { cursorRefused, type Listing, pageOf, positionOf } from './paging.ts';
import { queryReader } from './query.ts';
import { renderReservation } from './render.ts';
import * as schemas from './schemas.ts';

const findQuery = queryReader(schemas.FindQuery);

export async function findReservations(
  { backends, clock }: FrontContext,
  request: Request,
): Promise<Response> {
  const query = findQuery.read(request);
  if (query instanceof Response) return query;
  const { reference, status, sku, cursor, limit = RESERVATIONS_PER_PAGE_DEFAULT } = query;
  const listing: Listing = { path: '/v1/reservations', filters: { reference, status, sku } };
  const below = cursor === undefined ? undefined : idOf(positionOf(listing, cursor));
  if (cursor !== undefined && below === undefined) return cursorRefused();
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const answer = await backends.search({
    kind: 'find-reservations',
    deadline,
    reference,
    status,
    sku,
    below,
    limit,
  });
  if (answer.kind !== 'found') return problemFrom(answer, 'reads');
  const next = answer.next === undefined ? undefined : Buffer.from(answer.next.replaceAll('-', ''), 'hex');
  return pageOf(
    listing,
    answer.reservations.map((one) => renderReservation(one)),
    limit,
    next,
  );
}

const ID_BYTES = 16;

/** The id that is written in the bytes of a cursor. */
function idOf(position: Uint8Array | undefined): string | undefined {
  if (position?.length !== ID_BYTES) return undefined;
  return Buffer.from(position)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
