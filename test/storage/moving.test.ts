/**
 * Invariant I4 where partitions change their owner: one gives them up by a commit and goes on with the others, another joins them
 * to what it has; whoever is late, or does not know, writes nothing.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { commitBatch } from '../../src/storage/commit-batch.ts';
import { Fenced, openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import {
  forgetIdleOwners,
  forgetOwner,
  readCommitSeq,
  takePartitions,
} from '../../src/storage/take-partitions.ts';
import { Batch } from '../../src/worker/batch.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, 4);
  sql = openDatabase(database.spec, 'test', 2);
}, 30_000);

afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await database?.stop();
}, 30_000);

let batchNumber = 0;
let reservations = 0;

/** An owner with its commits, each of which writes a row of a partition, or gives partitions up. */
class Owner {
  private commitSeq = 0;
  private constructor(readonly epoch: number) {}

  static async of(...partitions: number[]): Promise<Owner> {
    return new Owner(await takePartitions(sql, partitions));
  }
  join(...partitions: number[]): Promise<number> {
    return takePartitions(sql, partitions, this.epoch);
  }
  batch(write: (batch: Batch) => void): Batch {
    const batch = new Batch(++batchNumber, Date.now(), batchNumber);
    write(batch);
    batch.seal(this.epoch, ++this.commitSeq);
    return batch;
  }
  async writes(partition: number): Promise<boolean> {
    const id = `00000000-0000-7000-8000-${String(++reservations).padStart(12, '0')}`;
    const at = Date.now();
    const row = { status: 'never', id, home: partition, createdAt: at, expiresAt: at } as const;
    return commits(
      this.batch((batch) => batch.reservation({ ...row, partition, participants: [], lines: '{}' })),
    );
  }
}

async function commits({ rows }: Batch): Promise<boolean> {
  try {
    await commitBatch(sql, rows);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(Fenced);
    return false;
  }
}

async function epochs(): Promise<number[]> {
  const rows = await sql<{ epoch: number }[]>`select epoch from holdfast.partition order by partition`;
  return rows.map(({ epoch }) => epoch);
}

test('given up by one, joined to what another has: both go on, and neither is fenced', async () => {
  const a = await Owner.of(0, 1);
  const b = await Owner.of(2, 3);
  expect(await commits(a.batch((batch) => batch.release(1)))).toBe(true);
  expect(await epochs()).toEqual([a.epoch, 0, b.epoch, b.epoch]);
  expect(await b.join(1)).toBe(b.epoch);
  expect(await epochs()).toEqual([a.epoch, b.epoch, b.epoch, b.epoch]);
  expect([await a.writes(0), await b.writes(1), await b.writes(2)]).toEqual([true, true, true]);
});

test('a release that arrives twice, or late, takes nothing from anyone', async () => {
  const a = await Owner.of(0, 1);
  const b = await Owner.of(2, 3);
  const release = a.batch((batch) => batch.release(1));
  expect(await commits(release)).toBe(true);
  await b.join(1);
  expect(await commits(release)).toBe(false);
  expect(await epochs()).toEqual([a.epoch, b.epoch, b.epoch, b.epoch]);
  // Back again, under the same epoch: the copy still finds its place taken.
  expect(await commits(b.batch((batch) => batch.release(1)))).toBe(true);
  await a.join(1);
  expect(await commits(release)).toBe(false);
  expect([await a.writes(1), await a.writes(0)]).toEqual([true, true]);
});

test('what nobody gave up is taken by force: its owner loses all, whoever takes goes on', async () => {
  const a = await Owner.of(0, 1);
  const b = await Owner.of(2, 3);
  expect(await a.writes(1)).toBe(true);
  await b.join(1);
  expect(await readCommitSeq(sql, a.epoch)).toBeUndefined();
  expect([await a.writes(1), await a.writes(0), await b.writes(1)]).toEqual([false, false, true]);
  // It gives up what is not its own any more.
  expect(await commits(a.batch((batch) => batch.release(1)))).toBe(false);
  expect((await epochs())[1]).toBe(b.epoch);
});

test('one that was fenced joins nothing, and fences nobody', async () => {
  const a = await Owner.of(0, 1);
  const b = await Owner.of(2);
  await Owner.of(2, 3);
  expect(await b.join(0).catch((error) => error)).toBeInstanceOf(Fenced);
  expect(await a.writes(0)).toBe(true);
});

test('two that take the same one at once: one of them has it, the other is fenced', async () => {
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await Owner.of(0), await Owner.of(1)];
    await Owner.of(2, 3);
    await Promise.all([a.join(2), b.join(2)]);
    const written = [await a.writes(2), await b.writes(2)];
    expect(written.filter(Boolean)).toHaveLength(1);
    expect((await epochs())[2]).toBe(written[0] ? a.epoch : b.epoch);
  }
});

test('an owner that has nothing is forgotten, and refused for ever; one that has something is not', async () => {
  await Owner.of(2, 3);
  const [a, b] = [await Owner.of(0), await Owner.of(1)];
  expect(await commits(a.batch((batch) => batch.release(0)))).toBe(true);
  await forgetOwner(sql, a.epoch);
  await forgetOwner(sql, b.epoch);
  expect(await readCommitSeq(sql, a.epoch)).toBeUndefined();
  expect([await a.writes(0), await b.writes(1)]).toEqual([false, true]);
  expect(await a.join(0).catch((error) => error)).toBeInstanceOf(Fenced);
  expect((await epochs())[0]).toBe(0);

  // As one that is killed after it has given everything up.
  const c = await Owner.of(0);
  await commits(c.batch((batch) => batch.release(0)));
  await forgetIdleOwners(sql);
  const owners = await sql<{ epoch: number }[]>`select epoch from holdfast.owner`;
  expect(owners.map(({ epoch }) => epoch).sort()).toEqual(
    [...new Set(await epochs())].filter(Boolean).sort(),
  );
  expect([await c.writes(0), await b.writes(1)]).toEqual([false, true]);
});
