/** A front that is started, also in another's place: whether it takes requests before it knows who may come in. */
import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFront } from '../../src/front/front.ts';
import { API_KEYS_BEFORE_LISTENING_MS } from '../../src/limits.ts';
import type { Running } from '../../src/process.ts';
import { evenMap } from '../../src/routing/partition-map.ts';
import { listen } from '../../src/wire/link.ts';
import { freePorts, until } from '../helpers/server.ts';

const LATE_MS = 5000;

let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** A front, and a worker that can't say the keys before it `knows` them; the other one, if there is one, says nothing at all. */
async function start(standby: boolean, beside: 'nobody' | 'a silent worker' = 'nobody') {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-standby-'));
  const socket = join(folder, 'worker.sock');
  const state = { asked: 0, known: false, isStarted: false };
  const worker = listen(
    socket,
    (request, answer) => {
      if (request.kind !== 'read-api-keys') return;
      state.asked++;
      answer(
        state.known
          ? { kind: 'api-keys', keyring: { everMade: true, keys: [] } }
          : { kind: 'problem', code: 'partition-unavailable' },
      );
    },
    () => {},
  );
  const silent = join(folder, 'silent.sock');
  const hung = listen(
    silent,
    () => {},
    () => {},
  );
  const sockets = beside === 'nobody' ? [socket] : [socket, silent];
  const port = await freePorts(1);
  const spec = { role: 'front', front: 0, host: '127.0.0.1', port, map: evenMap(1, 4, sockets) } as const;
  const starting = startFront({ ...spec, fronts: 1, mayBeOpen: true, standby });
  const started = starting.then((front): Running => {
    state.isStarted = true;
    return front;
  });
  ends = [
    () => rmSync(folder, { recursive: true, force: true }),
    () => worker.stop(),
    () => hung.stop(),
    async () => {
      state.known = true;
      await (await started).drain();
    },
  ];
  const hasAsked = (): boolean => state.asked >= 3;
  await until(hasAsked, LATE_MS, () => 'it does not ask for the keys');
  const statusOf = (path: string): Promise<number> =>
    fetch(`http://127.0.0.1:${port}${path}`).then(({ status }) => status);
  return { state, started, statusOf };
}

test('in the place of another, it waits until a worker can say the API keys, and lets nobody in without one from its first request on', async () => {
  const { state, started, statusOf } = await start(true);
  expect(state.isStarted).toBe(false);
  state.known = true;
  const front = await started;
  front.hear({ type: 'listen' });
  expect(await statusOf('/v1/stock/A')).toBe(401);
});

test('started again, it listens when it knows them: whoever comes to it is not told that it does not', async () => {
  const { state, started, statusOf } = await start(false);
  expect(state.isStarted).toBe(false);
  await expect(statusOf('/livez')).rejects.toThrow('Unable to connect');
  state.known = true;
  await started;
  expect(await statusOf('/v1/stock/A')).toBe(401);
});

test('and where no worker says them, it listens nevertheless, and says so', async () => {
  const startedAt = performance.now();
  const { started, statusOf } = await start(false);
  await started;
  expect(performance.now() - startedAt).toBeGreaterThan(API_KEYS_BEFORE_LISTENING_MS - 1);
  expect([await statusOf('/livez'), await statusOf('/v1/stock/A')]).toEqual([200, 503]);
});

test('a worker that hangs does not keep it from hearing what another one says', async () => {
  const { state, started, statusOf } = await start(false, 'a silent worker');
  state.known = true;
  await started;
  expect(await statusOf('/v1/stock/A')).toBe(401);
});
