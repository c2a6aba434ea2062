/** What `keys` was asked for, from its arguments. */
import { parseArgs } from 'node:util';
import type { Rate } from '../access/api-key.ts';
import { SCOPES, type Scope } from '../access/scopes.ts';
import { API_KEY_NAME_CHARACTERS_MAX, RATE_REQUESTS_MAX } from '../limits.ts';

/** It can't be meant like that; the message is one line for an operator. */
export class WrongArguments extends Error {}

export type Asked =
  | { action: 'help' }
  | { action: 'create'; name: string; scopes: Scope[]; expiresInMs?: number; rate?: Rate }
  | { action: 'list' }
  | { action: 'revoke'; id: string };

export const USAGE = `bun run keys create --name NAME --scope SCOPE [--scope SCOPE …] [--expires 90d] [--rate 500/s]
bun run keys list
bun run keys revoke ID

  --name     what it is for, for people
  --scope    read, reserve, stock (each with read), or admin (everything)
  --expires  how long it is good for: hours or days, as in 12h or 90d; for ever unless given
  --rate     requests it may make by the second, minute or hour, as in 500/s; as many as it likes unless given

  bun run keys create --name checkout --scope reserve --rate 500/s
  bun run keys create --name warehouse --scope stock --expires 90d`;

const HOUR_MS = 3_600_000;
const EXPIRES: Record<string, number> = { h: HOUR_MS, d: 24 * HOUR_MS };
const EXPIRES_MAX = 99_999;
const PER: Record<string, number> = { s: 1, m: 60, h: 3600 };
const CREATE = {
  name: { type: 'string' },
  scope: { type: 'string', multiple: true },
  expires: { type: 'string' },
  rate: { type: 'string' },
} as const;

/** @throws WrongArguments */
export function readKeysArgs([action, ...rest]: string[]): Asked {
  if (action === '--help' || action === '-h' || rest.includes('--help') || rest.includes('-h'))
    return { action: 'help' };
  switch (action) {
    case 'create':
      return readCreate(rest);
    case 'list':
      if (rest.length > 0) throw new WrongArguments(`keys list takes no ${JSON.stringify(rest[0])}`);
      return { action };
    case 'revoke': {
      const [id, ...more] = rest;
      if (id === undefined || more.length > 0)
        throw new WrongArguments('keys revoke takes one id, as `bun run keys list` shows it');
      return { action, id };
    }
    default:
      throw new WrongArguments(
        `keys ${action === undefined ? 'takes' : `has no ${JSON.stringify(action)}; it takes`} create, list or revoke; --help shows more`,
      );
  }
}

function readCreate(args: string[]): Asked {
  const { name = '', scope = [], expires, rate } = parse(args);
  if (!new RegExp(`^[^\\p{C}]{1,${API_KEY_NAME_CHARACTERS_MAX}}$`, 'u').test(name))
    throw wrong('--name', name, `a text of 1 to ${API_KEY_NAME_CHARACTERS_MAX} characters`);
  if (scope.length === 0) throw new WrongArguments(`--scope is missing; allowed is ${SCOPES.join(', ')}`);
  return {
    action: 'create',
    name,
    scopes: [...new Set(scope.map(readScope))],
    expiresInMs: expires === undefined ? undefined : readExpires(expires),
    rate: rate === undefined ? undefined : readRate(rate),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: CREATE }).values;
  } catch (error) {
    throw new WrongArguments(`keys create: ${(error as Error).message.split('\n')[0]}`);
  }
}

function readScope(text: string): Scope {
  const scope = SCOPES.find((one) => one === text);
  if (scope === undefined) throw wrong('--scope', text, SCOPES.join(', '));
  return scope;
}

function readExpires(text: string): number {
  const [, number, unit] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  if (number === undefined || Number(number) === 0)
    throw wrong('--expires', text, `1 to ${EXPIRES_MAX} hours or days, as in 12h or 90d`);
  return Number(number) * EXPIRES[unit];
}

function readRate(text: string): Rate {
  const [, number, unit] = /^(\d{1,7})\/([smh])$/.exec(text) ?? [];
  const requests = Number(number);
  if (!(requests >= 1 && requests <= RATE_REQUESTS_MAX))
    throw wrong('--rate', text, `1 to ${RATE_REQUESTS_MAX} by s, m or h, as in 500/s`);
  return { requests, seconds: PER[unit] };
}

function wrong(option: string, text: string, allowed: string): WrongArguments {
  return new WrongArguments(`${option} is ${JSON.stringify(text)}; allowed is ${allowed}`);
}
