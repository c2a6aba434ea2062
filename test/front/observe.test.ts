/** A defect of a handler: answered, counted and logged under the id of its request; and a front without a supervisor. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { log } from '../../src/observability/log.ts';
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
