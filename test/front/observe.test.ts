/** A defect of a handler: answered, counted and logged under the id of its request; and a front without a supervisor. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { Elysia } from 'elysia';
import { systemClock } from '../../src/clock.ts';
import { Access } from '../../src/front/access.ts';
import type { FrontContext } from '../../src/front/context.ts';
import { Observer } from '../../src/front/observe.ts';
import { log } from '../../src/observability/log.ts';
import { keyringOf, testKey } from '../helpers/api-keys.ts';
import { scrape, total } from '../helpers/open-metrics.ts';
import { type ScriptedFront, startScriptedFront } from './scripted-front.ts';

let front: ScriptedFront;
beforeAll(async () => {
  front = await startScriptedFront((request) => {
    // No worker answers a question for levels like this.
    if (request.kind === 'get-levels') return { kind: 'claimed', known: false };
    return request.kind === 'status' ? undefined : { kind: 'problem', code: 'unknown-reservation' };
  });
});
afterAll(() => front.stop());

/** Of this process: other tests may have counted as well. */
async function failures(): Promise<number> {
  const counted = { route: '/v1/stock/{sku}', method: 'GET', status: '500' };
  return total(await scrape(front.url), 'holdfast_http_requests_total', counted);
}

test('a defect is a 500 without a word about it, and its line in the log has the id that the caller got', async () => {
  const before = await failures();
  const lines: object[] = [];
  const error = spyOn(log, 'error').mockImplementation(
    (event, fields) => void lines.push({ event, ...fields }),
  );
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-00` };
  const response = await fetch(`${front.url}/v1/stock/A`, { headers });
  error.mockRestore();
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({
    type: '/problems/internal-error',
    title: 'Internal error',
    status: 500,
    detail: 'The request failed through a defect in the server.',
    code: 'internal-error',
  });
  expect(lines).toEqual([
    {
      event: 'request.failed',
      requestId: response.headers.get('x-request-id'),
      traceId,
      method: 'GET',
      path: '/v1/stock/A',
      error: expect.any(Error),
    },
  ]);
  expect(await failures()).toBe(before + 1);
});

test('what an administrator does is a line with the key; what is read, or refused to a stranger, is none', async () => {
  const [admin, reader] = [testKey(['admin']), testKey(['read'])];
  const access = new Access(true, 1, systemClock);
  access.know(keyringOf(admin, reader));
  const observer = new Observer({ access } as unknown as FrontContext);
  const done = () => observer.call(() => new Response(null, { status: 204 }));
  const app = new Elysia()
    .post('/admin/moves', done())
    .get('/admin/moves', done())
    .post('/v1/reservations', done());
  const lines: object[] = [];
  const info = spyOn(log, 'info').mockImplementation(
    (event, fields) => void lines.push({ event, ...fields }),
  );
  const ask = async (method: string, path: string, headers = {}): Promise<number> =>
    (await app.handle(new Request(`http://holdfast${path}`, { method, headers }))).status;
  expect(await ask('POST', '/admin/moves', admin.headers)).toBe(204);
  expect(await ask('POST', '/admin/moves', reader.headers)).toBe(403);
  expect(await ask('POST', '/admin/moves')).toBe(401);
  expect(await ask('GET', '/admin/moves', admin.headers)).toBe(204);
  expect(await ask('POST', '/v1/reservations', admin.headers)).toBe(204);
  info.mockRestore();
  const called = {
    event: 'admin.called',
    method: 'POST',
    path: '/admin/moves',
    requestId: expect.any(String),
  };
  expect(lines).toEqual([
    { ...called, apiKey: admin.id, status: 204 },
    { ...called, apiKey: reader.id, status: 403 },
  ]);
});

test('a trace that is recorded reaches the worker, and any other does not', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const spanId = 'b7ad6b7169203331';
  const traces = [];
  for (const traceparent of [
    undefined,
    `00-${traceId}-${spanId}-00`,
    'nonsense',
    `00-${traceId}-${spanId}-01`,
  ]) {
    front.asked.length = 0;
    const id = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';
    const headers: Record<string, string> = traceparent === undefined ? {} : { traceparent };
    expect((await fetch(`${front.url}/v1/reservations/${id}`, { headers })).status).toBe(404);
    traces.push(front.asked[0].trace);
  }
  expect(traces).toEqual([undefined, undefined, undefined, { traceId, spanId, sampled: true }]);
});
