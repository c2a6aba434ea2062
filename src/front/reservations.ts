/** POST, GET and cancel reservations. */
import { EXPIRES_IN_SECONDS_DEFAULT, REQUEST_DEADLINE_MS } from '../limits.ts';
import { homeOf } from '../reservations/id.ts';
import type { LineRefusal } from '../reservations/types.ts';
import { problemFrom } from './answers.ts';
import type { FrontContext } from './context.ts';
import { type Fault, problem } from './problems.ts';
import { created, ok, renderReservation } from './render.ts';
import { reserve } from './reserve.ts';
import * as schemas from './schemas.ts';
import { shown, validator } from './validate.ts';

const reserveBody = validator(schemas.Reserve, ({ sourcing }) =>
  sourcing?.strategy === 'in-order' && sourcing.locations === undefined
    ? [
        {
          pointer: '/sourcing/locations',
          code: 'required',
          detail: 'is missing; the strategy "in-order" needs the order',
        },
      ]
    : [],
);
const nothing = validator(schemas.Nothing);

const ANY_LOCATION: string[] = [];

export async function createReservation(context: FrontContext, request: Request): Promise<Response> {
  const body = await context.bodies.read(request, reserveBody);
  if (body instanceof Response) return body;
  const verdict = await reserve(context, {
    lines: body.lines.map(({ sku, quantity, location }, line) => ({ line, sku, quantity, location })),
    strategy: body.sourcing?.strategy ?? 'most-available',
    locations: body.sourcing?.locations ?? ANY_LOCATION,
    expiresInMs: (body.expiresInSeconds ?? EXPIRES_IN_SECONDS_DEFAULT) * 1000,
    reference: body.reference,
  });
  if (verdict.kind === 'problem') return problem(verdict.code);
  if (verdict.kind === 'refused') return refusal(verdict.lines);
  const { reservation } = verdict;
  const response = created(renderReservation(reservation));
  response.headers.set('location', `/v1/reservations/${reservation.id}`);
  return response;
}

function refusal(lines: LineRefusal[]): Response {
  const unknown = lines.filter(({ code }) => code === 'unknown-sku');
  const reasons = unknown.length > 0 ? unknown : lines;
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more, see errors)` : '';
  return problem(unknown.length > 0 ? 'unknown-sku' : 'insufficient-stock', {
    detail: `Nothing was held. Line ${reasons[0].line}: ${reasonOf(reasons[0])}${more}`,
    errors: lines.map((refused): Fault => {
      const { line, sku, code, requested, available } = refused;
      return { line, sku, code, requested, available, detail: reasonOf(refused) };
    }),
  });
}

function reasonOf({ code, sku, requested, available }: LineRefusal): string {
  return code === 'unknown-sku'
    ? `no stock was ever set for SKU ${shown(sku)}.`
    : `${requested} of SKU ${shown(sku)} requested, ${available} available.`;
}

export function getReservation(context: FrontContext, parameters: { id: string }): Promise<Response> {
  return askHome(context, 'get-reservation', parameters.id);
}

export async function cancelReservation(
  context: FrontContext,
  request: Request,
  parameters: { id: string },
): Promise<Response> {
  const body = await context.bodies.readOptional(request, nothing);
  if (body instanceof Response) return body;
  return askHome(context, 'cancel', parameters.id);
}

async function askHome(
  { backends, clock }: FrontContext,
  kind: 'get-reservation' | 'cancel',
  givenId: string,
): Promise<Response> {
  const id = givenId.toLowerCase();
  const partition = homeOf(id, backends.partitions);
  if (partition === undefined)
    return problem('invalid-id', { detail: `${shown(givenId)} is not an id that a reservation can have.` });
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const answer = await backends.ask({ kind, partition, deadline, id });
  if (answer.kind === 'reservation') return ok(renderReservation(answer.reservation));
  return problemFrom(answer, kind === 'cancel' ? 'writes' : 'reads', {
    'unknown-reservation': `There is no reservation ${id}.`,
  });
}
