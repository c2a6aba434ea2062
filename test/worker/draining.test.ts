/** A worker that drains forgets its owner; that it is then not there any more must not be taken for another one's doing. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { log } from '../../src/observability/log.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { ReadStore } from '../../src/storage/read-store.ts';
import { runWorker, type WorkerParts } from '../../src/worker/worker.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const EPOCH = 1;
const DRAINS = 100;
/** In which the owner is asked about once; the drains are spread over it. */
const PULSE_MS = 1000;

beforeAll(() => {
  spyOn(log, 'info').mockImplementation(() => {});
});
afterAll(() => {
  spyOn(log, 'info').mockRestore();
});

/** A worker whose database is so many milliseconds away and back. */
async function start(roundTripMs: number) {
  const clock = new ManualClock();
  const failures: string[] = [];
  let owner: number | undefined = 0;
  const asked = async <T>(run: () => T): Promise<T> => {
    const half = () => new Promise<void>((resolve) => clock.after(roundTripMs / 2, resolve));
    await half();
    const answer = run();
    await half();
    return answer;
  };
  const reader: Partial<ReadStore> = {
    takePartitions: async () => EPOCH,
    load: async () => {},
    readCommitSeq: () => asked(() => owner),
    forgetOwner: () =>
      asked(() => {
        owner = undefined;
      }),
    failureKind: () => 'ambiguous',
    failureText: String,
    close: async () => {},
  };
  const starting = runWorker({
    worker: 0,
    map: { version: 1, owner: [0], sockets: ['0'] },
    clock,
    stores: [{ close: async () => {} } as CommitStore],
    reader: reader as ReadStore,
    searches: { receive() {} },
    wire: { listen: () => ({ unanswered: 0, stop() {} }) } as unknown as WorkerParts['wire'],
    keysMs: 60_000,
    memoryBytes: () => 0,
    fail: (reason, detail) => failures.push(`${reason}: ${detail}`),
  });
  await clock.advance(2 * roundTripMs);
  return { clock, failures, worker: await starting };
}

test.each([2, 20, 100])('%d ms from its database, whenever it drains', async (roundTripMs) => {
  for (let drain = 0; drain < DRAINS; drain++) {
    const { clock, failures, worker } = await start(roundTripMs);
    await clock.advance(PULSE_MS + (drain * PULSE_MS) / DRAINS);
    let isDrained = false;
    void worker.drain().then(() => {
      isDrained = true;
    });
    await clock.advance(2 * PULSE_MS);
    expect([isDrained, failures]).toEqual([true, []]);
  }
});
