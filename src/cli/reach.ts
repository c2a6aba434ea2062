/** Talking to a server from a command: what goes wrong is one line for whoever typed it, and Ctrl-C ends it. */
import { HoldfastError, NoAnswerError, ProblemError } from '../client/errors.ts';
import { INTERRUPTED, Refusal } from './command.ts';
import type { Server } from './server.ts';

/** How often a request is sent: a person waits, and sees for themselves when it is time to try again. */
export const TRIES = { triesMax: 3, deadlineMs: 5000 };

/** @throws Refusal where the server is not there, says no, or breaks off */
export async function reaching(
  server: Server,
  run: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await run(interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) {
      console.error('holdfast: interrupted');
      return INTERRUPTED;
    }
    throw error instanceof HoldfastError ? new Refusal(sayWhy(server, error)) : error;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function sayWhy({ url, key }: Server, error: HoldfastError): string {
  if (error instanceof ProblemError) {
    const { status, message } = error;
    if (status === 401 && key === undefined)
      return `the server at ${url} asks for an API key: give one with --key or HOLDFAST_API_KEY`;
    if (status === 401) return `the server at ${url} does not know this API key`;
    if (status === 403) return `the server at ${url} does not allow this with this API key: ${message}`;
    return message;
  }
  if (error instanceof NoAnswerError && error.status !== undefined)
    return `what answers at ${url} is not Holdfast (${error.status}); name the server with --url`;
  return UNREACHABLE.test(codeOf(error.cause))
    ? `nothing answers at ${url}; start a server with: holdfast serve, or name one with --url`
    : `the connection to ${url} broke off: ${codeOf(error.cause)}`;
}

const UNREACHABLE = /ConnectionRefused|FailedToOpenSocket|ENOTFOUND|ECONNREFUSED|EAI_AGAIN/;

/** As Bun has it, or what is said where there is none. */
function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
}
