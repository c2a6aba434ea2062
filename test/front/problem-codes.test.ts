/**
 * Every code of the catalogue, provoked over HTTP at a whole server; only what is a defect, at a front
 * whose worker is scripted to have one. That the answer is one of those that the document lists for its
 * call is checked as for every answer.
 */
import { afterAll, beforeAll, beforeEach, expect, spyOn, test } from 'bun:test';
import { LEVELS_PER_SKU_MAX, LINK_REQUESTS_MAX, QUANTITY_MAX, SKUS_PER_QUERY_MAX } from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import { PROBLEMS, type Problem, type ProblemCode } from '../../src/reservations/outcomes.ts';
import { keyringOf, type TestKey, testKey } from '../helpers/api-keys.ts';
import { openBooks } from '../helpers/books.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';
import { forEachAtOnce } from '../helpers/shop.ts';
import { answerOf, speak, startScriptedFront } from './scripted-front.ts';

const SLOW_MS = 60_000;
const READY_MS = 10_000;
const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';

let server: TestServer;
/** It takes ten seconds, which the others need not wait for. */
let trickling: ReturnType<typeof speak>;

beforeAll(async () => {
  server = await startServer();
  const bytes =
    'PUT /v1/stock/A/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{';
  trickling = speak(server.port, [{ bytes }], 20_000);
  await call('PUT', '/v1/stock/stocked/x', { onHand: 5 });
}, SLOW_MS);
beforeEach(async () => {
  const ready = async (): Promise<boolean> => (await fetch(`${server.url}/readyz`)).status === 200;
  await until(ready, READY_MS, server.output);
}, SLOW_MS);
afterAll(() => server.stop(), SLOW_MS);

function call(
  method: string,
  path: string,
  body?: unknown,
  headers = {},
  url = server.url,
): Promise<Response> {
  return fetch(url + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });
}
const put = (onHand: unknown, headers = {}) => call('PUT', '/v1/stock/A/x', onHand, headers);
const reserve = (sku: string, quantity: number, more = {}, headers = {}) =>
  call('POST', '/v1/reservations', { lines: [{ sku, quantity }], ...more }, headers);
const held = async (quantity: number, more = {}): Promise<string> =>
  ((await (await reserve('stocked', quantity, more)).json()) as { id: string }).id;
const adjust = (delta: number, location = 'x') =>
  call('POST', `/v1/stock/stocked/${location}/adjustments`, { delta, reason: 'found' });

/** A worker that answers what nobody asked. */
async function withDefect(method: string, path: string): Promise<Response> {
  const front = await startScriptedFront(({ kind }) =>
    kind === 'status' ? undefined : { kind: 'settled', lines: [] },
  );
  const logged = spyOn(log, 'error').mockImplementation(() => {});
  try {
    return await call(method, path, undefined, {}, front.url);
  } finally {
    logged.mockRestore();
    await front.stop();
  }
}

const signalWorker = (signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL') =>
  process.kill(server.workerPids()[0], signal);

/** The last of several answers at a front that lets in who has this key. */
async function withKey(key: TestKey, ...calls: [method: string, path: string, headers: object][]) {
  const front = await startScriptedFront(() => undefined, keyringOf(key));
  try {
    const answers = await Promise.all(
      calls.map(([method, path, headers]) => call(method, path, {}, headers, front.url)),
    );
    return answers.at(-1)!;
  } finally {
    await front.stop();
  }
}
const reader = testKey(['read']);
const spent = testKey(['read'], { rate: { requests: 1, seconds: 1 } });

/** A front that has just been started, and whose worker can't tell it the keys. */
async function atNewFront(method: string, path: string): Promise<Response> {
  signalWorker('SIGSTOP');
  try {
    const [before] = server.frontPids();
    process.kill(before, 'SIGKILL');
    const isBack = async (): Promise<boolean> =>
      server.frontPids()[0] !== before &&
      (await call('GET', '/livez').catch(() => undefined))?.status === 200;
    await until(isBack, READY_MS, server.output);
    return await call(method, path);
  } finally {
    signalWorker('SIGCONT');
  }
}

const PROVOKED: Record<ProblemCode, () => Promise<Response>> = {
  'insufficient-stock': () => reserve('stocked', 6),
  'unknown-sku': () => reserve('nothing', 1),
  'unknown-reservation': () => call('GET', `/v1/reservations/${ID}`),
  async 'reservation-confirmed'() {
    const id = await held(1);
    await call('POST', `/v1/reservations/${id}/confirm`);
    return call('POST', `/v1/reservations/${id}/cancel`);
  },
  async 'reservation-cancelled'() {
    const id = await held(1);
    await call('POST', `/v1/reservations/${id}/cancel`);
    return call('POST', `/v1/reservations/${id}/confirm`);
  },
  async 'reservation-expired'() {
    const id = await held(1, { expiresInSeconds: 1 });
    await Bun.sleep(1000);
    return call('POST', `/v1/reservations/${id}/cancel`);
  },
  'version-mismatch': () => put({ onHand: 1 }, { 'if-match': '"9"' }),
  async 'too-many-levels'() {
    const locations = Array.from({ length: LEVELS_PER_SKU_MAX }, (_, i) => i);
    await forEachAtOnce(locations, 64, async (location) => {
      expect((await call('PUT', `/v1/stock/everywhere/${location}`, { onHand: 1 })).status).toBe(201);
    });
    return call('PUT', '/v1/stock/everywhere/else', { onHand: 1 });
  },
  'invalid-json': () => put('{'),
  'invalid-request': () => put({ onHand: -1 }),
  'invalid-id': () => call('GET', '/v1/reservations/7'),
  'body-too-large': () => put(' '.repeat(2 ** 20 + 1)),
  'unsupported-media-type': () => put({ onHand: 1 }, { 'content-type': 'text/plain' }),
  'not-acceptable': () => call('GET', '/v1/stock/export', undefined, { accept: 'image/png' }),
  'not-found': () => call('GET', '/v1/nothing'),
  'method-not-allowed': () => call('DELETE', '/v1/stock/A'),
  'request-timeout': async () => answerOf((await trickling).text)!,
  async overloaded() {
    signalWorker('SIGSTOP');
    try {
      const skus = Array.from({ length: SKUS_PER_QUERY_MAX }, (_, i) => `S${i}`);
      for (let asked = 0; asked < LINK_REQUESTS_MAX; asked += skus.length)
        void call('POST', '/v1/stock/query', { skus });
      // Until the link is full, a request waits as they do: until the worker goes on.
      for (;;) {
        const answer = await Promise.race([call('GET', '/v1/stock/A'), Bun.sleep(100)]);
        if (answer !== undefined) return answer;
      }
    } finally {
      signalWorker('SIGCONT');
    }
  },
  'partition-unavailable'() {
    signalWorker('SIGKILL');
    return call('GET', '/v1/stock/A');
  },
  async 'outcome-unknown'() {
    signalWorker('SIGSTOP');
    const answer = put({ onHand: 1 });
    await Bun.sleep(200);
    signalWorker('SIGKILL');
    return answer;
  },
  'internal-error': () => withDefect('GET', '/v1/stock/A'),
  'unknown-level': () => adjust(1, 'elsewhere'),
  'stock-below-zero': () => adjust(-6),
  'stock-above-maximum': () => adjust(QUANTITY_MAX),
  async 'idempotency-key-reused'() {
    await reserve('stocked', 6, {}, { 'idempotency-key': 'once' });
    return reserve('stocked', 7, {}, { 'idempotency-key': 'once' });
  },
  unauthorized: () => withKey(reader, ['POST', '/v1/stock/query', {}]),
  forbidden: () => withKey(reader, ['PUT', '/v1/stock/A/x', reader.headers]),
  'rate-limited'() {
    const query: [string, string, object] = ['POST', '/v1/stock/query', spent.headers];
    return withKey(spent, query, query);
  },
  'keys-unavailable': () => atNewFront('GET', '/v1/stock/A'),
  async 'search-too-slow'() {
    // Whoever locks a table holds up those who read it.
    const sql = openBooks(server);
    try {
      return await sql.begin(async (transaction) => {
        await transaction`lock table holdfast.ledger in access exclusive mode`;
        return call('GET', '/v1/stock/stocked/ledger');
      });
    } finally {
      await sql.end();
    }
  },
};

test.each(Object.keys(PROVOKED) as ProblemCode[])(
  '%s',
  async (code) => {
    const { status, title, retryAfter }: Problem = PROBLEMS.find((problem) => problem.code === code)!;
    const response = await PROVOKED[code]();
    expect(await response.json()).toMatchObject({ type: `/problems/${code}`, title, status, code });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('retry-after')).toBe(retryAfter === undefined ? null : String(retryAfter));
    const page = await fetch(`${server.url}/problems/${code}`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`<code>${code}</code>`)]);
  },
  SLOW_MS,
);

test('no code is left out', () => {
  expect(Object.keys(PROVOKED).sort()).toEqual(PROBLEMS.map(({ code }) => code).sort());
});
