/** `holdfast keys`: who may call; see keys/keys.ts. */
import { InvalidArgumentError } from 'commander';
import type { Rate } from '../access/keyring.ts';
import { SCOPES, type Scope } from '../access/scopes.ts';
import { keys } from '../keys/keys.ts';
import { API_KEY_NAME_CHARACTERS_MAX, RATE_REQUESTS_MAX } from '../limits.ts';
import { type Define, notes } from './command.ts';

const HOUR_MS = 3_600_000;
const EXPIRES: Record<string, number> = { h: HOUR_MS, d: 24 * HOUR_MS };
const PER: Record<string, number> = { s: 1, m: 60, h: 3600 };
const NAME = new RegExp(`^[^\\p{C}]{1,${API_KEY_NAME_CHARACTERS_MAX}}$`, 'u');

interface CreateOptions {
  name: string;
  scope: Scope[];
  expires?: number;
  rate?: Rate;
}

export const define: Define = (command, ending) => {
  const create = command.command('create').description('Make a key, and show it this once, on stdout.');
  create
    .requiredOption('--name <name>', 'what it is for, for people', readName)
    .addOption(
      create
        .createOption('--scope <scope...>', 'what it may do; reserve and stock with read, admin everything')
        .choices(SCOPES)
        .makeOptionMandatory(),
    )
    .option('--expires <time>', 'good for so many hours or days, as in 12h or 90d; or for ever', readExpires)
    .option('--rate <rate>', 'requests by the second, minute or hour, as in 500/s; or any', readRate)
    .action(
      ending(({ name, scope, expires, rate }: CreateOptions) =>
        keys(
          { action: 'create', name, scopes: [...new Set(scope)], expiresInMs: expires, rate },
          process.env,
        ),
      ),
    );
  command
    .command('list')
    .description('Show all keys that there have been, the newest first; never the secrets.')
    .action(ending(() => keys({ action: 'list' }, process.env)));
  command
    .command('revoke')
    .description('End a key for good.')
    .argument('<id>', 'as list shows it')
    .action(ending((id: string) => keys({ action: 'revoke', id }, process.env)));
  notes(command, {
    more: 'It finds the database as a server does, which may run meanwhile: DATABASE_URL, or the embedded one in HOLDFAST_DATA_DIR.',
    examples: [
      ['holdfast keys create --name checkout --scope reserve --rate 500/s', 'for a shop'],
      ['holdfast keys create --name warehouse --scope stock --expires 90d', 'for three months'],
      ['holdfast keys revoke 3f9a0c12be77', 'a running server refuses it within seconds'],
    ],
    codes: { 0: 'it is done', 1: 'it could not be done' },
  });
};

function readName(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidArgumentError(`Allowed is a text of 1 to ${API_KEY_NAME_CHARACTERS_MAX} characters`);
}

/** @returns milliseconds */
function readExpires(text: string): number {
  const [, number, unit] = /^([1-9]\d{0,4})([hd])$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * EXPIRES[unit];
  throw new InvalidArgumentError('Allowed is 1 to 99999 hours or days, as in 12h or 90d');
}

function readRate(text: string): Rate {
  const [, number, unit] = /^([1-9]\d{0,6})\/([smh])$/.exec(text) ?? [];
  const requests = Number(number);
  if (requests <= RATE_REQUESTS_MAX) return { requests, seconds: PER[unit] };
  throw new InvalidArgumentError(`Allowed is 1 to ${RATE_REQUESTS_MAX} by s, m or h, as in 500/s`);
}
