/**
 * The id of a request: in its answer and in every log line about it. A caller that has one keeps it, so that the
 * same id is found on both sides.
 */
import { REQUEST_ID_CHARACTERS_MAX } from '../limits.ts';

export const REQUEST_ID = 'x-request-id';

/** What can stand in a log, a header and a shell command without harm; UUIDs, ULIDs and base64 can. */
const SANE = new RegExp(`^[\\w.:+/=@-]{1,${REQUEST_ID_CHARACTERS_MAX}}$`);

/** Unlike that of any other process, or of this one before it was restarted. */
const PREFIX = `${crypto.randomUUID().slice(0, 8)}-`;
let last = 0;

export function requestIdOf({ headers }: Request): string {
  const given = headers.get(REQUEST_ID);
  return given !== null && SANE.test(given) ? given : PREFIX + (++last).toString(36);
}
