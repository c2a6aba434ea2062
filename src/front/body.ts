/**
 * Reads a request's JSON body: bounded in size and time, whichever way it is sent, and refused with a
 * problem of its own for each thing that can be wrong with it. The caller gets the checked value or
 * the response to give.
 */
import type { Clock } from '../clock.ts';
import { BODY_BYTES_MAX, BODY_DEADLINE_MS } from '../limits.ts';
import type { Deadlines } from './deadlines.ts';
import { problem } from './problems.ts';
import type { Validator } from './validate.ts';

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
/** The rest of the body will not be read, so the connection cannot be used again. */
const CLOSE = { connection: 'close' };

export class Bodies {
  constructor(
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  async read<T>(request: Request, validator: Validator<T>): Promise<T | Response> {
    const refused = refuseMediaType(request);
    if (refused !== undefined) return refused;
    const body = await this.text(request);
    return body instanceof Response ? body : check(body, validator);
  }

  /** As `read`, for a call that needs no body: an empty one is undefined. */
  async readOptional<T>(request: Request, validator: Validator<T>): Promise<T | undefined | Response> {
    const body = await this.text(request);
    if (body instanceof Response) return body;
    if (body === '') return undefined;
    return refuseMediaType(request) ?? check(body, validator);
  }

  private text(request: Request): Promise<string | Response> {
    const { headers } = request;
    const declared = headers.get('content-length');
    if (declared !== null && Number(declared) > BODY_BYTES_MAX) return Promise.resolve(tooLarge());
    if (declared !== null) return this.inTime(request.text());
    if (headers.get('transfer-encoding') === null) return Promise.resolve('');
    return this.inTime(readChunks(request));
  }

  private inTime(arriving: Promise<string | Response>): Promise<string | Response> {
    return new Promise((resolve) => {
      const waiting = this.deadlines.wait(this.clock.now() + BODY_DEADLINE_MS, () => resolve(tooSlow()));
      const arrived = (body: string | Response): void => {
        waiting.leave();
        resolve(body);
      };
      // A body that breaks off has a sender that has gone: nobody reads this answer.
      arriving.then(arrived, () => arrived(tooSlow()));
    });
  }
}

/** For a body without a declared length, which must not be gathered beyond the limit. */
async function readChunks(request: Request): Promise<string | Response> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body!) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return tooLarge();
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function check<T>(body: string, validator: Validator<T>): T | Response {
  // What the decoder leaves for bytes that are not UTF-8. As a character of its own it has no use here.
  if (body.includes('\uFFFD'))
    return problem('invalid-json', { detail: 'The body is not UTF-8, or has the character U+FFFD.' });
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    return problem('invalid-json', { detail: body === '' ? 'The body is empty.' : reasonOf(error) });
  }
  return validator.check(value);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof SyntaxError)) return 'The body is nested too deeply.';
  return error.message.replace(/^JSON Parse error: /, 'The body is not valid JSON: ');
}

function refuseMediaType({ headers }: Request): Response | undefined {
  const type = headers.get('content-type');
  if (type === 'application/json' || (type !== null && JSON_TYPE.test(type))) return undefined;
  const found = type === null ? 'There is no Content-Type' : `The Content-Type is ${type.slice(0, 100)}`;
  return problem('unsupported-media-type', {
    detail: `${found}; send application/json in UTF-8.`,
    headers: { accept: 'application/json' },
  });
}

function tooLarge(): Response {
  return problem('body-too-large', {
    detail: `The body has more than ${BODY_BYTES_MAX} bytes.`,
    headers: CLOSE,
  });
}

function tooSlow(): Response {
  return problem('request-timeout', {
    detail: `The body did not arrive within ${BODY_DEADLINE_MS / 1000} seconds.`,
    headers: CLOSE,
  });
}
