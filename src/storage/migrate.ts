/**
 * Makes a database ready: checks that it is one that Holdfast can use, and applies the migrations that
 * it lacks, each in its transaction, under a lock, so that servers that start together don't collide.
 */

import type { DatabaseSpec } from '../process.ts';
import { hasUsableApiKey } from './api-keys.ts';
import { failureText, inTime, openDatabase, type Sql } from './database.ts';
import { sql as reservations } from './migrations/001-reservations.ts';
import { sql as owners } from './migrations/002-owners.ts';
import { sql as retention } from './migrations/003-retention.ts';
import { sql as references } from './migrations/004-references.ts';
import { sql as apiKeys } from './migrations/005-api-keys.ts';
import { sql as reheld } from './migrations/006-reheld.ts';
import { sql as keysByClaim } from './migrations/007-keys-by-claim.ts';
import { sql as room } from './migrations/008-room.ts';
import { sql as ledgerPages } from './migrations/009-ledger-pages.ts';
import { sql as ledgerStatistics } from './migrations/010-ledger-statistics.ts';
import { forgetIdleOwners } from './take-partitions.ts';

const SERVER_VERSION_MIN = 150_000;
/** Any constant will do that other users of the database's advisory locks don't use: "holdfast" as bytes. */
const MIGRATION_LOCK = '7525354459811214196';
const UNREACHABLE_AFTER_MS = 5000;

/** Position + 1 is the migration's number. Append only: a migration that has run is never edited. */
const MIGRATIONS = [
  reservations,
  owners,
  retention,
  references,
  apiKeys,
  reheld,
  keysByClaim,
  room,
  ledgerPages,
  ledgerStatistics,
];

/** A database that Holdfast can't use; the message is one line for an operator. */
export class DatabaseRefused extends Error {}

/**
 * @param exposedAt the address that a server is to listen at, if others can reach it: not without an API key
 * @param starting a server is, and has no workers yet
 */
export async function prepareDatabase(
  spec: DatabaseSpec,
  partitions: number,
  exposedAt?: string,
  starting = false,
): Promise<void> {
  const sql = openDatabase(spec, 'migrate');
  try {
    await requireAnswer(sql, spec);
    const [{ version, name, encoding }] = await sql<{ version: number; name: string; encoding: string }[]>`
      select current_setting('server_version_num')::integer as version, current_setting('server_version') as name,
             current_setting('server_encoding') as encoding`;
    if (version < SERVER_VERSION_MIN) {
      throw new DatabaseRefused(
        `the database at ${describe(spec)} is Postgres ${name}; Holdfast needs Postgres 15 or later`,
      );
    }
    // A SKU that the database cannot store would fail the whole batch that it is in.
    if (encoding !== 'UTF8') {
      throw new DatabaseRefused(
        `the database at ${describe(spec)} has the encoding ${encoding}; Holdfast needs UTF8`,
      );
    }
    await sql
      .begin((transaction) => migrate(transaction as unknown as Sql, partitions))
      .catch((error) => {
        if (error instanceof DatabaseRefused) throw error;
        throw new DatabaseRefused(
          `the database at ${describe(spec)} cannot be prepared: ${failureText(error)}`,
        );
      });
    if (starting) await forgetIdleOwners(sql);
    if (exposedAt !== undefined && !(await hasUsableApiKey(sql))) {
      throw new DatabaseRefused(
        `HOST is ${exposedAt}, which others can reach, and there is no API key that they would need: make one with \`bun run keys create --name admin --scope admin\`, or leave HOST at 127.0.0.1`,
      );
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** @throws DatabaseRefused where the database doesn't answer */
export async function requireAnswer(sql: Sql, spec: DatabaseSpec): Promise<void> {
  await inTime(UNREACHABLE_AFTER_MS, sql`select 1`).catch((error) => {
    throw new DatabaseRefused(`the database at ${describe(spec)} cannot be reached: ${failureText(error)}`);
  });
}

/** Whether a server, or the making of a key, has ever prepared the database. */
export async function isPrepared(sql: Sql): Promise<boolean> {
  const [{ present }] = await sql<{ present: boolean }[]>`
    select to_regclass('holdfast.migration') is not null as present`;
  return present;
}

/** @throws DatabaseRefused where no server of this version has made the database ready */
export async function requireMigrated(sql: Sql, spec: DatabaseSpec): Promise<void> {
  if (!(await isPrepared(sql)))
    throw new DatabaseRefused(`the database at ${describe(spec)} is not one of Holdfast's`);
  const [{ applied }] = await sql<{ applied: number }[]>`
    select coalesce(max(number), 0) as applied from holdfast.migration`;
  if (applied > MIGRATIONS.length) throw new DatabaseRefused(newer(applied));
  if (applied < MIGRATIONS.length) {
    throw new DatabaseRefused(
      `the database at ${describe(spec)} is at schema ${applied} and this Holdfast needs ${MIGRATIONS.length}: start its server once, which brings it there`,
    );
  }
}

function newer(applied: number): string {
  return `the database is at schema ${applied} and this Holdfast knows ${MIGRATIONS.length}: it was used by a newer version`;
}

async function migrate(sql: Sql, partitions: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`;
  await sql`create schema if not exists holdfast`;
  await sql`create table if not exists holdfast.migration (
    number integer primary key, applied_at timestamptz not null default now())`;
  await sql`create table if not exists holdfast.setting (name text primary key, value text not null)`;
  const [{ applied }] = await sql<{ applied: number }[]>`
    select coalesce(max(number), 0) as applied from holdfast.migration`;
  if (applied > MIGRATIONS.length) throw new DatabaseRefused(newer(applied));
  for (let number = applied + 1; number <= MIGRATIONS.length; number++) {
    await sql.unsafe(`set local search_path to holdfast; ${MIGRATIONS[number - 1]}`).simple();
    await sql`insert into holdfast.migration (number) values (${number})`;
  }
  await settlePartitions(sql, partitions);
}

/** The number of partitions decides where every row lives, so a database keeps the one it was made with. */
async function settlePartitions(sql: Sql, partitions: number): Promise<void> {
  const [setting] = await sql<{ value: string }[]>`
    select value from holdfast.setting where name = 'partitions'`;
  if (setting === undefined) {
    await sql`insert into holdfast.setting values ('partitions', ${String(partitions)})`;
    await sql`insert into holdfast.partition (partition) select generate_series(0, ${partitions}::integer - 1)`;
  } else if (Number(setting.value) !== partitions) {
    throw new DatabaseRefused(
      `HOLDFAST_PARTITIONS is ${partitions}, but the database was created with ${setting.value}; it cannot be changed later`,
    );
  }
}

/** Where the database is, without a password. */
export function describe(spec: DatabaseSpec): string {
  if (spec.url === undefined) return String(spec.socketFolder);
  try {
    const { host, pathname } = new URL(spec.url);
    return host + pathname;
  } catch {
    return 'DATABASE_URL';
  }
}
