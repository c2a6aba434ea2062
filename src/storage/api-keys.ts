/** The table of API keys, as the command line changes it and as workers read it for the fronts. */
import type { ApiKey, Keyring } from '../access/keyring.ts';
import { API_KEYS_MAX } from '../limits.ts';
import type { Sql } from './database.ts';
import { arrayLiteral } from './take-partitions.ts';

/** For people: without its hash. Times are milliseconds since the Unix epoch. */
export interface ApiKeyRecord extends Omit<ApiKey, 'hash'> {
  createdAt: number;
  revokedAt?: number;
}

interface Row {
  id: string;
  name: string;
  /** Separated by spaces: arrays need types that postgres.js would have to ask for. */
  scopes: string;
  hash: string;
  requests: number | null;
  seconds: number | null;
  createdAt: number;
  expiresAt: number | null;
  revokedAt: number | null;
}

/** Without those that are revoked: about API_KEYS_MAX at most. */
export async function loadKeyring(sql: Sql): Promise<Keyring> {
  const [{ everMade }] = await sql<{ everMade: boolean }[]>`
    select exists (select from holdfast.api_key) as "everMade"`;
  const rows = everMade ? await select(sql, 'where revoked_at is null') : [];
  return { everMade, keys: rows.map((row) => ({ ...identityOf(row), hash: row.hash })) };
}

/** All of them, the newest first. */
export async function listApiKeys(sql: Sql): Promise<ApiKeyRecord[]> {
  const rows = await select(sql, '');
  return rows.map((row) => ({
    ...identityOf(row),
    createdAt: row.createdAt,
    revokedAt: row.revokedAt ?? undefined,
  }));
}

/** @returns false where there are as many as there may be */
export async function createApiKey(sql: Sql, key: ApiKey): Promise<boolean> {
  const { id, name, scopes, hash, expiresAt = null, rate } = key;
  const { count } = await sql`
    insert into holdfast.api_key (id, name, scopes, secret_sha256, rate_requests, rate_seconds, expires_at)
    select ${id}, ${name}, ${arrayLiteral(scopes)}::text[], decode(${hash}, 'hex'),
           ${rate?.requests ?? null}::integer, ${rate?.seconds ?? null}::integer,
           to_timestamp(${expiresAt}::float8 / 1000)
     where (select count(*) from holdfast.api_key where revoked_at is null) < ${API_KEYS_MAX}::integer`;
  return count === 1;
}

export async function revokeApiKey(sql: Sql, id: string): Promise<'revoked' | 'before' | 'unknown'> {
  const { count } = await sql`
    update holdfast.api_key set revoked_at = now() where id = ${id} and revoked_at is null`;
  if (count === 1) return 'revoked';
  const known = await sql`select from holdfast.api_key where id = ${id}`;
  return known.count === 1 ? 'before' : 'unknown';
}

/** Whether there is a key that somebody could use. */
export async function hasUsableApiKey(sql: Sql): Promise<boolean> {
  const [{ usable }] = await sql<{ usable: boolean }[]>`
    select exists (select from holdfast.api_key
                    where revoked_at is null and (expires_at is null or expires_at > now())) as usable`;
  return usable;
}

function select(sql: Sql, where: string): Promise<Row[]> {
  return sql.unsafe<Row[]>(
    `select id, name, array_to_string(scopes, ' ') as scopes, encode(secret_sha256, 'hex') as hash,
            rate_requests as requests, rate_seconds as seconds,
            round(extract(epoch from created_at) * 1000)::float8 as "createdAt",
            round(extract(epoch from expires_at) * 1000)::float8 as "expiresAt",
            round(extract(epoch from revoked_at) * 1000)::float8 as "revokedAt"
       from holdfast.api_key ${where} order by created_at desc, id`,
    [],
    { prepare: true },
  );
}

function identityOf({ id, name, scopes, requests, seconds, expiresAt }: Row): Omit<ApiKey, 'hash'> {
  return {
    id,
    name,
    scopes: scopes.split(' ') as ApiKey['scopes'],
    expiresAt: expiresAt ?? undefined,
    rate: requests === null || seconds === null ? undefined : { requests, seconds },
  };
}
