/** Making, reading, cancelling and extending reservations; confirm.ts has the sale. */
import { EXPIRES_IN_SECONDS_DEFAULT, REQUEST_DEADLINE_MS } from '../limits.ts';
import { homeOf } from '../reservations/id.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { HoldLine, LineRefusal } from '../reservations/types.ts';
import { problemFrom } from './answers.ts';
import type { Answer, PartitionRequest } from './backends.ts';
import type { FrontContext } from './context.ts';
import { askWith, type KeyInUse, once } from './idempotency.ts';
import { type Fault, type ProblemParts, problem } from './problems.ts';
import { created, ok, renderReservation } from './render.ts';
import { reserve, type Verdict, type Wish } from './reserve.ts';
import * as schemas from './schemas.ts';
import { shown, validator } from './validate.ts';

const reserveBody = validator(schemas.Reserve, sourcingFaults);
const extendBody = validator(schemas.Extend);
const nothing = validator(schemas.Nothing);

const ANY_LOCATION: string[] = [];

export async function createReservation(context: FrontContext, request: Request): Promise<Response> {
  const body = await context.bodies.read(request, reserveBody);
  if (body instanceof Response) return body;
  return once(context, request, body, (key) => create(context, body, key));
}

function create(context: FrontContext, body: schemas.Reserve, key: KeyInUse | undefined): Promise<Response> {
  return reserve(context, wishOf(body, key)).then((verdict) => answerTo(body, verdict));
}

function answerTo(body: schemas.Reserve, verdict: Verdict): Response {
  if (verdict.kind !== 'held') return problem(...refusalOf(verdict));
  const { reservation } = verdict;
  const response = created(renderReservation(reservation, shortOf(body, verdict)));
  response.headers.set('location', `/v1/reservations/${reservation.id}`);
  return response;
}

/** What the schema of a reservation cannot express. */
export function sourcingFaults({ sourcing }: schemas.Reserve): Fault[] {
  if (sourcing?.strategy !== 'in-order' || sourcing.locations !== undefined) return [];
  const detail = 'is missing; the strategy "in-order" needs the order';
  return [{ pointer: '/sourcing/locations', code: 'required', detail }];
}

export function wishOf(body: schemas.Reserve, key: KeyInUse | undefined): Wish {
  return {
    key,
    lines: body.lines.map(lineOf),
    strategy: body.sourcing?.strategy ?? 'most-available',
    locations: body.sourcing?.locations ?? ANY_LOCATION,
    expiresInMs: (body.expiresInSeconds ?? EXPIRES_IN_SECONDS_DEFAULT) * 1000,
    reference: body.reference,
    mode: body.mode ?? 'all',
  };
}

function lineOf({ sku, quantity, location }: schemas.Reserve['lines'][number], line: number): HoldLine {
  return { line, sku, quantity, location };
}

/** What was not granted, where the answer says so. */
export function shortOf(
  { mode }: schemas.Reserve,
  { short }: Extract<Verdict, { kind: 'held' }>,
): readonly LineRefusal[] | undefined {
  return mode === 'partial' ? short : undefined;
}

/** Why nothing was held, or is not known to be. */
export function refusalOf(verdict: Exclude<Verdict, { kind: 'held' }>): [ProblemCode, ProblemParts] {
  if (verdict.kind === 'problem') return [verdict.code, {}];
  if (verdict.kind === 'reheld') throw new Error('nothing was to be reheld');
  const { lines } = verdict;
  const unknown = lines.filter(({ code }) => code === 'unknown-sku');
  const reasons = unknown.length > 0 ? unknown : lines;
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more, see errors)` : '';
  return [
    unknown.length > 0 ? 'unknown-sku' : 'insufficient-stock',
    {
      detail: `Nothing was held. Line ${reasons[0].line}: ${reasonOf(reasons[0])}${more}`,
      errors: lines.map((refused): Fault => {
        const { line, sku, code, requested, available } = refused;
        return { line, sku, code, requested, available, detail: reasonOf(refused) };
      }),
    },
  ];
}

function reasonOf({ code, sku, requested, available }: LineRefusal): string {
  return code === 'unknown-sku'
    ? `no stock was ever set for SKU ${shown(sku)}.`
    : `${requested} of SKU ${shown(sku)} requested, ${available} available.`;
}

export function getReservation(
  context: FrontContext,
  _request: Request,
  { id }: { id: string },
): Promise<Response> {
  return atHome(context, id, (home) => answerOf(context, { kind: 'get-reservation', ...home }));
}

export async function cancelReservation(
  context: FrontContext,
  request: Request,
  { id }: { id: string },
): Promise<Response> {
  const body = (await context.bodies.readOptional(request, nothing)) ?? {};
  if (body instanceof Response) return body;
  return once(context, request, body, (key) =>
    atHome(context, id, (home) => answerOf(context, { kind: 'cancel', ...home, key }, key)),
  );
}

export async function extendReservation(
  context: FrontContext,
  request: Request,
  { id }: { id: string },
): Promise<Response> {
  const body = await context.bodies.read(request, extendBody);
  if (body instanceof Response) return body;
  const expiresInMs = body.expiresInSeconds * 1000;
  return once(context, request, body, (key) =>
    atHome(context, id, (home) => answerOf(context, { kind: 'extend', ...home, expiresInMs, key }, key)),
  );
}

/** What every request to the home of a reservation has. */
export interface ToHome {
  id: string;
  partition: number;
  deadline: number;
}

/** Finds out where the reservation lives; or answers that nothing can have this id. */
export function atHome(
  { backends, clock }: FrontContext,
  givenId: string,
  run: (home: ToHome) => Promise<Response>,
): Promise<Response> {
  const id = givenId.toLowerCase();
  const partition = homeOf(id, backends.partitions);
  if (partition === undefined) {
    const detail = `${shown(givenId)} is not an id that a reservation can have.`;
    return Promise.resolve(problem('invalid-id', { detail }));
  }
  return run({ id, partition, deadline: clock.now() + REQUEST_DEADLINE_MS });
}

function answerOf(
  { backends }: FrontContext,
  request: PartitionRequest & { id: string },
  key?: KeyInUse,
): Promise<Response> {
  return askWith(backends, request, key).then((answer) =>
    answer.kind === 'reservation'
      ? ok(renderReservation(answer.reservation))
      : noReservation(answer, request.id, request.kind === 'get-reservation' ? 'reads' : 'writes'),
  );
}

export function noReservation(answer: Answer, id: string, effect: 'reads' | 'writes'): Response {
  return problemFrom(answer, effect, { 'unknown-reservation': `There is no reservation ${id}.` });
}
