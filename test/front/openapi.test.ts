/**
 * The published document: valid, complete, and true. That answers are as it says is checked wherever a
 * test gets one (see conformance.ts); here, each call is made at least once.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { routes } from '../../src/front/routes.ts';
import { SCHEMAS } from '../../src/front/schemas.ts';
import { Contract } from '../helpers/contract.ts';
import { startServer, type TestServer } from '../helpers/server.ts';

type Json = ReturnType<typeof JSON.parse>;
interface Operation {
  operationId: string;
  security?: object[];
  summary: string;
  description: string;
  tags: string[];
  parameters: { name: string; in: string; required?: boolean; description?: string; schema: Json }[];
  requestBody?: {
    required: boolean;
    content: Record<string, { schema: Json; examples?: Json; example?: string }>;
  };
  responses: Record<string, { description: string; headers?: Json; content: Record<string, Json> }>;
}

let server: TestServer;
let document: Json;
let contract: Contract;
let operations: { method: string; path: string; operation: Operation }[];
beforeAll(async () => {
  server = await startServer();
  const text = await (await fetch(`${server.url}/swagger/json`)).text();
  document = JSON.parse(text);
  contract = new Contract(text);
  operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Operation>(methods).map(([method, operation]) => ({ method, path, operation })),
  );
}, 40_000);
afterAll(() => server.stop(), 30_000);

test('is valid OpenAPI 3.0', async () => {
  const result = await new Validator().validate(structuredClone(document));
  expect(result.errors ?? []).toEqual([]);
  expect([result.valid, document.openapi]).toEqual([true, '3.0.3']);
});

test('has every route, described', () => {
  const served = routes(undefined as never).routes.map(
    ({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`,
  );
  expect(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort()).toEqual(
    served.sort(),
  );
  const ids = new Set<string>();
  for (const { path, operation } of operations) {
    expect(operation.summary.length).toBeGreaterThan(5);
    expect(operation.description.length).toBeGreaterThan(20);
    expect(document.tags.map(({ name }: { name: string }) => name)).toContain(operation.tags[0]);
    ids.add(operation.operationId);
    const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
    for (const parameter of operation.parameters) expect(parameter.description).toBeString();
  }
  expect(ids.size).toBe(operations.length);
});

/** What is not JSON alone: the types of the body, and those of the answer. */
const BULK: Record<string, { sent?: string[]; answered?: string[] }> = {
  importStock: { sent: ['text/csv', 'application/x-ndjson'] },
  exportStock: { answered: ['application/x-ndjson', 'text/csv'] },
  getMetrics: { answered: ['application/openmetrics-text'] },
  reserveBatch: { sent: ['application/json', 'application/x-ndjson'] },
};

test('has JSON, problems, bulk and nothing else', () => {
  for (const { operation } of operations) {
    const { sent = ['application/json'], answered = ['application/json'] } =
      BULK[operation.operationId] ?? {};
    if (operation.requestBody) expect(Object.keys(operation.requestBody.content)).toEqual(sent);
    for (const [status, { content, description }] of Object.entries(operation.responses)) {
      expect(description.length).toBeGreaterThan(5);
      const type = Object.keys(content);
      const isProblem = Number(status) >= 400 && operation.operationId !== 'readyz';
      if (isProblem) expect(type).toEqual(['application/problem+json']);
      if (isProblem)
        expect(content['application/problem+json'].schema).toEqual({ $ref: '#/components/schemas/Problem' });
      if (Number(status) >= 400) continue;
      expect(type).toEqual(answered);
      for (const one of answered) expect(content[one].example).toBeDefined();
    }
    expect(Object.keys(operation.responses)).toContain('500');
    const ofAnySize = sent[0] !== 'application/json';
    if (operation.requestBody)
      for (const status of ofAnySize ? ['408', '415', '422'] : ['400', '408', '413', '415', '422'])
        expect(operation.responses).toHaveProperty(status);
  }
  const text = JSON.stringify(document);
  expect(text).not.toContain('anyOf');
  expect(text).not.toContain('multipart');
  expect(text).not.toContain('"numeric"');
});

test('shows integers as integers', () => {
  const { schemas } = document.components;
  expect(schemas.PutLevel.properties.onHand).toMatchObject({
    type: 'integer',
    minimum: 0,
    maximum: 2_147_483_647,
  });
  expect(schemas.Reserve.properties.lines.items.properties.quantity).toMatchObject({
    type: 'integer',
    minimum: 1,
    maximum: 2_147_483_647,
  });
  expect(schemas.Reserve).toMatchObject({ additionalProperties: false, required: ['lines'] });
  expect(document.paths['/v1/reservations'].get.parameters.at(-1)).toMatchObject({
    name: 'limit',
    in: 'query',
    required: false,
    schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
  });
});

test('promises the headers that callers rely on', () => {
  const required = { required: true };
  const { put } = document.paths['/v1/stock/{sku}/{location}'];
  expect(put.parameters.map(({ name }: { name: string }) => name)).toEqual(['sku', 'location', 'If-Match']);
  for (const status of ['200', '201']) expect(put.responses[status].headers.ETag).toMatchObject(required);
  const { post } = document.paths['/v1/reservations'];
  expect(post.responses['201'].headers.Location).toMatchObject(required);
  const { get } = document.paths['/v1/reservations'];
  expect(get.responses['200'].headers.Link).toMatchObject({ required: false });
  for (const { operation } of operations)
    if (operation.responses['503'])
      expect(operation.responses['503'].headers?.['Retry-After']).toMatchObject(required);
});

test('says of each call which scope it needs, and what is answered without', () => {
  const [scheme] = Object.keys(document.components.securitySchemes);
  expect(document.components.securitySchemes[scheme]).toMatchObject({ type: 'http', scheme: 'bearer' });
  for (const { path, operation } of operations) {
    const { security, description, responses } = operation;
    if (['/livez', '/readyz'].includes(path)) {
      expect([security, responses['401']]).toEqual([undefined, undefined]);
      continue;
    }
    expect(security).toEqual([{ [scheme]: [] }]);
    expect(description).toMatch(/Needs the scope `(read|reserve|stock|admin)`\.$/);
    for (const [status, header] of [
      ['401', 'WWW-Authenticate'],
      ['403', 'WWW-Authenticate'],
      ['429', 'RateLimit'],
      ['429', 'RateLimit-Policy'],
      ['429', 'Retry-After'],
    ])
      expect(responses[status].headers[header]).toMatchObject({ required: true });
    expect(responses['503'].description).toContain('`keys-unavailable`');
  }
});

describe('tells the truth', () => {
  test('every example is as its schema says', () => {
    const shown = operations.flatMap(({ operation }) => [
      ...Object.values(operation.requestBody?.content ?? {}),
      ...Object.values(operation.responses).flatMap(({ content }) => Object.values(content)),
    ]);
    expect(shown.length).toBeGreaterThan(40);
    for (const { schema, example, examples } of shown)
      for (const value of [example, ...Object.values<Json>(examples ?? {}).map((one) => one.value)])
        if (value !== undefined && schema.$ref !== undefined)
          expect(contract.faultsOfValue(schema.$ref.slice(1), value)).toEqual([]);
  });

  test('every example of a request is accepted, and every answer is as its schema says', async () => {
    const answered = new Set<string>();
    let reservation = '';
    const call = async (
      operationId: string,
      body?: unknown,
      headers?: Record<string, string>,
      query = '',
    ): Promise<Json> => {
      const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
      const { method, path } = operations.find(({ operation }) => operation.operationId === operationId)!;
      const filled = path
        .replace('{sku}', 'MUG-BLUE')
        .replace('{location}', 'berlin')
        .replace('{id}', reservation);
      const response = await fetch(server.url + filled + query, {
        method: method.toUpperCase(),
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        body: text,
      });
      answered.add(`${operationId} ${response.status}`);
      const isJson = /^application\/(problem\+)?json/.test(response.headers.get('content-type')!);
      return isJson ? await response.json() : await response.text();
    };
    const examples = (operationId: string): Json[] => {
      const { operation } = operations.find(({ operation }) => operation.operationId === operationId)!;
      return Object.values<Json>(operation.requestBody!.content['application/json'].examples).map(
        ({ value }) => value,
      );
    };

    await call('getStock');
    await call('readLedger', undefined, {}, '?limit=1');
    reservation = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0001';
    await call('getReservation');
    await call('createReservation', examples('createReservation')[0]);
    for (const body of examples('putStockLevel')) await call('putStockLevel', body);
    await call('putStockLevel', examples('putStockLevel')[0], { 'if-match': '"77"' });
    await fetch(`${server.url}/v1/stock/MUG-GREEN/berlin`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"onHand":5}',
    });
    for (const body of examples('createReservation'))
      reservation = (await call('createReservation', body)).id;
    await call('createReservation', { lines: [{ sku: 'MUG-BLUE', quantity: 1000 }] });
    await call('createReservation', { lines: [{ sku: 'MUG-BLUE', quantity: '1' }] });
    await call('getReservation');
    await call('cancelReservation', examples('cancelReservation')[0]);
    await call('getReservation');
    await call('getStock');
    await call('queryStock', { skus: ['MUG-BLUE', 'nothing'] });
    const texts = (operationId: string): [string, string][] => {
      const { operation } = operations.find(({ operation }) => operation.operationId === operationId)!;
      const contents = Object.entries(operation.requestBody!.content);
      return contents.flatMap(([type, { example }]) => (example === undefined ? [] : [[type, example]]));
    };
    expect(await call('reserveBatch', examples('reserveBatch')[0])).toMatchObject({
      results: [{ status: 201 }, { status: 201 }],
    });
    for (const [type, text] of texts('reserveBatch'))
      expect(await call('reserveBatch', text, { 'content-type': type })).toMatchObject({
        results: [{ status: 201 }, { status: 201 }],
      });
    await call('reserveBatch', [{}, { lines: [{ sku: 'MUG-BLUE', quantity: 1000 }] }, 5]);
    await call('reserveBatch', 'no JSON');
    await call('reserveBatch', {});
    for (const [type, text] of texts('importStock'))
      expect(await call('importStock', text, { 'content-type': type })).toMatchObject({ rejected: 0 });
    await call('importStock', 'sku,location,onHand\nA,x,-1\n', { 'content-type': 'text/csv' });
    await call('importStock', 'sku,location\n', { 'content-type': 'text/csv' });
    await call('importStock', 'sku,location,onHand\n');
    for (const accept of ['application/x-ndjson', 'text/csv', 'text/html'])
      await call('exportStock', undefined, { accept });
    for (const operationId of ['findReservations', 'readLedger']) {
      await call(operationId, undefined, {}, '?limit=1');
      await call(operationId, undefined, {}, '?limit=0');
    }
    for (const operationId of ['livez', 'readyz', 'getMetrics', 'listPartitions']) await call(operationId);

    expect([...answered].sort()).toEqual(
      [
        'getStock 404',
        'getStock 200',
        'getReservation 404',
        'getReservation 200',
        'createReservation 404',
        'createReservation 201',
        'createReservation 409',
        'createReservation 422',
        'putStockLevel 201',
        'putStockLevel 200',
        'putStockLevel 412',
        'cancelReservation 200',
        'queryStock 200',
        'importStock 200',
        'importStock 415',
        'importStock 422',
        'exportStock 200',
        'exportStock 406',
        'reserveBatch 200',
        'reserveBatch 400',
        'reserveBatch 422',
        'findReservations 200',
        'findReservations 422',
        'readLedger 200',
        'readLedger 404',
        'readLedger 422',
        'livez 200',
        'readyz 200',
        'getMetrics 200',
        'listPartitions 200',
      ].sort(),
    );
  });

  test('every schema is used', () => {
    const text = JSON.stringify(document);
    for (const name of Object.keys(SCHEMAS)) expect(text).toContain(`"#/components/schemas/${name}"`);
  });
});
