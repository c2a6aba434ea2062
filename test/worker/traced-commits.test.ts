/** A caller that always sends traces: some commits name one, and the others stay the prepared statements that they are. */
import { expect, test } from 'bun:test';
import { TRACED_COMMITS_PER_SECOND } from '../../src/limits.ts';
import type { BatchRows } from '../../src/storage/batch-rows.ts';
import { Actor } from '../../src/worker/actor.ts';
import { Lane } from '../../src/worker/lane.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true };

test('so many commits a second name a trace, and no more', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const named: boolean[] = [];
  const commit = store.commit.bind(store);
  store.commit = async (rows: BatchRows) => {
    named.push(rows.traceparent !== undefined);
    await commit(rows);
  };
  const lane = new Lane(store, clock, () => {});
  lane.epoch = store.database.takePartitions([0]);
  const actor = new Actor(new Partition(0, new Locations(), {} as Host, clock.now()), lane);
  const commits = async (count: number, trace?: typeof TRACE): Promise<void> => {
    for (let i = 1; i <= count; i++) {
      const put = { kind: 'put-level', partition: 0, deadline: Number.POSITIVE_INFINITY } as const;
      actor.receive({ ...put, sku: 'A', location: 'x', onHand: i, trace }, () => {});
      await clock.settle();
    }
  };
  const namedIn = async (run: () => Promise<void>): Promise<number> => {
    named.length = 0;
    await run();
    return named.filter(Boolean).length;
  };
  expect(await namedIn(() => commits(30))).toBe(0);
  expect(await namedIn(() => commits(30, TRACE))).toBe(TRACED_COMMITS_PER_SECOND);
  expect(named).toHaveLength(30);
  await clock.advance(999);
  expect(await namedIn(() => commits(1, TRACE))).toBe(0);
  await clock.advance(1);
  expect(await namedIn(() => commits(30, TRACE))).toBe(TRACED_COMMITS_PER_SECOND);
});
