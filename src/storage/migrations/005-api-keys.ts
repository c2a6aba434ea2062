/**
 * API keys. A row is never deleted: what is revoked stays, as a record, and because a database that has once had a key
 * lets nobody in without one.
 */
export const sql = `
create table api_key (
  id text primary key,
  name text not null,
  scopes text[] not null,
  secret_sha256 bytea not null,
  rate_requests integer,
  rate_seconds integer,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
`;
