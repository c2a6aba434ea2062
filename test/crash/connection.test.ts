/**
 * Connections that break with something still unwritten, or are asked in the very moment in which they
 * break: the next query must go out over a whole one, however the old one ended.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type CommitStore, openCommitStore } from '../../src/storage/commit-store.ts';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { takePartitions } from '../../src/storage/take-partitions.ts';
import { Batch } from '../../src/worker/batch.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

const PARTITIONS = 4;
const SLOW_MS = 60_000;
const ANSWER_MS = 10_000;
const ROUNDS = 25;
const NAME = 'broken lane';
const embedded = !process.env.DATABASE_URL;

let database: TestDatabase;
let sql: Sql;
let store: CommitStore;
let epoch: number;
let commitSeq = 0;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, PARTITIONS);
  sql = openDatabase(database.spec, 'test', 1);
  epoch = await takePartitions(sql, [1]);
  store = openCommitStore(database.spec, NAME);
}, SLOW_MS);

afterAll(async () => {
  await Promise.all([sql.end(), store.close()]);
  await database.stop();
}, SLOW_MS);

/** A commit that only moves its owner on: what it changes is not there. @param rows makes it as large as wanted */
function nextBatch(rows = 1): Batch {
  const batch = new Batch(++commitSeq, 0, commitSeq);
  const amendment = { status: 'cancelled', expiresAt: 0, sold: null };
  for (let row = 0; row < rows; row++) batch.changeOf(1, crypto.randomUUID(), 'held', amendment);
  batch.seal(epoch, commitSeq);
  return batch;
}

async function backend(): Promise<number> {
  const [row] =
    await sql`select pid from pg_stat_activity where application_name = ${`holdfast ${NAME}`} order by backend_start desc`;
  return row?.pid;
}

/** As a lane does: asks what landed at once, and sends again what did not. */
async function resolve(batches: Batch[]): Promise<void> {
  for (;;) {
    try {
      for (const { rows } of batches) {
        if ((await store.readCommitSeq(epoch))! < rows.owner.commitSeq) await store.commit(rows);
      }
      return;
    } catch (error) {
      expect(store.failureKind(error)).not.toBe('defect');
      await Bun.sleep(20);
    }
  }
}

interface Break {
  before?(pid: number): void;
  whileOnTheirWay(pid: number): Promise<unknown>;
}

async function survive({ before, whileOnTheirWay }: Break, size: number): Promise<void> {
  await resolve([nextBatch()]);
  const pid = await backend();
  before?.(pid);
  const batches = [nextBatch(size), nextBatch()];
  const sent = batches.map(({ rows }) => store.commit(rows).catch(() => {}));
  await whileOnTheirWay(pid);
  // As a lane does: the first thing after the last failure, in the same turn of the event loop.
  const done = Promise.all(sent).then(() => resolve(batches));
  expect(await Promise.race([done, Bun.sleep(ANSWER_MS).then(() => 'no answer')])).toBeUndefined();
  expect(await store.readCommitSeq(epoch)).toBe(commitSeq);
}

for (const size of [1, 2000]) {
  test(
    `told to end, with ${size} rows on their way`,
    async () => {
      const whileOnTheirWay = (pid: number) => sql`select pg_terminate_backend(${pid})`;
      for (let round = 0; round < ROUNDS; round++) await survive({ whileOnTheirWay }, size);
    },
    SLOW_MS,
  );

  // Stopped first, so that it dies with unread bytes, which resets the connection.
  test.if(embedded)(
    `killed, with ${size} rows on their way`,
    () =>
      survive(
        {
          before: (pid) => process.kill(pid, 'SIGSTOP'),
          async whileOnTheirWay(pid) {
            await Bun.sleep(50);
            process.kill(pid, 'SIGKILL');
          },
        },
        size,
      ),
    SLOW_MS,
  );
}
