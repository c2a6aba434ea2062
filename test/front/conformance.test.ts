/** That a wrong answer is noticed: the check that every other test's answers go through, given what no server may say. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { openApiOf } from '../../src/front/openapi.ts';
import { routes } from '../../src/front/routes.ts';
import { failOnFaults, isWatched, takeFaults, watch } from '../helpers/conformance.ts';
import { Contract } from '../helpers/contract.ts';
import { startServer } from '../helpers/server.ts';
import { speak, startScriptedFront } from './scripted-front.ts';

const document = await openApiOf(routes(undefined as never));
const TIME = '2026-01-01T00:00:00.000Z';
const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';
const id = { 'x-request-id': 'r-1' };
const json = { ...id, 'content-type': 'application/json' };
const problemJson = { ...id, 'content-type': 'application/problem+json' };
const totals = { onHand: 5, reserved: 1, safetyStock: 1, backorderLimit: 0, available: 3 };
const level = { sku: 'A', location: 'x', ...totals, version: 7, updatedAt: TIME };
const stock = { sku: 'A', totals, levels: [level] };
const reservation = {
  id: ID,
  status: 'held',
  lines: [{ sku: 'A', quantity: 1, allocations: [{ location: 'x', quantity: 1 }] }],
  createdAt: TIME,
  expiresAt: TIME,
};
const problem = (status: number, code: string) => ({
  type: `/problems/${code}`,
  title: 't',
  status,
  detail: 'd',
  code,
});
const without = (value: object, field: string): object =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== field));

type Case = [name: string, call: string, status: number, headers: Record<string, string>, body: unknown];

const GET = 'GET /v1/stock/A';
const PUT = 'PUT /v1/stock/A/x';
const POST = 'POST /v1/reservations';
const CANCEL = `POST /v1/reservations/${ID}/cancel`;
const retry = { ...problemJson, 'retry-after': '1' };
const allow = { ...problemJson, allow: 'GET' };

const RIGHT: Case[] = [
  ['stock', GET, 200, json, stock],
  ['a charset', GET, 200, { ...id, 'content-type': 'application/json; charset=utf-8' }, stock],
  ['a created level', PUT, 201, { ...json, etag: '"7"' }, level],
  ['a reservation', POST, 201, { ...json, location: 'l' }, reservation],
  ['a path in so many words', 'POST /v1/stock/query', 200, json, { results: [{ ...stock, found: true }] }],
  ['its name as a SKU', 'GET /v1/stock/query', 200, json, stock],
  ['a problem', GET, 404, problemJson, problem(404, 'unknown-sku')],
  ['overload', GET, 503, retry, problem(503, 'overloaded')],
  [
    'not ready',
    'GET /readyz',
    503,
    { ...json, 'retry-after': '1' },
    { status: 'not-ready', partitions: { total: 1, serving: 0 }, missing: [] },
  ],
  ['no key', GET, 401, { ...problemJson, 'www-authenticate': 'Bearer' }, problem(401, 'unauthorized')],
  [
    'no key, no such path',
    'GET /x',
    401,
    { ...problemJson, 'www-authenticate': 'Bearer' },
    problem(401, 'unauthorized'),
  ],
  ['HEAD', 'HEAD /livez', 200, json, ''],
  ['no such path', 'GET /v1/nothing', 404, problemJson, problem(404, 'not-found')],
  ['no such method', 'DELETE /v1/stock/A', 405, allow, problem(405, 'method-not-allowed')],
  ['OPTIONS', 'OPTIONS /v1/stock/A', 204, { allow: 'GET' }, ''],
  ['a head that is too large for Bun', 'GET /x', 431, {}, ''],
  ['a page', 'GET /swagger', 200, { 'content-type': 'text/html' }, '<html>'],
  ['a page of a problem', 'GET /problems/unknown-sku', 200, { 'content-type': 'text/html' }, '<html>'],
];

const WRONG: [...Case, fault: string][] = [
  ['a status that is not listed', GET, 202, json, stock, 'does not list this status'],
  [
    'a code that this call does not have',
    GET,
    404,
    problemJson,
    problem(404, 'unknown-reservation'),
    'does not list the code unknown-reservation',
  ],
  ['a missing field', GET, 200, json, without(stock, 'totals'), "must have required property 'totals'"],
  [
    'a missing field, deep',
    GET,
    200,
    json,
    { ...stock, levels: [without(level, 'available')] },
    "/levels/0 must have required property 'available'",
  ],
  [
    'a number as text',
    GET,
    200,
    json,
    { ...stock, totals: { ...totals, onHand: '5' } },
    '/totals/onHand must be integer',
  ],
  ['a fraction', PUT, 200, { ...json, etag: '"7"' }, { ...level, onHand: 0.5 }, '/onHand must be integer'],
  ['null', CANCEL, 200, json, { ...reservation, closedAt: null }, '/closedAt must be string'],
  [
    'a version below 1',
    GET,
    200,
    json,
    { ...stock, levels: [{ ...level, version: 0 }] },
    '/levels/0/version must be >= 1',
  ],
  [
    'a field that is not listed',
    CANCEL,
    200,
    json,
    { ...reservation, secret: 1 },
    'must NOT have additional properties: secret',
  ],
  [
    'a status of a reservation that there is not',
    CANCEL,
    200,
    json,
    { ...reservation, status: 'gone' },
    '/status must be equal to one of the allowed values',
  ],
  [
    'a time without milliseconds',
    CANCEL,
    200,
    json,
    { ...reservation, createdAt: '2026-01-01T00:00:00Z' },
    '/createdAt must match format "date-time"',
  ],
  ['an id that is none', CANCEL, 200, json, { ...reservation, id: '7' }, '/id must match format "uuid"'],
  ['a list for an object', GET, 200, json, [], 'the body must be object'],
  ['not JSON', GET, 200, json, '{"sku":', 'the body is not JSON: {"sku":'],
  ['nothing', GET, 200, json, '', 'the body is not JSON'],
  [
    'another media type',
    GET,
    200,
    { ...id, 'content-type': 'text/plain' },
    stock,
    'text/plain is not listed',
  ],
  ['no media type', GET, 200, id, stock, 'no content type is not listed'],
  ['a problem as plain JSON', GET, 404, json, problem(404, 'unknown-sku'), 'application/json is not listed'],
  [
    'no request id',
    GET,
    200,
    { 'content-type': 'application/json' },
    stock,
    'the header X-Request-Id is missing',
  ],
  ['no ETag', PUT, 200, json, level, 'the header ETag is missing'],
  ['no Location', POST, 201, json, reservation, 'the header Location is missing'],
  ['no Retry-After', POST, 503, problemJson, problem(503, 'overloaded'), 'the header Retry-After is missing'],
  [
    'another status in the body',
    GET,
    404,
    problemJson,
    problem(409, 'unknown-sku'),
    'the body says status 409',
  ],
  [
    'another type than code',
    GET,
    404,
    problemJson,
    { ...problem(404, 'unknown-sku'), type: '/problems/x' },
    'the type is /problems/x',
  ],
  ['an answer where there is no call', 'GET /v1/secrets', 200, json, {}, 'does not list this call'],
  [
    'an answer to a method that there is not',
    'DELETE /v1/stock/A',
    200,
    json,
    stock,
    'does not list this call',
  ],
  [
    'a 405 that does not say what is allowed',
    'DELETE /v1/stock/A',
    405,
    problemJson,
    problem(405, 'method-not-allowed'),
    'the header Allow is missing',
  ],
  [
    'a 404 that is no problem',
    'GET /v1/nothing',
    404,
    json,
    {},
    'application/json is not application/problem+json',
  ],
  [
    'a 401 that does not say of what',
    GET,
    401,
    problemJson,
    problem(401, 'unauthorized'),
    'WWW-Authenticate is missing',
  ],
  [
    'the same where there is no call',
    'GET /x',
    401,
    problemJson,
    problem(401, 'unauthorized'),
    'WWW-Authenticate is missing',
  ],
  [
    'a key for what needs none',
    'GET /livez',
    401,
    problemJson,
    problem(401, 'unauthorized'),
    'does not list this status',
  ],
  ['a page that breaks', 'GET /swagger', 500, { 'content-type': 'text/html' }, '', 'does not list this call'],
];

describe('the document as a check', () => {
  const contract = new Contract(document);
  const faultsOf = ([_name, call, status, headers, body]: Case): string[] => {
    const [method, path] = call.split(' ');
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return contract.faultsOf({ method, path, status, headers: new Headers(headers), body: text });
  };
  test.each(RIGHT)('lets through: %s', (name, call, status, headers, body) => {
    expect(faultsOf([name, call, status, headers, body])).toEqual([]);
  });
  test.each(WRONG)('notices: %s', (name, call, status, headers, body, fault) => {
    const [found, ...more] = faultsOf([name, call, status, headers, body]);
    expect(more).toEqual([]);
    expect(found).toStartWith(`${call} was answered ${status}: `);
    expect(found).toContain(fault);
  });
});

describe('whatever a test calls', () => {
  let answer: () => Response;
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ url }) => (url.endsWith('/swagger/json') ? new Response(document) : answer()),
  });
  beforeAll(() => watch(server.port!));
  afterAll(() => server.stop(true));
  const url = `http://127.0.0.1:${server.port}/v1/stock/A`;
  const wrong = () => Response.json({ ...stock, sku: 5 }, { headers: id });
  const fault = 'GET /v1/stock/A was answered 200: /sku must be string';

  test('is checked, and can still be read', async () => {
    answer = wrong;
    for (const target of [url, new URL(url), new Request(url)]) {
      expect(await (await fetch(target)).json()).toMatchObject({ sku: 5 });
      expect(takeFaults()).toEqual([fault]);
    }
    answer = () => Response.json(stock, { headers: id });
    await fetch(url);
    expect(takeFaults()).toEqual([]);
  });

  test('fails its test, also when the answer was thrown away', async () => {
    answer = wrong;
    await fetch(`${url}?query`, { method: 'POST' }).catch(() => {});
    expect(failOnFaults).toThrow('POST /v1/stock/A was answered 200: the document does not list this call');
    expect(failOnFaults).not.toThrow();
  });

  test('is checked in bytes, too', async () => {
    answer = wrong;
    await speak(server.port!, [{ bytes: 'GET /v1/stock/A HTTP/1.1\r\nhost: x\r\n\r\n' }], 100);
    expect(takeFaults()).toEqual([fault]);
  });

  test('of a whole server, or a front alone', async () => {
    const whole = await startServer({ env: { HOLDFAST_FRONTS: '2' } });
    const alone = await startScriptedFront();
    try {
      expect([whole.port, whole.port + 1, whole.port + 2, alone.port].map(isWatched)).toEqual([
        true,
        true,
        false,
        true,
      ]);
    } finally {
      await alone.stop();
      await whole.stop();
    }
  }, 60_000);

  test('and a stream is left to the test', async () => {
    answer = () => new Response('a,b', { headers: { ...id, 'content-type': 'text/csv' } });
    expect(await (await fetch(url)).text()).toBe('a,b');
    expect(takeFaults()).toEqual(['GET /v1/stock/A was answered 200: text/csv is not listed']);
  });
});
