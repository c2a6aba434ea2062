/** A front that is to take another's place: it is not ready before it knows who may come in. */
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFront } from '../../src/front/front.ts';
import { evenMap } from '../../src/routing/partition-map.ts';
import { listen } from '../../src/wire/link.ts';
import { freePorts, until } from '../helpers/server.ts';

const LATE_MS = 5000;

test('it waits until a worker can say the API keys, and lets nobody in without one from its first request on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-standby-'));
  const socket = join(folder, 'worker.sock');
  let asked = 0;
  let known = false;
  const worker = listen(
    socket,
    (request, answer) => {
      if (request.kind !== 'read-api-keys') return;
      asked++;
      answer(
        known
          ? { kind: 'api-keys', keyring: { everMade: true, keys: [] } }
          : { kind: 'problem', code: 'partition-unavailable' },
      );
    },
    () => {},
  );
  const port = await freePorts(1);
  const spec = { role: 'front', front: 0, host: '127.0.0.1', port, map: evenMap(1, 4, [socket]) } as const;
  const starting = startFront({ ...spec, fronts: 1, mayBeOpen: true, standby: true });
  let isReady = false;
  void starting.then(() => {
    isReady = true;
  });
  await until(
    () => asked >= 3,
    LATE_MS,
    () => 'it does not ask for the keys',
  );
  expect(isReady).toBe(false);
  known = true;
  const front = await starting;
  front.hear({ type: 'listen' });
  expect((await fetch(`http://127.0.0.1:${port}/v1/stock/A`)).status).toBe(401);
  await front.drain();
  worker.stop();
  rmSync(folder, { recursive: true, force: true });
});
