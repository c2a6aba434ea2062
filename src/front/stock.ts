/** PUT and GET stock levels, and the query for many SKUs at once. */
import { KEY_BYTES_MAX, REQUEST_DEADLINE_MS } from '../limits.ts';
import { partitionOf } from '../routing/partition-map.ts';
import type { PutLevelRequest } from '../wire/messages.ts';
import { problemFrom } from './answers.ts';
import type { Answer } from './backends.ts';
import type { FrontContext } from './context.ts';
import { entityTag, parseIfMatch } from './entity-tag.ts';
import { askWith, type KeyInUse, once } from './idempotency.ts';
import { type Fault, invalid, problem } from './problems.ts';
import { created, ok, renderLevel, renderSkuStock } from './render.ts';
import { isText } from './schema-kinds.ts';
import * as schemas from './schemas.ts';
import { shown, validator } from './validate.ts';

const putLevelBody = validator(schemas.PutLevel);
const adjustBody = validator(schemas.Adjust, ({ delta }) =>
  delta === 0 ? [{ pointer: '/delta', code: 'out-of-range', detail: 'must not be 0' }] : [],
);
const stockQueryBody = validator(schemas.StockQuery);

export async function putLevel(
  context: FrontContext,
  request: Request,
  { sku, location }: { sku: string; location: string },
): Promise<Response> {
  const faults = keyFaults({ sku, location });
  if (faults.length > 0) return invalid(faults);
  const body = await context.bodies.read(request, putLevelBody);
  if (body instanceof Response) return body;
  const put: PutLevelRequest = {
    kind: 'put-level',
    partition: partitionOf(sku, context.backends.partitions),
    deadline: context.clock.now() + REQUEST_DEADLINE_MS,
    sku,
    location,
    ...body,
  };
  const refused = await applyConditions(context, request, put);
  if (refused !== undefined) return refused;
  const answer = await context.backends.ask(put);
  if (answer.kind !== 'level')
    return problemFrom(answer, 'writes', {
      'version-mismatch': `${at(put)} does not have version ${put.ifVersion}.`,
      'too-many-levels': `SKU ${shown(sku)} is stocked at as many locations as one SKU can be.`,
    });
  const rendered = renderLevel(answer.level);
  const response = answer.created ? created(rendered) : ok(rendered);
  response.headers.set('etag', entityTag(answer.level.version));
  return response;
}

export async function adjustLevel(
  context: FrontContext,
  request: Request,
  { sku, location }: { sku: string; location: string },
): Promise<Response> {
  const faults = keyFaults({ sku, location });
  if (faults.length > 0) return invalid(faults);
  const body = await context.bodies.read(request, adjustBody);
  if (body instanceof Response) return body;
  return once(context, request, body, (key) => adjust(context, { sku, location }, body, key));
}

async function adjust(
  { backends, clock }: FrontContext,
  { sku, location }: { sku: string; location: string },
  body: schemas.Adjust,
  key: KeyInUse | undefined,
): Promise<Response> {
  const adjusting = {
    kind: 'adjust' as const,
    partition: partitionOf(sku, backends.partitions),
    deadline: clock.now() + REQUEST_DEADLINE_MS,
    sku,
    location,
    ...body,
    key,
  };
  const answer = await askWith(backends, adjusting, key);
  if (answer.kind !== 'level')
    return problemFrom(answer, 'writes', {
      'unknown-sku': `No stock was ever set for SKU ${shown(sku)}.`,
      'unknown-level': `${at({ sku, location })} does not exist.`,
      'stock-below-zero': `${at({ sku, location })} has fewer than ${-body.delta} units on hand.`,
    });
  const response = ok(renderLevel(answer.level));
  response.headers.set('etag', entityTag(answer.level.version));
  return response;
}

/** Puts If-Match into the request to the worker; answers what cannot be met or is not understood. */
async function applyConditions(
  { backends }: FrontContext,
  { headers }: Request,
  put: PutLevelRequest,
): Promise<Response | undefined> {
  if (headers.get('if-none-match') !== null)
    return invalid([{ header: 'If-None-Match', code: 'not-supported', detail: 'is not supported on a PUT' }]);
  const ifMatch = headers.get('if-match');
  if (ifMatch === null) return undefined;
  const condition = parseIfMatch(ifMatch);
  switch (condition.kind) {
    case 'version':
      put.ifVersion = condition.version;
      return undefined;
    case 'never':
      return problem('version-mismatch', { detail: `No version of a stock level has the ETag ${ifMatch}.` });
    case 'malformed': {
      const detail = `must be one ETag such as "7", or *, not ${shown(ifMatch)}`;
      return invalid([{ header: 'If-Match', code: 'malformed', detail }]);
    }
    case 'exists': {
      // A level that exists never goes away, so that looking first and putting then is safe.
      const { partition, deadline, sku } = put;
      const answer = await backends.ask({ kind: 'get-levels', partition, deadline, sku });
      if (answer.kind === 'levels' && answer.levels.some((level) => level.location === put.location))
        return undefined;
      if (answer.kind === 'levels' || (answer.kind === 'problem' && answer.code === 'unknown-sku'))
        return problem('version-mismatch', { detail: `${at(put)} does not exist.` });
      return problemFrom(answer, 'reads');
    }
  }
}

function at({ sku, location }: { sku: string; location: string }): string {
  return `The stock level of SKU ${shown(sku)} at ${shown(location)}`;
}

export async function getStock(
  context: FrontContext,
  _request: Request,
  { sku }: { sku: string },
): Promise<Response> {
  const faults = keyFaults({ sku });
  if (faults.length > 0) return invalid(faults);
  const answer = await askLevels(context, sku);
  if (answer.kind !== 'levels')
    return problemFrom(answer, 'reads', { 'unknown-sku': `No stock was ever set for SKU ${shown(sku)}.` });
  return aged(ok(renderSkuStock(sku, answer.levels)), answer.age);
}

export async function queryStock(context: FrontContext, request: Request): Promise<Response> {
  const body = await context.bodies.read(request, stockQueryBody);
  if (body instanceof Response) return body;
  const answers = await Promise.all(body.skus.map((sku) => askLevels(context, sku)));
  const results: string[] = [];
  let age: number | undefined;
  for (const [index, answer] of answers.entries()) {
    const sku = body.skus[index];
    if (answer.kind === 'levels') {
      results.push(renderSkuStock(sku, answer.levels, true));
      if (answer.age !== undefined) age = Math.max(age ?? 0, answer.age);
    } else if (answer.kind === 'problem' && answer.code === 'unknown-sku')
      results.push(`{"sku":${JSON.stringify(sku)},"found":false}`);
    else return problemFrom(answer, 'reads');
  }
  return aged(ok(`{"results":[${results.join(',')}]}`), age);
}

/** What comes from memory while the database is away says so, as a cache does (RFC 9111, 5.1). */
function aged(response: Response, age: number | undefined): Response {
  if (age !== undefined) response.headers.set('age', String(age));
  return response;
}

function askLevels({ backends, clock }: FrontContext, sku: string): Promise<Answer> {
  return backends.ask({
    kind: 'get-levels',
    partition: partitionOf(sku, backends.partitions),
    deadline: clock.now() + REQUEST_DEADLINE_MS,
    sku,
  });
}

/** Bad percent-encoding arrives as U+FFFD, which no key may have. */
export function keyFaults(parameters: Record<string, string>): Fault[] {
  const faults: Fault[] = [];
  for (const [parameter, value] of Object.entries(parameters)) {
    if (isText(value, KEY_BYTES_MAX)) continue;
    const detail = `must be 1 to ${KEY_BYTES_MAX} bytes of percent-encoded UTF-8 without control characters, not ${shown(value)}`;
    faults.push({ parameter, code: 'not-allowed', detail });
  }
  return faults;
}
