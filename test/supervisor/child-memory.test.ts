/** How workers and fronts are told to treat memory that they have freed. */
import { afterEach, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { startServer, type TestServer } from '../helpers/server.ts';

let server: TestServer | undefined;
afterEach(() => server?.stop());

test.if(process.platform === 'linux')(
  'they keep it for a while, or as the operator has set it',
  async () => {
    server = await startServer({ env: { MIMALLOC_PURGE_DELAY: '7' } });
    for (const pid of [...server.workerPids(), ...server.frontPids()]) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      expect(environment).toContain('MIMALLOC_PURGE_DELAY=7');
      expect(environment).toContain('MIMALLOC_PURGE_HOLES=0');
    }
  },
  60_000,
);
