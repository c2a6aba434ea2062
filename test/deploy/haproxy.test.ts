/**
 * The configuration of HAProxy, between a client and two fronts: it is without a warning, spreads requests, hands on the
 * caller's id, and sends again what is safe to be sent again when a front is killed under load.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scrape } from '../helpers/open-metrics.ts';
import { freePorts, REPOSITORY, startServer, type TestServer, until } from '../helpers/server.ts';
import { forEachAtOnce, type Reservation, Shop } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
const CONFIGURATION = join(REPOSITORY, 'deploy', 'haproxy', 'haproxy.cfg');
const LOAD = 2000;
const AT_ONCE = 32;
const PATIENCE_MS = 1000;
const present = Bun.which('haproxy') !== null;

test.if(present || process.env.CI !== undefined)('haproxy takes the configuration as it is', () => {
  // -dW: a warning is an error.
  const { exitCode, stderr } = Bun.spawnSync(['haproxy', '-c', '-dW', '-f', CONFIGURATION]);
  expect([exitCode, stderr.toString()]).toEqual([0, expect.any(String)]);
});

let server: TestServer;
let proxy: Bun.Subprocess;
let folder: string;
let port: number;
let log = '';
beforeAll(async () => {
  if (!present) return;
  server = await startServer({ env: { HOLDFAST_FRONTS: '2', HOLDFAST_WORKERS: '1' } });
  port = await freePorts(1);
  folder = mkdtempSync(join(tmpdir(), 'holdfast-haproxy-'));
  const moved = readFileSync(CONFIGURATION, 'utf8')
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replace('127.0.0.1:3000', `127.0.0.1:${server.port}`)
    .replace('127.0.0.1:3001', `127.0.0.1:${server.port + 1}`);
  writeFileSync(join(folder, 'haproxy.cfg'), moved);
  const child = Bun.spawn(['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  proxy = child;
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) log += decoder.decode(chunk, { stream: true });
  })();
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/livez`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(answers, SLOW_MS, () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended with code ${child.exitCode}`);
    return 'haproxy does not answer';
  });
}, SLOW_MS);
afterAll(async () => {
  if (!present) return;
  proxy.kill();
  await proxy.exited;
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}, SLOW_MS);

async function servedByFront(): Promise<number[]> {
  const requests = (await scrape(server.url)).get('holdfast_http_requests')!.samples;
  return [0, 1].map((front) =>
    requests
      .filter(({ labels }) => labels.process === `front ${front}` && labels.route === '/v1/reservations')
      .reduce((sum, { value }) => sum + value, 0),
  );
}

test.if(present)('requests go to both fronts', async () => {
  const shop = new Shop({ port });
  await shop.put('SPREAD', 'dc1', 1000);
  await forEachAtOnce(Array.from({ length: 40 }), 8, async () => {
    expect((await shop.hold([{ sku: 'SPREAD', quantity: 1 }])).status).toBe(201);
  });
  for (const served of await servedByFront()) expect(served).toBeGreaterThan(10);
});

test.if(present)("a caller's id is handed on, and one is made where there is none", async () => {
  const given = await fetch(`http://127.0.0.1:${port}/v1/stock/SPREAD`, {
    headers: { 'x-request-id': 'till-4711' },
  });
  expect(given.headers.get('x-request-id')).toBe('till-4711');
  const made = (await fetch(`http://127.0.0.1:${port}/v1/stock/SPREAD`)).headers.get('x-request-id');
  expect(made).toMatch(/^[0-9a-f-]{36}$/);
  await until(
    () => log.includes(`request=${made} `),
    SLOW_MS,
    () => log,
  );
  expect(log).toContain('request=till-4711 ');
});

test.if(present)(
  'a front is killed under load: whoever cancels and reads hears nothing of it',
  async () => {
    const shop = new Shop({ port });
    await shop.put('KILLED', 'dc1', LOAD);
    const body = Array.from({ length: LOAD }, () => ({ lines: [{ sku: 'KILLED', quantity: 1 }] }));
    const held = await shop.call<{ results: { reservation: Reservation }[] }>(
      'POST',
      '/v1/reservations/batch',
      body,
    );
    const statuses: number[] = [];
    await forEachAtOnce(held.body.results, AT_ONCE, async ({ reservation: { id } }, index) => {
      if (index === LOAD / 4) process.kill(server.frontPids()[0], 'SIGKILL');
      statuses.push((await shop.cancel(id)).status, (await shop.read(id)).status);
    });
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(await shop.level('KILLED', 'dc1')).toMatchObject({ reserved: 0, available: LOAD });
    expect(log).toMatch(/retries=\+?[1-9]/);
  },
  SLOW_MS,
);

test.if(present)(
  'when no front answers, that is a problem to be repeated',
  async () => {
    for (const pid of server.frontPids()) process.kill(pid, 'SIGSTOP');
    try {
      const ask = () => fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      let refused: Response | undefined;
      const isRefused = async (): Promise<boolean> => {
        refused = await ask().catch(() => undefined);
        return refused?.ok === false;
      };
      await until(isRefused, SLOW_MS, () => log);
      expect(refused!.status).toBe(503);
      expect(refused!.headers.get('content-type')).toBe('application/problem+json');
      expect(refused!.headers.get('retry-after')).toBe('1');
      expect(await refused!.json()).toMatchObject({ code: 'outcome-unknown' });
    } finally {
      for (const pid of server.frontPids()) process.kill(pid, 'SIGCONT');
    }
  },
  SLOW_MS,
);
