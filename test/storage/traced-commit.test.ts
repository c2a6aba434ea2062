/** A commit that is part of a trace has a text of its own each time, and must not leave one prepared each time. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { systemClock } from '../../src/clock.ts';
import { commitBatch } from '../../src/storage/commit-batch.ts';
import { openLane, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { openReadStore } from '../../src/storage/read-store.ts';
import { Batch } from '../../src/worker/batch.ts';
import { Partition } from '../../src/worker/partition.ts';
import { recover } from '../../src/worker/recovery.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

const TRACED = 20;
const KEYS_MS = 86_400_000;
let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, 1);
  sql = openLane(database.spec, 'test lane');
}, 30_000);
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.stop();
}, 30_000);

test('commits with and without a trace write the same, and only those without are prepared', async () => {
  const partition = new Partition(0, new Locations(), {} as Host, systemClock.now());
  const reader = openReadStore(database.spec, 'test reads');
  const { epoch } = await recover(reader, [partition], systemClock, KEYS_MS);
  await reader.close();
  let commitSeq = 0;
  const commit = async (traceparent?: string): Promise<void> => {
    const batch = new Batch(++commitSeq, systemClock.now(), commitSeq);
    const put = { kind: 'put-level', partition: 0, deadline: Infinity, sku: 'A', location: 'x' } as const;
    partition.decide(batch, batch.rows.at, { ...put, onHand: commitSeq }, () => {});
    if (traceparent !== undefined)
      batch.follow({ traceId: traceparent, spanId: 'b7ad6b7169203331', sampled: true });
    batch.seal(epoch, commitSeq);
    await commitBatch(sql, batch.rows);
    batch.landed();
  };
  const prepared = async (): Promise<string[]> =>
    (await sql<{ statement: string }[]>`select statement from pg_prepared_statements`)
      .map(({ statement }) => statement)
      .filter((statement) => statement.includes('commit_seq = $2'));

  // A new level, and a change of one: two statements.
  await commit();
  await commit();
  expect(await prepared()).toHaveLength(2);
  for (let i = 0; i < TRACED; i++) await commit(crypto.randomUUID().replaceAll('-', ''));
  expect(await prepared()).toHaveLength(2);
  await commit();
  const [level] = await sql`select on_hand as "onHand", version from holdfast.stock_level`;
  expect(level).toEqual({ onHand: commitSeq, version: commitSeq });
  expect(await prepared()).toHaveLength(2);
});
