/** What can be measured over HTTP: how each server is started, which settings its best friend would try, who keeps its books. */

import type { Keeper } from './books.ts';
import type { Answer } from './ceilings/no-op.ts';
import type { Parts } from './cpu.ts';
import { type Fsync, hasRedis } from './rivals/redis-server.ts';
import type { Pool } from './rivals/sql-database.ts';
import type { Driven } from './rivals/statement.ts';
import { startService } from './service.ts';
import type { Session } from './session.ts';

export interface Server {
  url: string;
  /** Whose CPU time it is. */
  parts: Parts;
  keeper?: Keeper;
  /** Tried for each workload, where there are several; the fastest is measured. */
  settings?: Setting[];
  set?(setting: Setting | Answer): Promise<void>;
}

export interface Setting {
  label: string;
}

export interface ServerKind {
  /** Why it can't be measured on this machine; undefined where it can. */
  absent?(): string | undefined;
  start(session: Session): Promise<Server>;
}

/** Connections that the rivals on Postgres are tried with. */
const POOLS = [4, 12, 24];
const pools: (Setting & Pool)[] = POOLS.map((pool) => ({ label: `pool ${pool}`, pool }));
const drivenPools: (Setting & Driven)[] = (['postgres.js', 'Bun'] as const).flatMap((driver) =>
  POOLS.map((pool) => ({ label: `pool ${pool}, ${driver}`, pool, driver })),
);
/** Of a rival that has nothing to tune. */
const AS_IT_IS: Setting[] = [{ label: '' }];

export const SERVERS = {
  holdfast: {
    async start(session) {
      const holdfast = await session.holdfast();
      return { url: holdfast.url, parts: holdfast.parts, keeper: holdfast };
    },
  },
  'no-op': {
    async start(session) {
      const { url, pid, set } = await session.service('no-op', () => startService('ceilings/no-op.ts'));
      const { postmaster } = (await session.holdfast()).parts;
      return { url, parts: { processes: { server: [pid] }, postmaster }, set };
    },
  },
  transaction: onPostgres('transaction', pools),
  'for update': onPostgres('for-update', pools),
  statement: onPostgres('statement', drivenPools),
  batcher: onPostgres('batcher', AS_IT_IS),
  'redis always': onRedis('always'),
  'redis everysec': onRedis('everysec'),
} satisfies Record<string, ServerKind>;
export type ServerName = keyof typeof SERVERS;

function onPostgres(file: string, settings: Setting[]): ServerKind {
  return {
    async start(session) {
      const database = await session.sqlDatabase();
      const { url, pid, set } = await session.service(file, () =>
        startService(`rivals/${file}.ts`, database.connection),
      );
      const { postmaster } = (await session.holdfast()).parts;
      return { url, parts: { processes: { server: [pid] }, postmaster }, keeper: database, settings, set };
    },
  };
}

function onRedis(fsync: Fsync): ServerKind {
  return {
    absent: () => (hasRedis() ? undefined : 'there is no redis-server on the PATH'),
    async start(session) {
      const redis = await session.redis(fsync);
      const { url, pid, set } = await session.service(`redis ${fsync} front`, () =>
        startService('rivals/redis.ts', redis.url),
      );
      const { postmaster } = (await session.holdfast()).parts;
      const processes = { server: [pid], redis: [redis.pid] };
      return { url, parts: { processes, postmaster }, keeper: redis, settings: AS_IT_IS, set };
    },
  };
}
