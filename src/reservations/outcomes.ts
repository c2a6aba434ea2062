/**
 * The catalogue of business outcomes and errors: every `code` that a caller can see, with its HTTP
 * status and the text of its page at /problems/<code>. Business results are values from this list;
 * they are never thrown across the wire as text.
 *
 * The position in the list is the code's number on the wire: append, never reorder.
 */
export interface Problem {
  code: string;
  status: number;
  title: string;
  /** One paragraph for the page: what happened, what the caller can do. */
  explanation: string;
  /** Seconds for a Retry-After header, where retrying helps. */
  retryAfter?: number;
}

export const PROBLEMS = [
  {
    code: 'insufficient-stock',
    status: 409,
    title: 'Not enough stock',
    explanation:
      'At least one line asks for more than is available. Nothing was held. `errors[]` names each such line with what was requested and what was available at that moment.',
  },
  {
    code: 'unknown-sku',
    status: 404,
    title: 'Unknown SKU',
    explanation:
      'No stock level has ever been set for this SKU, at any location. Create one with PUT /v1/stock/{sku}/{location}. A known SKU at a location that it was never stocked at is not unknown: nothing of it is available there.',
  },
  {
    code: 'unknown-reservation',
    status: 404,
    title: 'Unknown reservation',
    explanation:
      'There is no reservation with this id, or it was closed so long ago that it is no longer kept. Ids are given by POST /v1/reservations and never change.',
  },
  {
    code: 'reservation-confirmed',
    status: 409,
    title: 'Reservation already confirmed',
    explanation:
      'The reservation was confirmed, so the stock is sold. It can no longer be cancelled or extended.',
  },
  {
    code: 'reservation-cancelled',
    status: 409,
    title: 'Reservation already cancelled',
    explanation: 'The reservation was cancelled and its stock was given back. Make a new one.',
  },
  {
    code: 'reservation-expired',
    status: 409,
    title: 'Reservation expired',
    explanation: 'The reservation ran out before this request was decided, and its stock was given back.',
  },
  {
    code: 'version-mismatch',
    status: 412,
    title: 'The stock level has changed',
    explanation:
      'If-Match named a version that is not the current one. Read the level again, decide again, and send its new ETag.',
  },
  {
    code: 'too-many-levels',
    status: 409,
    title: 'Too many locations for this SKU',
    explanation: 'One SKU can be stocked at 1,000 locations at most.',
  },
  {
    code: 'invalid-json',
    status: 400,
    title: 'The body is not valid JSON',
    explanation: 'The body could not be parsed as JSON (RFC 8259). Nothing was changed.',
  },
  {
    code: 'invalid-request',
    status: 422,
    title: 'The request is not valid',
    explanation:
      'A field is missing, unknown, of the wrong type or out of range. `errors[]` names each one by JSON pointer (RFC 6901) or parameter. Nothing was changed.',
  },
  {
    code: 'invalid-id',
    status: 404,
    title: 'Not a reservation id',
    explanation: 'The id in the path is not a UUID that Holdfast could have given.',
  },
  {
    code: 'body-too-large',
    status: 413,
    title: 'The body is too large',
    explanation:
      'A body may have 1 MiB, a batch of reservations 16 MiB; only an import may have any size. Nothing was changed.',
  },
  {
    code: 'unsupported-media-type',
    status: 415,
    title: 'Unsupported media type',
    explanation:
      'Bodies are JSON in UTF-8, sent with Content-Type: application/json, or one of the other types that the call takes. The Accept header of this answer names them. Nothing was changed.',
  },
  {
    code: 'not-found',
    status: 404,
    title: 'No such path',
    explanation: 'This path is not part of the API. /swagger lists what is.',
  },
  {
    code: 'method-not-allowed',
    status: 405,
    title: 'Method not allowed',
    explanation: 'The path exists but not with this method. The Allow header names those that it has.',
  },
  {
    code: 'request-timeout',
    status: 408,
    title: 'The body took too long',
    explanation:
      'The body did not arrive in time. Nothing was changed, except by an import: of it, what had arrived may have been set. Send it again; what is there already costs nothing.',
  },
  {
    code: 'overloaded',
    status: 503,
    title: 'Overloaded',
    explanation:
      'More comes in than is done within a second, a queue is full, or the database has been away for so long that nothing more is kept waiting for it. The request was refused before it had any effect; send it again after Retry-After.',
    retryAfter: 1,
  },
  {
    code: 'partition-unavailable',
    status: 503,
    title: 'Partition not available',
    explanation:
      'The worker that owns this SKU or reservation is starting, restarting or moving. The request had no effect; send it again after Retry-After.',
    retryAfter: 1,
  },
  {
    code: 'outcome-unknown',
    status: 503,
    title: 'Outcome unknown',
    explanation:
      'The database or a worker did not answer in time, so it is not known whether the request took effect. Repeating it with the same Idempotency-Key is always safe, and a PUT, a confirm or a cancel also without one; a reservation without a key may be held twice until the first one expires.',
    retryAfter: 1,
  },
  {
    code: 'internal-error',
    status: 500,
    title: 'Internal error',
    explanation: 'A defect in Holdfast. The log of the server has the details under the time of this answer.',
  },
  {
    code: 'unknown-level',
    status: 404,
    title: 'Not stocked there',
    explanation:
      'The SKU is known, but no stock level was ever set for it at this location. Create it with PUT /v1/stock/{sku}/{location}.',
  },
  {
    code: 'stock-below-zero',
    status: 409,
    title: 'Less than nothing would be left',
    explanation:
      'The adjustment takes away more units than are on hand. Or a line of an import says that less than none are there, and together with those that are promised it would be less than −2,147,483,647. Nothing was changed. Count again, and set what the count found with PUT.',
  },
  {
    code: 'stock-above-maximum',
    status: 409,
    title: 'More than can be counted',
    explanation: 'The adjustment would bring the units on hand above 2,147,483,647. Nothing was changed.',
  },
  {
    code: 'idempotency-key-reused',
    status: 422,
    title: 'Idempotency-Key used before for something else',
    explanation:
      'A request with this Idempotency-Key but another path or payload was accepted within the time that keys are remembered. Nothing was changed. Use a new key for each new request, and the same one only to repeat it.',
  },
  {
    code: 'not-acceptable',
    status: 406,
    title: 'Not acceptable',
    explanation:
      'The Accept header allows none of the types that this call answers with. `detail` names them. Nothing was changed.',
  },
  {
    code: 'search-too-slow',
    status: 503,
    title: 'The search took too long',
    explanation:
      'The database looked for too long, and was stopped so that nothing else waits for it. A search by reference is always quick. One by SKU reads the reservations of everything that shares its partition, newest first: with a status it reads fewer. Where the database is busy, the same search may succeed after Retry-After.',
    retryAfter: 5,
  },
  {
    code: 'unauthorized',
    status: 401,
    title: 'An API key is needed',
    explanation:
      'The request has no API key, or one that is not known, has expired or was revoked. Send one as `Authorization: Bearer hf_…`. Whoever runs the server makes them with `bun run keys create`. Nothing was changed.',
  },
  {
    code: 'forbidden',
    status: 403,
    title: 'The API key may not do this',
    explanation:
      'The API key is good, but lacks the scope that this call needs, which `detail` and the header WWW-Authenticate name. The scope of a key never changes: ask for another one. Nothing was changed.',
  },
  {
    code: 'rate-limited',
    status: 429,
    title: 'Too many requests',
    explanation:
      'More requests came with this API key than it was given. RateLimit-Policy says how many that is, RateLimit how many are left. Nothing was changed; send it again after Retry-After.',
    retryAfter: 1,
  },
  {
    code: 'keys-unavailable',
    status: 503,
    title: 'API keys not known yet',
    explanation:
      'The process that answers has just been started and could not yet read the API keys from the database, so it lets nobody in. The request had no effect; send it again after Retry-After.',
    retryAfter: 1,
  },
  {
    code: 'unknown-partition',
    status: 404,
    title: 'Unknown partition',
    explanation: 'Partitions are numbered from 0, and there are as many as the database was created with.',
  },
  {
    code: 'move-refused',
    status: 409,
    title: 'The partition cannot be moved now',
    explanation:
      'One of the two workers is not serving, or too many moves wait for their turn. Nothing was changed, unless a worker ended in the middle of the move: `detail` says what is in the way, and GET /admin/partitions where the partition is.',
  },
] as const satisfies readonly Problem[];

export type ProblemCode = (typeof PROBLEMS)[number]['code'];

const byCode = new Map<string, Problem>(PROBLEMS.map((problem) => [problem.code, problem]));
const numbers = new Map<string, number>(PROBLEMS.map((problem, index) => [problem.code, index]));

export function problemOf(code: ProblemCode): Problem {
  return byCode.get(code)!;
}
/** Whether the same request may be answered otherwise later. */
export function mayBeSentAgain(code: ProblemCode): boolean {
  return problemOf(code).retryAfter !== undefined;
}
/** The catalogue entry with this code, for a code that came from outside. */
export function findProblem(code: string): Problem | undefined {
  return byCode.get(code);
}
export function problemNumber(code: ProblemCode): number {
  return numbers.get(code)!;
}
/** @returns undefined where no problem has this number */
export function problemByNumber(number: number): ProblemCode | undefined {
  return PROBLEMS[number]?.code;
}
