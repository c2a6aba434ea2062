/**
 * One call to the server, however many requests it takes. All tries of a call have the same Idempotency-Key, so it has
 * its effect once, also where the answer to an earlier try got lost.
 */
import { type HoldfastError, NoAnswerError, ProblemError } from './errors.ts';
import { pause, retryAfterMs, Tries } from './retry.ts';
import type { ChangeOptions } from './types.ts';

const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';
/** No effect, now or later: such a request may be sent again whatever it is. */
const REFUSED_UNTOUCHED = ['overloaded', 'partition-unavailable'];
/** The server's, and those of what may stand before it. */
const WORTH_ANOTHER_TRY = [429, 502, 503, 504];
const BODY_SHOWN_MAX = 200;

export interface Connection {
  url: string;
  key?: string;
}

export interface Call {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  headers?: Record<string, string>;
  /** What is to come, unless that is JSON. */
  accept?: string;
  /** An answer, though it is no 2xx. */
  status?: number;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is; read once, so such a call is tried once. */
  stream?: ReadableStream<Uint8Array>;
  /** It changes something, and its path takes an Idempotency-Key. */
  keyed?: boolean;
  /** Sent again only where the server said that nothing has happened: a second try could meet the effect of the first. */
  fragile?: boolean;
}

interface Failure {
  error: HoldfastError;
  again: boolean;
  retryAfterMs: number;
}

type Read<T> = (response: Response) => Promise<T>;

export class Caller {
  private readonly headers: Record<string, string>;
  private readonly url: string;

  constructor({ url, key }: Connection) {
    this.url = url.replace(/\/+$/, '');
    this.headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  }

  /** @throws ProblemError, NoAnswerError, or the reason of the signal */
  json<T>(call: Call, options: ChangeOptions = {}): Promise<T> {
    return this.call(call, options, (response) => response.json() as Promise<T>);
  }

  /** What the server sends, as it arrives; only until then is the call tried again. */
  stream(call: Call, options: ChangeOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.call(call, options, async (response) => {
      if (response.body === null) throw new TypeError('there is no body');
      return response.body;
    });
  }

  private async call<T>(call: Call, options: ChangeOptions, read: Read<T>): Promise<T> {
    const tries = new Tries(options);
    const key = call.keyed ? (options.idempotencyKey ?? crypto.randomUUID()) : undefined;
    for (;;) {
      options.signal?.throwIfAborted();
      const outcome = await this.attempt(call, key, tries.tryMs, options.signal, read);
      if (!('error' in outcome)) return outcome.value;
      outcome.error.idempotencyKey = key;
      const waitMs = outcome.again ? tries.afterFailure(outcome.retryAfterMs) : undefined;
      if (waitMs === undefined) throw outcome.error;
      await pause(waitMs, options.signal);
    }
  }

  /** @throws only the reason of the caller's signal */
  private async attempt<T>(
    call: Call,
    key: string | undefined,
    ms: number,
    signal: AbortSignal | undefined,
    read: Read<T>,
  ): Promise<{ value: T } | Failure> {
    const late = new AbortController();
    // An upload takes as long as it takes; the server ends one that stalls.
    const timer = call.stream === undefined ? setTimeout(() => late.abort(), ms) : undefined;
    try {
      const signals = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
      const response = await fetch(this.url + call.path, this.request(call, key, signals));
      if (!isAnswer(call, response)) return await failureOf(call, response);
      return { value: await read(response) };
    } catch (cause) {
      signal?.throwIfAborted();
      const reason = late.signal.aborted ? `no answer within ${Math.round(ms)} ms` : messageOf(cause);
      const error = new NoAnswerError(`${call.method} ${this.url}${call.path}: ${reason}`, { cause });
      return { error, again: !call.fragile && call.stream === undefined, retryAfterMs: 0 };
    } finally {
      clearTimeout(timer);
    }
  }

  private request(
    { method, headers, accept = JSON_TYPE, json, stream }: Call,
    key: string | undefined,
    signal: AbortSignal,
  ): RequestInit {
    const own: Record<string, string> = { ...this.headers, ...headers, accept };
    if (json !== undefined) own['content-type'] = JSON_TYPE;
    if (key !== undefined) own['idempotency-key'] = key;
    const body = json === undefined ? stream : JSON.stringify(json);
    return { method, headers: own, body, signal, ...(stream === undefined ? {} : { duplex: 'half' }) };
  }
}

async function failureOf(call: Call, response: Response): Promise<Failure> {
  const error = errorFrom(call, response, await response.text());
  const code = error instanceof ProblemError ? error.code : '';
  const untouched = response.status === 429 || REFUSED_UNTOUCHED.includes(code);
  const worthIt = call.fragile ? untouched : WORTH_ANOTHER_TRY.includes(response.status);
  return {
    error,
    again: worthIt && call.stream === undefined,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
  };
}

function errorFrom({ method }: Call, response: Response, text: string): ProblemError | NoAnswerError {
  if (!response.ok && hasType(response, PROBLEM_TYPE)) {
    return new ProblemError(JSON.parse(text), response.headers.get('x-request-id') ?? undefined);
  }
  const said = `${response.status}, not by Holdfast: ${text.slice(0, BODY_SHOWN_MAX)}`;
  const error = new NoAnswerError(`${method} ${response.url} was answered ${said}`);
  error.status = response.status;
  return error;
}

function isAnswer({ status, accept = JSON_TYPE }: Call, response: Response): boolean {
  return (response.ok || response.status === status) && hasType(response, accept);
}

function hasType({ headers }: Response, type: string): boolean {
  return headers.get('content-type')?.startsWith(type) ?? false;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
