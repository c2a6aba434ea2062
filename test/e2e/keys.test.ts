/** Keys at a whole server that others can reach: none, no start; made and revoked while it runs; there again after it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { API_KEYS_EVERY_MS, API_KEYS_WAIT_MS } from '../../src/limits.ts';
import { bearer, createKey, keysCommand } from '../helpers/api-keys.ts';
import { openBooks } from '../helpers/books.ts';
import {
  type Home,
  makeHome,
  processesOf,
  startRefused,
  startServer,
  type TestServer,
  until,
} from '../helpers/server.ts';

const SLOW_MS = 60_000;
const EXPOSED = { HOST: '0.0.0.0', HOLDFAST_FRONTS: '2', HOLDFAST_LOG_LEVEL: 'debug' };
let home: Home;
let server: TestServer | undefined;
const made: string[] = [];

beforeAll(async () => {
  home = await makeHome();
});
afterAll(async () => {
  await server?.stop();
  await home.remove();
}, SLOW_MS);

const make = async (...args: string[]): Promise<string> => {
  const text = await createKey(home, ...args);
  made.push(text);
  return text;
};
const idOf = (text: string): string => text.split('_')[1];

/** What both fronts answer. */
async function statuses(path: string, key?: string): Promise<number[]> {
  const { port } = server!;
  const headers = key === undefined ? undefined : bearer(key);
  const asked = [port, port + 1].map((front) => fetch(`http://127.0.0.1:${front}${path}`, { headers }));
  return (await Promise.all(asked)).map(({ status }) => status);
}

/** Resolves when both fronts answer so, which must be within the time that is promised. */
async function inTime(path: string, key: string, status: number): Promise<void> {
  const isSo = async (): Promise<boolean> => (await statuses(path, key)).every((one) => one === status);
  await until(isSo, API_KEYS_EVERY_MS + API_KEYS_WAIT_MS, () => `${path} is not ${status} yet`);
}

async function refusal(): Promise<string> {
  const { code, stdout, stderr } = await startRefused(home, EXPOSED);
  expect([code, stdout]).toEqual([1, '']);
  expect(processesOf(home.dataDir)).toEqual([]);
  return stderr.split('\n').find((line) => line.startsWith('holdfast: '))!;
}

test(
  'without a key, nothing listens where others could reach it',
  async () => {
    expect(await refusal()).toBe(
      'holdfast: HOST is 0.0.0.0, which others can reach, and there is no API key that they would need: make one with `bun run keys create --name admin --scope admin`, or leave HOST at 127.0.0.1',
    );
  },
  SLOW_MS,
);

test(
  'with one, everybody needs one',
  async () => {
    const admin = await make('--scope', 'admin');
    server = await startServer({ home, env: EXPOSED });
    expect(await statuses('/admin/partitions')).toEqual([401, 401]);
    expect(await statuses('/admin/partitions', admin)).toEqual([200, 200]);
    expect(await statuses('/metrics')).toEqual([401, 401]);
    expect(await statuses('/metrics', admin)).toEqual([200, 200]);
    expect(await statuses('/livez')).toEqual([200, 200]);
    expect(await statuses('/swagger')).toEqual([200, 200]);
  },
  SLOW_MS,
);

test(
  'one that is made or revoked is so at every front, in time',
  async () => {
    const reader = await make('--scope', 'read', '--rate', '2000/s');
    await inTime('/v1/stock/nothing', reader, 404);
    expect(await statuses('/admin/partitions', reader)).toEqual([403, 403]);
    const limited = await fetch(`${server!.url}/v1/stock/nothing`, { headers: bearer(reader) });
    expect(limited.headers.get('ratelimit-policy')).toBe('"key";q=1000;w=1');
    expect((await keysCommand(home, 'revoke', idOf(reader))).code).toBe(0);
    await inTime('/v1/stock/nothing', reader, 401);
    expect(await statuses('/v1/stock/nothing', made[0])).toEqual([404, 404]);
  },
  SLOW_MS,
);

test(
  'when the last one is revoked nobody gets in, until there is another, which outlives the server',
  async () => {
    expect((await keysCommand(home, 'revoke', idOf(made[0]))).code).toBe(0);
    await inTime('/v1/stock/nothing', made[0], 401);
    expect(await statuses('/v1/stock/nothing')).toEqual([401, 401]);
    expect(await statuses('/readyz')).toEqual([200, 200]);
    const output = server!.output();
    await server!.stop();
    server = undefined;
    expect(await refusal()).toContain('there is no API key');

    const next = await make('--scope', 'admin', '--expires', '1h');
    server = await startServer({ home, env: EXPOSED });
    expect(await statuses('/v1/stock/nothing', next)).toEqual([404, 404]);
    expect(await statuses('/v1/stock/nothing', made[0])).toEqual([401, 401]);
    // Also where nobody else reaches it: it had keys once.
    await server.stop();
    server = await startServer({ home });
    expect((await fetch(`${server.url}/v1/stock/nothing`)).status).toBe(401);

    const lines = output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    expect(lines).toContainEqual(
      expect.objectContaining({
        event: 'request.served',
        route: '/metrics',
        apiKey: idOf(made[0]),
        status: 200,
      }),
    );
    for (const front of ['front 0', 'front 1'])
      expect(lines).toContainEqual(
        expect.objectContaining({
          event: 'admin.keys-changed',
          process: front,
          removed: [idOf(made[0])],
          usable: 0,
        }),
      );
    for (const text of made) {
      const secret = text.split('_')[2];
      expect(output + server.output()).not.toContain(secret);
      expect(await stored()).not.toContain(secret);
    }
  },
  SLOW_MS,
);

async function stored(): Promise<string> {
  const sql = openBooks(server!);
  try {
    const rows = await sql`select k::text, encode(secret_sha256, 'escape') from holdfast.api_key k`;
    expect(rows).toHaveLength(made.length);
    return JSON.stringify(rows);
  } finally {
    await sql.end();
  }
}
