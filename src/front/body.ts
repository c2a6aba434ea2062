/**
 * Reads a request's body whole: bounded in size and time, whichever way it is sent, and refused with a
 * problem of its own for each thing that can be wrong with it. The caller gets the checked value or
 * the response to give. Bodies of any size are streamed: see upload.ts.
 */
import type { Clock } from '../clock.ts';
import { BODY_BYTES_MAX, BODY_DEADLINE_MS } from '../limits.ts';
import { type Deadlines, Waiting } from './deadlines.ts';
import { problem } from './problems.ts';
import type { Validator } from './validate.ts';

const MEDIA = {
  'application/json': /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i,
  'application/x-ndjson': /^application\/x-ndjson\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i,
  'text/csv': /^text\/csv\s*(;\s*(charset\s*=\s*"?utf-8"?|header\s*=\s*present)\s*)*$/i,
};
export type MediaType = keyof typeof MEDIA;
const JSON_ONLY = ['application/json'] as const;

/** The rest of the body will not be read, so the connection cannot be used again. */
export const CLOSE = { connection: 'close' };

export class Bodies {
  constructor(
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  read<T>(request: Request, validator: Validator<T>): Promise<T | Response> {
    const type = mediaTypeOf(request, JSON_ONLY);
    if (type instanceof Response) return Promise.resolve(type);
    return this.text(request, BODY_BYTES_MAX).then((text) =>
      text instanceof Response ? text : check(text, validator),
    );
  }

  /** A body of one of these types, as text and with its type. */
  async readText<T extends MediaType>(
    request: Request,
    types: readonly T[],
    bytesMax: number,
  ): Promise<{ type: T; text: string } | Response> {
    const type = mediaTypeOf(request, types);
    if (type instanceof Response) return type;
    const text = await this.text(request, bytesMax);
    return text instanceof Response ? text : { type, text };
  }

  /** As `read`, for a call that needs no body: an empty one is undefined. */
  readOptional<T>(request: Request, validator: Validator<T>): Promise<T | undefined | Response> {
    return this.text(request, BODY_BYTES_MAX).then((body) => {
      if (body instanceof Response) return body;
      if (body === '') return undefined;
      const type = mediaTypeOf(request, JSON_ONLY);
      return type instanceof Response ? type : check(body, validator);
    });
  }

  private text(request: Request, bytesMax: number): Promise<string | Response> {
    const { headers } = request;
    const declared = headers.get('content-length');
    if (declared !== null && Number(declared) > bytesMax) return Promise.resolve(tooLarge(bytesMax));
    if (declared !== null) return this.inTime(request.text());
    if (headers.get('transfer-encoding') === null) return Promise.resolve('');
    return this.inTime(readChunks(request, bytesMax));
  }

  private inTime(arriving: Promise<string | Response>): Promise<string | Response> {
    const body = this.deadlines.join(new Arriving(this.clock.now() + BODY_DEADLINE_MS));
    // A body that breaks off has a sender that has gone: nobody reads this answer.
    arriving.then(
      (whole) => body.end(whole),
      () => body.expire(),
    );
    return body.ended;
  }
}

/** A body on its way: ends when it is there, or at its deadline. */
class Arriving extends Waiting {
  private readonly answer = Promise.withResolvers<string | Response>();
  readonly ended = this.answer.promise;

  end(body: string | Response): void {
    this.leave();
    this.answer.resolve(body);
  }

  expire(): void {
    this.end(tooSlow());
  }
}

/** For a body without a declared length, which must not be gathered beyond the limit. */
async function readChunks(request: Request, bytesMax: number): Promise<string | Response> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body!) {
    bytes += chunk.length;
    if (bytes > bytesMax) return tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function check<T>(body: string, validator: Validator<T>): T | Response {
  const value = parseJson(body, 'The body');
  return value instanceof NotJson
    ? problem('invalid-json', { detail: value.reason })
    : validator.check(value);
}

export class NotJson {
  /** @param reason a sentence */
  constructor(readonly reason: string) {}
}

/** @param what the text is, as the beginning of a sentence */
export function parseJson(text: string, what: string): unknown {
  // What the decoder leaves for bytes that are not UTF-8. As a character of its own it has no use here.
  if (text.includes('\uFFFD')) return new NotJson(`${what} is not UTF-8, or has the character U+FFFD.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text === '') return new NotJson(`${what} is empty.`);
    if (!(error instanceof SyntaxError)) return new NotJson(`${what} is nested too deeply.`);
    return new NotJson(error.message.replace(/^JSON Parse error: /, `${what} is not valid JSON: `));
  }
}

/** The type of the body, which must be one of these and in UTF-8. */
export function mediaTypeOf<T extends MediaType>({ headers }: Request, types: readonly T[]): T | Response {
  const type = headers.get('content-type');
  if (type !== null) {
    for (const one of types) if (one === type || MEDIA[one].test(type)) return one;
  }
  const found = type === null ? 'There is no Content-Type' : `The Content-Type is ${type.slice(0, 100)}`;
  return problem('unsupported-media-type', {
    detail: `${found}; send ${types.join(' or ')} in UTF-8.`,
    headers: { accept: types.join(', ') },
  });
}

function tooLarge(bytesMax: number): Response {
  return problem('body-too-large', {
    detail: `The body has more than ${bytesMax} bytes.`,
    headers: CLOSE,
  });
}

function tooSlow(): Response {
  return problem('request-timeout', {
    detail: `The body did not arrive within ${BODY_DEADLINE_MS / 1000} seconds.`,
    headers: CLOSE,
  });
}
