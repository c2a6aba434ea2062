/** When a call is sent again, seen by a small real server that answers as it is told. */
import { afterAll, beforeEach, expect, test } from 'bun:test';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Holdfast, NoAnswerError, ProblemError } from '../../src/client/index.ts';
import { retryAfterMs, waitMs } from '../../src/client/retry.ts';

interface Seen {
  at: number;
  key: string | null;
  body: string;
  authorization: string | null;
}

type Answer = (response: ServerResponse) => void;
let seen: Seen[] = [];
/** One after the other; the last one again and again. */
let answers: Answer[] = [];

const server = createServer(async (request, response) => {
  const at = performance.now();
  const { authorization = null, 'idempotency-key': key = null } = request.headers;
  const body = Buffer.concat(await Array.fromAsync(request)).toString();
  seen.push({ at, key: key as string | null, body, authorization });
  (answers.length > 1 ? answers.shift()! : answers[0])(response);
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
afterAll(() => server.close());
beforeEach(() => {
  seen = [];
});

const { reservations, stock } = new Holdfast({ url: `http://127.0.0.1:${port}`, key: 'secret' });
const ORDER = { lines: [{ sku: 'mug', quantity: 1 }] };
const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const held = json(201, { id: 'x', status: 'held' });
const problem = (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  json(
    status,
    { type: `/problems/${code}`, title: code, status, detail: `said ${code}`, code },
    { 'content-type': 'application/problem+json', ...headers },
  );
/** Half of an answer, and the end of the connection. */
const torn: Answer = (response) => {
  response.writeHead(201, { 'content-type': 'application/json', 'content-length': '30' });
  response.write('{"id":', () => response.destroy());
};

async function errorOf<E extends Error>(
  call: Promise<unknown>,
  kind: new (...args: never[]) => E,
): Promise<E> {
  const error = await call.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return error;
}

test('503, 429, a torn answer: sent again with one key and one body, until there is an answer', async () => {
  answers = [problem(503, 'outcome-unknown'), problem(429, 'rate-limited'), torn, held];
  expect((await reservations.hold(ORDER)).status).toBe('held');
  expect(seen).toHaveLength(4);
  expect(new Set(seen.map(({ key, body }) => `${key} ${body}`)).size).toBe(1);
  expect(seen[0].key).toMatch(/^[0-9a-f-]{36}$/);
  expect(seen[0].authorization).toBe('Bearer secret');
});

test('two calls have two keys, and one that is given is kept', async () => {
  answers = [held];
  await reservations.hold(ORDER);
  await reservations.hold(ORDER);
  await reservations.hold(ORDER, { idempotencyKey: 'mine' });
  expect(new Set(seen.map(({ key }) => key)).size).toBe(3);
  expect(seen[2].key).toBe('mine');
});

test('Retry-After is waited for', async () => {
  answers = [problem(503, 'overloaded', { 'retry-after': '1' }), held];
  await reservations.hold(ORDER);
  expect(seen[1].at - seen[0].at).toBeGreaterThanOrEqual(990);
});

test('a refusal is final', async () => {
  answers = [problem(409, 'insufficient-stock')];
  const refused = await errorOf(reservations.hold(ORDER), ProblemError);
  expect([refused.code, refused.status, refused.message]).toEqual([
    'insufficient-stock',
    409,
    'said insufficient-stock',
  ]);
  expect(seen).toHaveLength(1);
});

test('tries are bounded, and the last problem is thrown, with the key', async () => {
  answers = [problem(503, 'outcome-unknown')];
  const error = await errorOf(reservations.hold(ORDER, { triesMax: 3 }), ProblemError);
  expect(error.code).toBe('outcome-unknown');
  expect(seen).toHaveLength(3);
  expect(error.idempotencyKey).toBe(seen[0].key!);
});

test('the deadline is for all tries: what would come after it is not waited for', async () => {
  answers = [problem(503, 'overloaded', { 'retry-after': '60' })];
  const startedAt = performance.now();
  await errorOf(reservations.hold(ORDER, { deadlineMs: 500 }), ProblemError);
  expect(performance.now() - startedAt).toBeLessThan(400);

  let silent: ServerResponse | undefined;
  answers = [
    (response) => {
      silent = response;
    },
  ];
  const late = await errorOf(reservations.hold(ORDER, { deadlineMs: 200 }), NoAnswerError);
  expect(late.message).toContain('no answer within');
  silent?.destroy();
});

test('a signal ends the call and the waiting', async () => {
  answers = [problem(503, 'overloaded', { 'retry-after': '20' })];
  const stopping = new AbortController();
  const call = reservations.hold(ORDER, { signal: stopping.signal });
  while (seen.length === 0) await Bun.sleep(1);
  stopping.abort(new Error('enough'));
  expect(call).rejects.toThrow('enough');
  await call.catch(() => {});
  expect(seen).toHaveLength(1);
});

test('a put that compares is sent again only where nothing has happened', async () => {
  answers = [problem(503, 'outcome-unknown')];
  await errorOf(stock.put('mug', 'here', { onHand: 1 }, { ifMatch: 1 }), ProblemError);
  expect(seen).toHaveLength(1);
  answers = [problem(503, 'overloaded'), json(200, { onHand: 1 })];
  await stock.put('mug', 'here', { onHand: 1 }, { ifMatch: 1 });
  expect(seen).toHaveLength(3);
  expect(seen.map(({ key }) => key)).toEqual([null, null, null]);
});

test('an import is sent once, with a key by which its caller can send it again', async () => {
  answers = [problem(503, 'overloaded'), json(200, { accepted: 1 })];
  const levels = [{ sku: 'mug', location: 'here', onHand: 1 }];
  const { idempotencyKey } = await errorOf(stock.import(levels), ProblemError);
  expect(seen).toHaveLength(1);
  await stock.import(levels, { idempotencyKey });
  expect(idempotencyKey).toBeString();
  expect(seen.splice(1).map(({ key }) => key)).toEqual([idempotencyKey ?? '']);
  expect(seen.map(({ body }) => body)).toEqual(['{"sku":"mug","location":"here","onHand":1}\n']);
});

test('what is not Holdfast is not asked again', async () => {
  answers = [
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>'),
  ];
  const error = await errorOf(reservations.get('x'), NoAnswerError);
  expect(error.message).toContain('was answered 200, not by Holdfast: <h1>It works!</h1>');
  expect(seen).toHaveLength(1);
});

test('waits grow, are never longer than their bound, and begin after Retry-After', () => {
  expect([1, 2, 3, 4, 9].map((failures) => waitMs(failures, 0, 1))).toEqual([100, 200, 400, 800, 5000]);
  expect(waitMs(3, 2000, 0)).toBe(2000);
  expect(waitMs(3, 2000, 0.5)).toBe(2200);
  expect(retryAfterMs('2')).toBe(2000);
  expect(retryAfterMs('Tue, 24 Nov 2026 10:00:05 GMT', Date.parse('2026-11-24T10:00:00Z'))).toBe(5000);
  expect(['soon', '-1', null].map((header) => retryAfterMs(header))).toEqual([0, 0, 0]);
});
