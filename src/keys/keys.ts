/**
 * `keys`: makes, lists and revokes API keys, beside a running server or without one. It writes to the table that the
 * workers read for the fronts; a running server follows within API_KEYS_EVERY_MS + API_KEYS_WAIT_MS.
 *
 * A new key goes to stdout, alone, so that a script can take it; everything about it to stderr. Ends with 0 when it is
 * done, 1 when it could not be.
 */
import { userInfo } from 'node:os';
import { makeApiKey } from '../access/api-key.ts';
import type { ApiKey, Rate } from '../access/keyring.ts';
import type { Scope } from '../access/scopes.ts';
import { systemClock } from '../clock.ts';
import { readSettings, type Settings, WrongSetting } from '../config.ts';
import { API_KEYS_EVERY_MS, API_KEYS_MAX, API_KEYS_WAIT_MS } from '../limits.ts';
import { identify, log } from '../observability/log.ts';
import { createApiKey, listApiKeys, revokeApiKey } from '../storage/api-keys.ts';
import { failureText, isDatabaseError, openDatabase, type Sql } from '../storage/database.ts';
import {
  DatabaseRefused,
  isPrepared,
  prepareDatabase,
  requireAnswer,
  requireMigrated,
} from '../storage/migrate.ts';
import { type BorrowedDatabase, borrowDatabase } from '../supervisor/borrowed-database.ts';
import { StartRefused } from '../supervisor/refusal.ts';
import { rateText, showKeys, timeText } from './show-keys.ts';

const DONE = 0;
const FAILED = 1;
const WITHIN = `within ${(API_KEYS_EVERY_MS + API_KEYS_WAIT_MS) / 1000} s`;

/** What is to be done. */
export type Act =
  | { action: 'create'; name: string; scopes: Scope[]; expiresInMs?: number; rate?: Rate }
  | { action: 'list' }
  | { action: 'revoke'; id: string };

/** @returns the exit code */
export async function keys(asked: Act, env: Record<string, string | undefined>): Promise<number> {
  identify('keys');
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort());
  try {
    return await run(asked, readSettings(env), stopping.signal);
  } catch (error) {
    console.error(`holdfast: ${stopping.signal.aborted ? 'keys was stopped' : reasonOf(error)}`);
    return FAILED;
  }
}

function reasonOf(error: unknown): string {
  const kinds = [WrongSetting, StartRefused, DatabaseRefused];
  if (kinds.some((kind) => error instanceof kind)) return (error as Error).message;
  if (isDatabaseError(error)) return `keys could not go on: ${failureText(error)}`;
  throw error;
}

async function run(asked: Act, settings: Settings, signal: AbortSignal): Promise<number> {
  const borrowed = await borrow(settings, asked.action === 'create', signal);
  const sql = openDatabase(borrowed.database, 'keys');
  try {
    await requireAnswer(sql, borrowed.database);
    // The first key may come before the first start, which needs it where others can reach the server.
    if (asked.action === 'create' && !(await isPrepared(sql)))
      await prepareDatabase(borrowed.database, settings.partitions);
    await requireMigrated(sql, borrowed.database);
    signal.throwIfAborted();
    return await act(sql, asked);
  } finally {
    await sql.end({ timeout: 1 });
    await borrowed.giveBack();
  }
}

async function borrow(
  { databaseUrl: url, dataDir }: Settings,
  create: boolean,
  signal: AbortSignal,
): Promise<BorrowedDatabase> {
  if (url === undefined) return borrowDatabase(dataDir, signal, create);
  return { database: { url }, served: false, async giveBack() {} };
}

function act(sql: Sql, asked: Act): Promise<number> {
  switch (asked.action) {
    case 'create':
      return create(sql, asked);
    case 'list':
      return list(sql);
    case 'revoke':
      return revoke(sql, asked.id);
  }
}

async function create(sql: Sql, asked: Extract<Act, { action: 'create' }>): Promise<number> {
  const { name, scopes, expiresInMs, rate } = asked;
  const { text, id, hash } = makeApiKey();
  const expiresAt = expiresInMs === undefined ? undefined : systemClock.now() + expiresInMs;
  const key: ApiKey = { id, name, scopes, hash, expiresAt, rate };
  if (!(await createApiKey(sql, key))) {
    console.error(`holdfast: there are ${API_KEYS_MAX} keys already, which is the most; revoke some`);
    return FAILED;
  }
  log.info('admin.key-created', {
    id,
    name,
    scopes,
    expiresAt: expiresAt === undefined ? undefined : timeText(expiresAt),
    rate: rate && rateText(rate),
    by: whoAmI(),
  });
  console.error(`This is the only time that the key is shown. A running server knows it ${WITHIN}.`);
  console.log(text);
  return DONE;
}

async function list(sql: Sql): Promise<number> {
  const records = await listApiKeys(sql);
  if (records.length === 0) console.error('there are no keys; nobody needs one');
  else console.log(showKeys(records, systemClock.now()));
  return DONE;
}

async function revoke(sql: Sql, id: string): Promise<number> {
  switch (await revokeApiKey(sql, id)) {
    case 'revoked':
      log.info('admin.key-revoked', { id, by: whoAmI() });
      console.error(`The key ${id} is revoked. A running server refuses it ${WITHIN}.`);
      return DONE;
    case 'before':
      console.error(`the key ${id} was revoked before`);
      return DONE;
    case 'unknown':
      console.error(`holdfast: there is no key ${id}; \`bun run keys list\` shows them`);
      return FAILED;
  }
}

/** For the log. Bun takes the name from USER, which a container may not have. */
function whoAmI(): string {
  const { username, uid } = userInfo();
  return username === 'unknown' ? `uid ${uid}` : username;
}
