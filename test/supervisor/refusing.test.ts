/** A start that can't succeed ends with one clear line and a non-zero code, and leaves nothing. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { freePorts, type Home, makeHome, processesOf, startRefused, startServer } from '../helpers/server.ts';

const SLOW_MS = 60_000;
let home: Home;
beforeAll(async () => {
  home = await makeHome();
});
afterAll(() => home.remove());

async function refusedLine(env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await startRefused(home, env);
  expect(stdout).toBe('');
  const lines = stderr.trimEnd().split('\n');
  expect([code, lines]).toEqual([1, [expect.stringMatching(/^holdfast: /)]]);
  expect(processesOf(home.dataDir)).toEqual([]);
  return lines[0];
}

test('a wrong setting', async () => {
  expect(await refusedLine({ HOLDFAST_WORKERS: 'many' })).toBe(
    'holdfast: HOLDFAST_WORKERS is "many"; allowed is a whole number from 1 to 64',
  );
});

test('a port that is taken, of any front', async () => {
  const port = await freePorts(2);
  const other: Server = createServer().listen(port + 1, '127.0.0.1');
  try {
    const line = await refusedLine({ PORT: String(port), HOLDFAST_FRONTS: '2' });
    expect(line).toContain(`PORT ${port + 1} is already in use`);
  } finally {
    other.close();
  }
});

test('a host that is not of this machine', async () => {
  expect(await refusedLine({ HOST: '192.0.2.1' })).toContain('HOST is 192.0.2.1, which is not an address');
});

test('a data folder that cannot be made', async () => {
  const file = join(dirname(home.dataDir), 'a-file');
  writeFileSync(file, '');
  const line = await refusedLine({ HOLDFAST_DATA_DIR: join(file, 'data') });
  expect(line).toContain(`HOLDFAST_DATA_DIR is ${join(file, 'data')}, which cannot be written (ENOTDIR)`);
});

test(
  'a second server on the data folder, which names the first',
  async () => {
    const server = await startServer();
    try {
      const { code, stderr } = await startRefused(server.home, {});
      expect(code).toBe(1);
      expect(stderr).toBe(
        `holdfast: another server (process ${server.pid}) runs on the data folder ${server.home.dataDir}; stop it, or set HOLDFAST_DATA_DIR to another folder\n`,
      );
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    } finally {
      await server.stop();
    }
  },
  SLOW_MS,
);

test(
  'a database that nobody answers for, without its password',
  async () => {
    const port = await freePorts(1);
    const line = await refusedLine({ DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/shop` });
    expect(line).toContain(`127.0.0.1:${port}/shop`);
    expect(line).toContain('cannot be reached');
    expect(line).not.toContain('hunter2');
  },
  SLOW_MS,
);

test(
  'a database that accepts connections and says nothing',
  async () => {
    const silent: Server = createServer(() => {}).listen(0, '127.0.0.1');
    try {
      const { port } = silent.address() as { port: number };
      const startedAt = Date.now();
      expect(await refusedLine({ DATABASE_URL: `postgres://127.0.0.1:${port}/shop` })).toContain(
        'cannot be reached',
      );
      expect(Date.now() - startedAt).toBeLessThan(8000);
    } finally {
      silent.close();
    }
  },
  SLOW_MS,
);

test(
  'another number of partitions than the database was created with',
  async () => {
    const first = await startServer({ home, env: { HOLDFAST_PARTITIONS: '16' } });
    await first.stop();
    const line = await refusedLine({ HOLDFAST_PARTITIONS: '32' });
    expect(line).toContain('HOLDFAST_PARTITIONS is 32');
    expect(line).toContain('created with 16');
  },
  SLOW_MS,
);
