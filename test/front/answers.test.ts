/** What workers answer, or fail to, and what a client then sees. */
import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from 'bun:test';
import { log } from '../../src/observability/log.ts';
import { PROBLEMS, type Problem } from '../../src/reservations/outcomes.ts';
import type { Reservation, StockLevel } from '../../src/reservations/types.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { uncheckedFetch } from '../helpers/conformance.ts';
import {
  PARTITIONS,
  type Script,
  type ScriptedFront,
  serving,
  speak,
  startScriptedFront,
} from './scripted-front.ts';

let front: ScriptedFront;
beforeAll(async () => {
  front = await startScriptedFront();
});
afterEach(() => {
  front.script = () => undefined;
  front.asked.length = 0;
});
afterAll(() => front.stop());

async function call(
  script: Script,
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
  using = fetch,
) {
  front.script = script;
  const response = await using(front.url + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answered: Json = await response.json();
  return { status: response.status, headers: response.headers, body: answered };
}

type Json = ReturnType<typeof JSON.parse>;
const NOW = Date.UTC(2026, 0, 1);
const TIME = '2026-01-01T00:00:00.000Z';
const level: StockLevel = {
  sku: 'A/B',
  location: 'x y',
  onHand: 5,
  reserved: 1,
  safetyStock: 1,
  backorderLimit: 0,
  version: 7,
  updatedAt: NOW,
};
const shown = { ...level, available: 3, updatedAt: TIME };
const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';
const reservation: Reservation = {
  id: ID,
  status: 'cancelled',
  lines: [{ line: 0, sku: 'A', quantity: 1, allocations: [{ location: 'x', quantity: 1 }] }],
  createdAt: NOW,
  expiresAt: NOW,
  closedAt: NOW,
};
const reserving = { lines: [{ sku: 'A', quantity: 1 }] };

/** Every call that asks a worker: its method, path and body. */
const CALLS: [string, string, unknown][] = [
  ['PUT', '/v1/stock/A/x', { onHand: 1 }],
  ['GET', '/v1/stock/A', undefined],
  ['POST', '/v1/reservations', reserving],
  ['GET', `/v1/reservations/${ID}`, undefined],
  ['POST', `/v1/reservations/${ID}/cancel`, undefined],
  ['GET', '/v1/reservations', undefined],
  ['GET', '/v1/stock/A/ledger', undefined],
];

describe('every code of the catalogue', () => {
  // One that says nothing has happened is asked again for a while: see faults.test.ts.
  const problems = PROBLEMS.filter(({ code }): boolean => code !== 'partition-unavailable') as Problem[];
  for (const [method, path, body] of CALLS)
    test(`from a worker: ${method} ${path}`, async () => {
      for (const { code, status, title, retryAfter } of problems) {
        // Most of them no worker has for this call, so the document does not list them.
        const script: Script = () => ({ kind: 'problem', code: code as never });
        const answer = await call(script, method, path, body, undefined, uncheckedFetch);
        expect(answer.status).toBe(status);
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
        expect(answer.headers.get('retry-after')).toBe(retryAfter === undefined ? null : String(retryAfter));
        expect(answer.body).toMatchObject({ type: `/problems/${code}`, title, status, code });
      }
    });

  test('has a page, and the index links to it', async () => {
    const index = await (await fetch(`${front.url}/problems`)).text();
    for (const { code, title } of problems) {
      const page = await fetch(`${front.url}/problems/${code}`);
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(await page.text()).toContain(`<h1>${title}</h1>`);
      expect(index).toContain(`href="/problems/${code}"`);
    }
  });

  test('has texts that say something, and a code and status that fit', () => {
    for (const { code, status, title, explanation } of problems) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(title.length).toBeGreaterThan(8);
      expect(explanation.length).toBeGreaterThan(40);
    }
    expect(new Set(problems.map(({ code }) => code)).size).toBe(problems.length);
  });
});

describe('stock', () => {
  test('PUT asks the partition of the SKU, whatever its characters', async () => {
    const script: Script = () => ({ kind: 'level', created: true, level });
    const path = `/v1/stock/${encodeURIComponent('A/B')}/${encodeURIComponent('x y')}`;
    const answer = await call(script, 'PUT', path, { onHand: 5, safetyStock: 1 }, { 'if-match': '"6"' });
    expect([answer.status, answer.headers.get('etag'), answer.body]).toEqual([201, '"7"', shown]);
    expect(front.asked).toHaveLength(1);
    expect(front.asked[0]).toMatchObject({
      kind: 'put-level',
      partition: partitionOf('A/B', PARTITIONS),
      sku: 'A/B',
      location: 'x y',
      onHand: 5,
      safetyStock: 1,
      backorderLimit: undefined,
      ifVersion: 6,
    });
  });
  test('PUT of a level that exists is a 200', async () => {
    const answer = await call(() => ({ kind: 'level', created: false, level }), 'PUT', '/v1/stock/A/x', {
      onHand: 0,
    });
    expect([answer.status, answer.headers.get('etag'), answer.body]).toEqual([200, '"7"', shown]);
  });
  test('If-Match: * puts what exists, and nothing else', async () => {
    const levels = { kind: 'levels' as const, levels: [level] };
    const script: Script = ({ kind }) =>
      kind === 'get-levels' ? levels : { kind: 'level', created: false, level };
    const put = (location: string, using = script) =>
      call(using, 'PUT', `/v1/stock/A/${location}`, { onHand: 0 }, { 'if-match': '*' });
    expect((await put('x%20y')).status).toBe(200);
    expect((await put('elsewhere')).body.code).toBe('version-mismatch');
    expect((await put('x', () => ({ kind: 'problem', code: 'unknown-sku' }))).body.code).toBe(
      'version-mismatch',
    );
    expect((await put('x', () => ({ kind: 'problem', code: 'overloaded' }))).body.code).toBe('overloaded');
    expect(front.asked.map(({ kind }) => kind)).toEqual([
      'get-levels',
      'put-level',
      'get-levels',
      'get-levels',
      'get-levels',
    ]);
  });
  test('keys of other alphabets, and keys that look like paths', async () => {
    for (const sku of [
      'ключ',
      '😀',
      '..',
      '.',
      'a%2Fb',
      'a+b',
      'a?b#c',
      'query',
      'constructor',
      '__proto__',
      'é'.repeat(64),
    ]) {
      const encoded = sku === '.' || sku === '..' ? sku.replaceAll('.', '%2E') : encodeURIComponent(sku);
      const response = await rawGet(`/v1/stock/${encoded}`);
      expect(response).toContain('"code":"unknown-sku"');
      expect(front.asked.at(-1)).toMatchObject({ kind: 'get-levels', sku });
    }
    async function rawGet(path: string): Promise<string> {
      front.script = () => ({ kind: 'problem', code: 'unknown-sku' });
      return (
        await speak(
          front.port,
          [{ bytes: `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n` }],
          2000,
        )
      ).text;
    }
  });
  test('a query answers in the order asked, however late each part comes', async () => {
    const script: Script = (request, answer) => {
      if (request.kind !== 'get-levels') return undefined;
      const late = Number(request.sku.slice(1));
      setTimeout(
        () =>
          answer(
            late % 2
              ? { kind: 'problem', code: 'unknown-sku' }
              : { kind: 'levels', levels: [{ ...level, sku: request.sku }] },
          ),
        20 - late,
      );
      return 'later';
    };
    const skus = ['S3', 'S0', 'S9', 'S4', 'S0'];
    const { status, body } = await call(script, 'POST', '/v1/stock/query', { skus });
    expect(status).toBe(200);
    expect(body.results.map(({ sku, found }: { sku: string; found: boolean }) => [sku, found])).toEqual(
      skus.map((sku) => [sku, Number(sku.slice(1)) % 2 === 0]),
    );
    expect(body.results[1]).toMatchObject({
      totals: { onHand: 5, available: 3 },
      levels: [{ ...shown, sku: 'S0' }],
    });
    expect(body.results[0]).toEqual({ sku: 'S3', found: false });
  });
  test('what was read without the database has an age, which is that of its oldest part', async () => {
    const script: Script = (request) => {
      if (request.kind !== 'get-levels') return undefined;
      const age = { A: undefined, B: 7, C: 3 }[request.sku];
      return { kind: 'levels', levels: [level], age };
    };
    const ages = async (...skus: string[]): Promise<(string | null)[]> => [
      (await call(script, 'POST', '/v1/stock/query', { skus })).headers.get('age'),
      (await call(script, 'GET', `/v1/stock/${skus[0]}`)).headers.get('age'),
    ];
    expect(await ages('A')).toEqual([null, null]);
    expect(await ages('B', 'C', 'A')).toEqual(['7', '7']);
  });
  test('a query of which one part fails, fails', async () => {
    const script: Script = (request) =>
      request.kind === 'get-levels' && request.sku === 'B'
        ? { kind: 'problem', code: 'overloaded' }
        : { kind: 'levels', levels: [level] };
    expect((await call(script, 'POST', '/v1/stock/query', { skus: ['A', 'B'] })).body.code).toBe(
      'overloaded',
    );
  });
});

describe('reservations', () => {
  test('a grant', async () => {
    const script: Script = () => ({
      kind: 'granted',
      lines: [{ line: 0, allocations: [{ location: 'x', quantity: 1 }] }],
      short: [],
    });
    const { status, headers, body } = await call(script, 'POST', '/v1/reservations', {
      ...reserving,
      reference: 'r',
      expiresInSeconds: 60,
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/reservations/${body.id}`);
    expect(body).toMatchObject({
      status: 'held',
      reference: 'r',
      lines: [{ sku: 'A', quantity: 1, allocations: [{ location: 'x', quantity: 1 }] }],
    });
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(60_000);
    expect(front.asked[0]).toMatchObject({
      kind: 'hold',
      role: 'decide',
      strategy: 'most-available',
      locations: [],
    });
  });
  test('what is not said has its default', async () => {
    const script: Script = () => ({ kind: 'granted', lines: [{ line: 0, allocations: [] }], short: [] });
    const { body } = await call(script, 'POST', '/v1/reservations', { ...reserving, mode: 'all' });
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(900_000);
    expect('reference' in body).toBe(false);
  });
  test('the largest quantities on lines of one SKU reach the worker', async () => {
    const lines = Array.from({ length: 100 }, () => ({ sku: 'A', quantity: 2_147_483_647 }));
    const script: Script = () => ({
      kind: 'refused',
      lines: [{ line: 99, code: 'insufficient-stock', requested: 214_748_364_700, available: 5 }],
    });
    const { status, body } = await call(script, 'POST', '/v1/reservations', { lines });
    expect(status).toBe(409);
    expect(body.errors).toEqual([
      {
        line: 99,
        sku: 'A',
        code: 'insufficient-stock',
        requested: 214_748_364_700,
        available: 5,
        detail: '214748364700 of SKU "A" requested, 5 available.',
      },
    ]);
  });
  test('an unknown SKU among others is a 404', async () => {
    const script: Script = () => ({
      kind: 'refused',
      lines: [
        { line: 0, code: 'insufficient-stock', requested: 1, available: 0 },
        { line: 1, code: 'unknown-sku', requested: 1, available: 0 },
      ],
    });
    const { status, body } = await call(script, 'POST', '/v1/reservations', {
      lines: [
        { sku: 'A', quantity: 1 },
        { sku: 'A', quantity: 1, location: 'moon' },
      ],
    });
    expect([status, body.code, body.errors.map(({ code }: { code: string }) => code)]).toEqual([
      404,
      'unknown-sku',
      ['insufficient-stock', 'unknown-sku'],
    ]);
  });
  test('read and cancel, the id in either case, with and without a body', async () => {
    const script: Script = () => ({ kind: 'reservation', reservation });
    const expected = { id: ID, status: 'cancelled', createdAt: TIME, expiresAt: TIME, closedAt: TIME };
    for (const id of [ID, ID.toUpperCase()]) {
      expect((await call(script, 'GET', `/v1/reservations/${id}`)).body).toMatchObject(expected);
      expect((await call(script, 'POST', `/v1/reservations/${id}/cancel`)).body).toMatchObject(expected);
      expect((await call(script, 'POST', `/v1/reservations/${id}/cancel`, {})).body).toMatchObject(expected);
    }
    for (const request of front.asked) expect(request).toMatchObject({ id: ID, partition: 2 });
  });
});

describe('what people who run it see', () => {
  test('ready', async () => {
    expect(await call(() => undefined, 'GET', '/readyz')).toMatchObject({
      status: 200,
      body: { status: 'ready', partitions: { total: PARTITIONS, serving: PARTITIONS }, missing: [] },
    });
  });
  if (serving.kind !== 'status') throw new Error();
  const { status } = serving;
  test.each<[string, typeof status, string]>([
    [
      'loading',
      {
        ...status,
        partitions: status.partitions.map((one, i) => (i < 3 ? { ...one, state: 'loading' } : one)),
      },
      'worker 0 has not loaded 3 of its 16 partitions',
    ],
    [
      'partitions that can’t be loaded',
      {
        ...status,
        partitions: status.partitions.map((one, i) => (i < 2 ? { ...one, state: 'failing' } : one)),
      },
      'worker 0 fails to load 2 of its 16 partitions',
    ],
    [
      'partitions that nobody has',
      { ...status, partitions: [] },
      'worker 0 has not loaded 16 of its 16 partitions',
    ],
    [
      'no database',
      { ...status, databaseProblem: 'connect ECONNREFUSED /secret/path', databaseProblemSince: 0 },
      'worker 0 commits nothing since 1970-01-01T00:00:00.000Z: the database is out of reach',
    ],
    [
      'a full disk',
      {
        ...status,
        databaseProblem: '53100 could not extend file "/secret/path"',
        databaseProblemSince: 1_795_480_000_000,
      },
      'worker 0 commits nothing since 2026-11-24T00:26:40.000Z: the disk of the database is full',
    ],
  ])('not ready: %s', async (_name, reported, missing) => {
    const answer = await call(() => ({ kind: 'status', status: reported }), 'GET', '/readyz');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.body.missing).toEqual([missing]);
  });
  test('not ready: a worker that does not answer, within about a second', async () => {
    const started = performance.now();
    const answer = await call(() => 'later', 'GET', '/livez');
    expect(answer.body).toEqual({ status: 'live' });
    const silence = await fetch(`${front.url}/readyz`);
    expect([silence.status, ((await silence.json()) as Json).missing]).toEqual([
      503,
      ['worker 0 does not answer (16 partitions)'],
    ]);
    const table: Json = await (await fetch(`${front.url}/admin/partitions`)).json();
    expect(table.partitions[5]).toEqual({ partition: 5, worker: 0, state: 'unknown' });
    expect(performance.now() - started).toBeLessThan(3000);
  });
  test('the partition table', async () => {
    const { body } = await call(() => undefined, 'GET', '/admin/partitions');
    expect(body.mapVersion).toBe(1);
    expect(body.partitions).toHaveLength(PARTITIONS);
    expect(body.partitions[7]).toEqual({
      partition: 7,
      worker: 0,
      state: 'serving',
      epoch: 1,
      levels: 2,
      held: 3,
      mailboxDepth: 4,
      commitSeq: 5,
      commands: 6,
    });
  });
});

test('a defect is a 500 that says nothing of itself, and is logged once', async () => {
  const logged = spyOn(log, 'error').mockImplementation(() => {});
  try {
    for (const [method, path, body] of CALLS) {
      logged.mockClear();
      const answer = await call(() => ({ kind: 'settled', lines: [] }), method, path, body);
      expect([answer.status, answer.body.code]).toEqual([500, 'internal-error']);
      expect(JSON.stringify(answer.body)).not.toMatch(/settled|\.ts|Error:/);
      expect(logged).toHaveBeenCalledTimes(1);
    }
  } finally {
    logged.mockRestore();
  }
});
