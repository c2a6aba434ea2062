/** The list of API keys, for people: a column for each thing, as wide as it must be. */
import type { Rate } from '../access/keyring.ts';
import type { ApiKeyRecord } from '../storage/api-keys.ts';

const HEADINGS = ['id', 'state', 'scopes', 'rate', 'created', 'expires', 'name'];
const UNITS: Record<number, string> = { 1: 's', 60: 'm', 3600: 'h' };

/** @param now milliseconds since the Unix epoch */
export function showKeys(records: ApiKeyRecord[], now: number): string {
  const rows = records.map((record) => [
    record.id,
    stateOf(record, now),
    record.scopes.join(','),
    record.rate === undefined ? '-' : rateText(record.rate),
    timeText(record.createdAt),
    record.expiresAt === undefined ? '-' : timeText(record.expiresAt),
    record.name,
  ]);
  const table = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function stateOf({ revokedAt, expiresAt }: ApiKeyRecord, now: number): string {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt <= now ? 'expired' : 'good';
}

/** As it is written on the command line. */
export function rateText({ requests, seconds }: Rate): string {
  return `${requests}/${UNITS[seconds]}`;
}

/** UTC, to the second. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
