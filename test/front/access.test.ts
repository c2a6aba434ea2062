/** Who gets in, at a real front whose worker says which keys there are: each scope at each call, and what is refused how. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from 'bun:test';
import { SCOPES, type Scope } from '../../src/access/scopes.ts';
import { patternOf } from '../../src/front/http-metrics.ts';
import { routes } from '../../src/front/routes.ts';
import { API_KEYS_EVERY_MS, API_KEYS_WAIT_MS, BODY_BYTES_MAX } from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import { bearer, keyringOf, type TestKey, testKey } from '../helpers/api-keys.ts';
import { until } from '../helpers/server.ts';
import { type ScriptedFront, speak, startScriptedFront } from './scripted-front.ts';

const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';
const keys = Object.fromEntries(SCOPES.map((scope) => [scope, testKey([scope])])) as Record<Scope, TestKey>;
const expired = testKey(['admin'], { expiresAt: Date.now() - 1 });
let front: ScriptedFront;

beforeAll(async () => {
  front = await startScriptedFront(
    ({ kind }) => (kind === 'status' ? undefined : { kind: 'problem', code: 'overloaded' }),
    keyringOf(...Object.values(keys), expired),
  );
});
afterAll(() => front.stop());

const ask = (method: string, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(front.url + path, { method, headers });
const codeOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as { code: string }).code;

/** By the scopes that get in; those of a route that is new belong here. */
const NEEDS: Record<string, string[]> = {
  'read reserve stock admin': [
    'GET /v1/stock/{sku}',
    'GET /v1/stock/{sku}/ledger',
    'GET /v1/stock/export',
    'POST /v1/stock/query',
    'GET /v1/reservations',
    'GET /v1/reservations/{id}',
  ],
  'reserve admin': [
    'POST /v1/reservations',
    'POST /v1/reservations/batch',
    'POST /v1/reservations/{id}/confirm',
    'POST /v1/reservations/{id}/extend',
    'POST /v1/reservations/{id}/cancel',
  ],
  'stock admin': [
    'PUT /v1/stock/{sku}/{location}',
    'POST /v1/stock/{sku}/{location}/adjustments',
    'POST /v1/stock/import',
  ],
  admin: ['GET /metrics', 'GET /admin/partitions'],
};
const PUBLIC = ['GET /livez', 'GET /readyz'];
const cases = Object.entries(NEEDS).flatMap(([scopes, calls]) =>
  calls.map((call): [string, string[]] => [call, scopes.split(' ')]),
);

test('every route has its place in the table', () => {
  const served = routes(undefined as never).routes.map(({ method, path }) => `${method} ${patternOf(path)}`);
  expect([...cases.map(([call]) => call), ...PUBLIC].sort()).toEqual(served.sort());
});

test.each(cases)('%s lets in %p', async (call, scopes) => {
  const [method, pattern] = call.split(' ');
  const path = pattern.replace('{sku}', 'A').replace('{location}', 'x').replace('{id}', ID);
  for (const scope of SCOPES) {
    const response = await ask(method, path, keys[scope].headers);
    const isLetIn = ![401, 403].includes(response.status);
    expect([scope, isLetIn]).toEqual([scope, scopes.includes(scope)]);
    if (isLetIn) continue;
    expect(await response.json()).toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining(`\`${scopes[0]}\``),
    });
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer realm="holdfast", error="insufficient_scope", scope="${scopes[0]}"`,
    );
  }
  const without = await ask(method, path);
  expect([without.status, await codeOf(without)]).toEqual([401, 'unauthorized']);
  expect(without.headers.get('www-authenticate')).toBe('Bearer realm="holdfast"');
});

test.each([
  '/livez',
  '/readyz',
  '/swagger',
  '/swagger/json',
  '/swagger/start.js',
  '/problems',
  '/problems/forbidden',
])('%s needs no key', async (path) => {
  expect((await ask('GET', path)).status).toBe(200);
});

test('what there is not is told to nobody without a key', async () => {
  for (const [method, path] of [
    ['GET', '/v1/nothing'],
    ['DELETE', '/v1/stock/A'],
    ['OPTIONS', '/v1/stock/A'],
    ['GET', '/livez/more'],
  ])
    expect((await ask(method, path)).status).toBe(401);
  expect((await ask('GET', '/v1/nothing', keys.read.headers)).status).toBe(404);
  expect((await ask('DELETE', '/v1/stock/A', keys.read.headers)).status).toBe(405);
});

describe('refused, whatever else is right', () => {
  const { text } = keys.admin;
  const changed = text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');
  test.each([
    ['another secret', bearer(changed)],
    ["another key's secret", bearer(`hf_${keys.admin.id}_${keys.read.text.split('_')[2]}`)],
    ['an unknown id', bearer(testKey(['admin']).text)],
    ['an expired key', expired.headers],
    ['its hash', bearer(`hf_${keys.admin.id}_${keys.admin.hash}`)],
    ['a part of it', bearer(text.slice(0, -1))],
    ['more than it', bearer(`${text}0`)],
    ['capitals', bearer(text.toUpperCase())],
    ['nothing', bearer('')],
    ['no scheme', { authorization: text }],
    ['another scheme', { authorization: `Basic ${btoa(`x:${text}`)}` }],
    ['a text that is no key', bearer('secret')],
  ])('%s', async (_what, headers) => {
    const response = await ask('GET', '/admin/partitions', headers);
    expect([response.status, await codeOf(response)]).toEqual([401, 'unauthorized']);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="holdfast", error="invalid_token"');
  });

  test('and nothing reaches a worker', async () => {
    front.asked.length = 0;
    await ask('GET', '/v1/stock/A', bearer(changed));
    await fetch(`${front.url}/v1/stock/A/x`, {
      method: 'PUT',
      headers: { ...keys.read.headers, 'content-type': 'application/json' },
      body: '{"onHand":1}',
    });
    expect(front.asked).toEqual([]);
  });
});

test('the scheme is written as one likes', async () => {
  for (const scheme of ['bearer', 'BEARER', 'Bearer '])
    expect(
      (await ask('GET', '/admin/partitions', { authorization: `${scheme} ${keys.admin.text}` })).status,
    ).toBe(200);
});

test('a page that a person opens may ask for the key as a password; what changes something may not', async () => {
  const basic = (key: TestKey) => ({ authorization: `Basic ${btoa(`anyone:${key.text}`)}` });
  const asked = await ask('GET', '/dashboard');
  expect(asked.status).toBe(401);
  expect(asked.headers.get('www-authenticate')).toContain('Basic realm="holdfast"');
  expect((await ask('POST', '/dashboard', basic(keys.admin))).status).toBe(401);
  expect((await ask('GET', '/admin/partitions', basic(keys.admin))).status).toBe(401);
});

test('a refused upload does not go on arriving', async () => {
  const head = `POST /v1/stock/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: ${BODY_BYTES_MAX + 1}\r\n\r\nsku`;
  const { text } = await speak(front.port, [{ bytes: head }], 2000);
  expect(text).toStartWith('HTTP/1.1 401');
  expect(text.toLowerCase()).toContain('connection: close');
});

test('keys come and go while the front runs, in time, and what it knew stays while no worker answers', async () => {
  const logged = spyOn(log, 'info').mockImplementation(() => {});
  const changing = await startScriptedFront(() => undefined);
  const status = async (headers = {}): Promise<number> =>
    (await fetch(`${changing.url}/admin/partitions`, { headers })).status;
  const inTime = async (headers: object, wanted: number): Promise<void> => {
    const hasIt = async (): Promise<boolean> => (await status(headers)) === wanted;
    await until(hasIt, API_KEYS_EVERY_MS + API_KEYS_WAIT_MS, () => `not ${wanted} yet`);
  };
  try {
    expect(await status()).toBe(200);
    const [first, second] = [testKey(['admin']), testKey(['admin'])];
    changing.keyring = keyringOf(first);
    await inTime({}, 401);
    expect(await status(first.headers)).toBe(200);
    changing.keyring = keyringOf(second);
    await inTime(second.headers, 200);
    expect(await status(first.headers)).toBe(401);
    // The last one is revoked: nobody gets in, and surely not everybody.
    changing.keyring = keyringOf();
    await inTime(second.headers, 401);
    expect(await status()).toBe(401);
    changing.keyring = keyringOf(first);
    await inTime(first.headers, 200);
    changing.stopWorker();
    await Bun.sleep(API_KEYS_EVERY_MS * 2);
    expect([await status(first.headers), await status(second.headers)]).toEqual([200, 401]);
    const changes = logged.mock.calls.filter(([event]) => event === 'admin.keys-changed');
    expect(changes.map(([, fields]) => fields)).toEqual([
      { added: [first.id], removed: [], usable: 1 },
      { added: [second.id], removed: [first.id], usable: 1 },
      { added: [], removed: [second.id], usable: 0 },
      { added: [first.id], removed: [], usable: 1 },
    ]);
  } finally {
    logged.mockRestore();
    await changing.stop();
  }
}, 20_000);
