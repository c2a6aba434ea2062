/** Whether the database answers is asked over a connection of its own: it says so also while every other read waits. */
import { expect, test } from 'bun:test';
import { PING_WAIT_MS, READS_AT_ONCE } from '../../src/limits.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { openReadStore } from '../../src/storage/read-store.ts';
import { startPostgres } from '../helpers/postgres.ts';

const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0000';

test('behind a burst of reads that wait, the database does not seem to be away', async () => {
  const database = await startPostgres();
  await prepareDatabase(database.spec, 1);
  const sql = openDatabase(database.spec, 'test');
  const reader = openReadStore(database.spec, 'test reads');
  const epoch = await reader.takePartitions([0]);
  let read = 0;
  let reads: Promise<unknown>[] = [];
  await sql.begin(async (transaction) => {
    await transaction`lock table holdfast.reservation in access exclusive mode`;
    reads = Array.from({ length: READS_AT_ONCE * 3 }, () => reader.findReservation(0, ID).then(() => read++));
    const answer = await Promise.race([reader.readCommitSeq(epoch), Bun.sleep(PING_WAIT_MS)]);
    expect([answer, read]).toEqual([0, 0]);
  });
  await Promise.all(reads);
  await reader.close();
  await sql.end({ timeout: 1 });
  await database.stop();
}, 30_000);
