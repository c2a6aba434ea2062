/**
 * Whatever is sent, to a front over HTTP or to a worker's socket: nothing crashes, nothing is a defect, no answer leaks
 * what is inside, and the books still balance. Arbitrary input comes from a seed, which a failure prints.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ReservationIds } from '../../src/reservations/id.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { runFolderOf } from '../../src/supervisor/data-folder.ts';
import { Writer } from '../../src/wire/bytes.ts';
import type { HoldRequest, Request } from '../../src/wire/messages.ts';
import { encodeTraced } from '../../src/wire/traced.ts';
import { startServer, type TestServer } from '../helpers/server.ts';
import { verify } from '../helpers/verify.ts';
import { requests } from '../helpers/wire-requests.ts';

let server: TestServer;
let pids: number[];

beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_FRONTS: '1', HOLDFAST_WORKERS: '2' } });
  pids = [...server.workerPids(), ...server.frontPids()];
  for (const sku of ['A', 'B']) await send('PUT', `/v1/stock/${sku}/x`, '{"onHand":1000}');
}, 60_000);
afterAll(() => server.stop(), 60_000);

const PARTITIONS = 256;
const JSON_TYPE = 'application/json';

async function send(
  method: string,
  path: string,
  body: string | Uint8Array<ArrayBuffer> | undefined,
  type = JSON_TYPE,
) {
  const response = await fetch(server.url + path, { method, body, headers: { 'content-type': type } });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

/** Of ours, or of Postgres: what only those who run the server may see. */
const INSIDE = /\.ts\b|node_modules|\bat [\w.]+ \(|postgres|select |insert |stack|ECONN/i;

async function expectSaneAnswer(
  method: string,
  path: string,
  body: string | Uint8Array<ArrayBuffer> | undefined,
  type?: string,
) {
  const answer = await send(method, path, body, type);
  expect(answer.status).toBeLessThan(500);
  if (answer.status >= 400) {
    expect(answer.type).toBe('application/problem+json');
    const { detail, ...rest } = JSON.parse(answer.text);
    expect(JSON.stringify(rest)).not.toMatch(INSIDE);
  }
}

/** The same processes are there, they serve, and none of them has met what it did not expect. */
async function expectUnharmed() {
  expect([...server.workerPids(), ...server.frontPids()]).toEqual(pids);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(server.output()).not.toMatch(/request\.failed|invariant\.broken|supervisor\.failed|link\.failed/);
}

const ID = '01890000-0000-7000-8000-000000000001';
const VALID: readonly [method: string, path: string, body: unknown][] = [
  ['PUT', '/v1/stock/A/x', { onHand: 5, safetyStock: 1, backorderLimit: 0 }],
  ['POST', '/v1/stock/A/x/adjustments', { delta: 1, reason: 'found', reference: 'r' }],
  ['POST', '/v1/stock/query', { skus: ['A', 'B'] }],
  [
    'POST',
    '/v1/reservations',
    {
      lines: [
        { sku: 'A', quantity: 1, location: 'x' },
        { sku: 'B', quantity: 1 },
      ],
      mode: 'partial',
      sourcing: { strategy: 'in-order', locations: ['x'] },
      expiresInSeconds: 5,
      reference: 'order',
    },
  ],
  ['POST', `/v1/reservations/${ID}/confirm`, { lines: [{ sku: 'A', quantity: 1 }], ifExpired: 'rehold' }],
  ['POST', `/v1/reservations/${ID}/extend`, { expiresInSeconds: 5 }],
  ['POST', `/v1/reservations/${ID}/cancel`, {}],
  ['POST', '/v1/reservations/batch', [{ lines: [{ sku: 'A', quantity: 1 }], idempotencyKey: 'k' }]],
];

/** A value with some part of it replaced. */
function mutated(value: unknown, at: number[], by: unknown): unknown {
  if (at.length === 0 || typeof value !== 'object' || value === null) return by;
  const [first, ...rest] = at;
  const keys = Object.keys(value);
  if (keys.length === 0) return by;
  const key = keys[first % keys.length];
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
  copy[key] = mutated(copy[key], rest, by);
  return copy;
}

const odd = fc.oneof(
  fc.constantFrom(-1, 0, 0.5, 1e300, 2 ** 31, 2 ** 53, '', '\u0000', '__proto__', null, true, [], {}),
  fc.constantFrom('1', '🦑'.repeat(40), 'x'.repeat(300), { toString: 1 }, [[[[]]]]),
  fc.jsonValue(),
);

test('bodies that are almost right, or nothing like it', async () => {
  const call = fc.constantFrom(...VALID);
  const body = fc.tuple(call, fc.array(fc.nat(9), { maxLength: 4 }), odd);
  await fc.assert(
    fc.asyncProperty(body, ([[method, path, valid], at, by]) =>
      expectSaneAnswer(method, path, JSON.stringify(mutated(valid, at, by))),
    ),
    { numRuns: 1500 },
  );
  await fc.assert(
    fc.asyncProperty(call, fc.uint8Array({ maxLength: 300 }), async ([method, path], bytes) =>
      expectSaneAnswer(method, path, new Uint8Array(bytes)),
    ),
    { numRuns: 200 },
  );
  await expectUnharmed();
}, 30_000);

test('paths, queries and headers', async () => {
  const part = fc.string({ minLength: 1, maxLength: 30, unit: 'binary' });
  const paths = [
    '/v1/stock/',
    '/v1/stock/export',
    '/v1/reservations/',
    '/v1/reservations?',
    '/problems/',
    '/admin/',
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), part, fc.boolean(), async (path, text, encoded) => {
      const rest = encoded ? encodeURIComponent(text.toWellFormed()) : text.replace(/[^\x21-\x7e]/g, '%');
      const response = await fetch(server.url + path + rest, { redirect: 'manual' });
      expect(response.status).toBeLessThan(500);
      await response.text();
    }),
    { numRuns: 400 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.string({
        maxLength: 300,
        unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
      }),
      async (text) => {
        const headers = {
          'content-type': JSON_TYPE,
          'idempotency-key': text,
          'if-match': text,
          traceparent: text,
        };
        for (const [method, path, body] of [VALID[0], VALID[3]]) {
          const response = await fetch(server.url + path, { method, headers, body: JSON.stringify(body) });
          expect(response.status).toBeLessThan(500);
          await response.text();
        }
      },
    ),
    { numRuns: 200 },
  );
  await expectUnharmed();
}, 30_000);

test('imports of anything, in bounded memory', async () => {
  const cell = fc.oneof(
    fc.constantFrom('A', 'x', '1', '-1', '', '"', '""', '"a\nb"', '9'.repeat(40)),
    fc.string({ maxLength: 8 }),
  );
  const csv = fc
    .array(
      fc.array(cell, { maxLength: 7 }).map((cells) => cells.join(',')),
      { maxLength: 30 },
    )
    .map((lines) => ['sku,location,onHand', ...lines].join('\n'));
  const ndjson = fc.array(fc.oneof(fc.json(), fc.string({ maxLength: 30 })), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(csv, ndjson, async (table, lines) => {
      await expectSaneAnswer('POST', '/v1/stock/import', table, 'text/csv');
      await expectSaneAnswer('POST', '/v1/stock/import', lines.join('\n'), 'application/x-ndjson');
    }),
    { numRuns: 100 },
  );
  const [front] = server.frontPids();
  const before = residentMiB(front);
  const nothing = new Uint8Array(1024 * 1024).fill(0x61);
  for (const type of ['text/csv', 'application/x-ndjson']) {
    let sent = 0;
    // A line without an end. The server may hang up before it has come.
    const body = new ReadableStream<Uint8Array>({
      pull: (stream) => (sent++ < 128 ? stream.enqueue(nothing) : stream.close()),
    });
    await fetch(`${server.url}/v1/stock/import`, { method: 'POST', headers: { 'content-type': type }, body })
      .then((response) => response.text())
      .catch(() => {});
  }
  expect(residentMiB(front) - before).toBeLessThan(96);
  await expectUnharmed();
}, 30_000);

test('bytes on a worker’s socket', async () => {
  const sockets = readdirSync(runFolder())
    .filter((name) => /^worker-\d+\.sock$/.test(name))
    .map((name) => join(runFolder(), name));
  expect(sockets).toHaveLength(2);
  const flips = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { maxLength: 3 });
  const frames = fc.array(fc.tuple(requests, flips, fc.boolean()), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...sockets),
      frames,
      fc.uint8Array({ maxLength: 200 }),
      async (path, parts, tail) => {
        const writer = new Writer();
        parts.forEach(([request, changes, here], id) => {
          const start = writer.length;
          writer.u32(0);
          writer.u32(id);
          // Half of them for a partition that is there, and in time.
          encodeTraced(
            writer,
            'partition' in request && here
              ? { ...request, partition: request.partition % 256, deadline: Date.now() + 5000 }
              : request,
          );
          const length = writer.length - start;
          for (const [at, to] of changes) writer.bytes[start + 8 + (at % (length - 8))] = to;
          writer.patchU32(start, length - 4);
        });
        writer.raw(tail);
        await pour(path, writer.bytes.slice(0, writer.length));
      },
    ),
    { numRuns: 150 },
  );
  await expectUnharmed();
}, 60_000);

test('requests that no front would send, on a worker’s socket', async () => {
  await send('PUT', '/v1/stock/A/x', '{"onHand":1000000}');
  const to = { partition: partitionOf('A', PARTITIONS), deadline: Number.POSITIVE_INFINITY };
  const hash = '0123456789abcdef'.repeat(2);
  const key = { hash, fingerprint: hash, partition: 1 };
  const hold: HoldRequest = {
    kind: 'hold',
    ...to,
    id: ID,
    role: 'decide',
    home: to.partition,
    participants: [],
    mode: 'all',
    refused: [],
    createdAt: Date.now(),
    expiresAt: Date.now() + 1000,
    strategy: 'split',
    locations: [],
    lines: [{ line: 0, sku: 'A', quantity: 1 }],
  };
  const level = { kind: 'put-level', ...to, sku: 'A', location: 'x', onHand: 1000 } as const;
  const own = { ...to, id: ID };
  const odd: Request[] = [
    { ...hold, id: 'x' },
    { ...hold, id: '' },
    { ...hold, createdAt: Number.NaN },
    { ...hold, createdAt: 1e300 },
    { ...hold, expiresAt: 1e17 },
    { ...hold, expiresAt: Number.POSITIVE_INFINITY },
    { ...hold, reference: 'a\0b' },
    { ...hold, home: 65_535, role: 'try' },
    { ...hold, participants: [65_535] },
    { ...hold, participants: [4095, 4095] },
    { ...hold, key: { ...key, hash: 'x' } },
    { ...hold, key: { ...key, fingerprint: 'x' } },
    { ...hold, key: { ...key, partition: 65_535 } },
    { ...hold, lines: [] },
    { ...hold, lines: [{ line: 255, sku: 'A', quantity: 1 }] },
    { ...hold, lines: [{ line: 0, sku: 'A', quantity: 0 }] },
    { ...hold, lines: [{ line: 0, sku: 'A', quantity: 4_294_967_295 }] },
    { ...hold, rehold: { id: 'x' } },
    { ...hold, rehold: { id: ID, sold: [4_294_967_295] } },
    { ...level, sku: 'A\0' },
    { ...level, sku: '' },
    { ...level, location: 'a\0' },
    { ...level, location: '' },
    { ...level, onHand: 4_294_967_295 },
    { ...level, safetyStock: 4_294_967_290 },
    { ...level, backorderLimit: 4_294_967_290 },
    { kind: 'import-levels', ...to, rows: [] },
    { kind: 'import-levels', ...to, rows: [{ sku: 'A', location: '\0', onHand: 4_294_967_295 }] },
    { kind: 'adjust', ...to, sku: 'A', location: 'x', delta: -2_147_483_648, reason: '\0' },
    { kind: 'adjust', ...to, sku: 'A', location: 'x', delta: 0, reason: '', reference: '\0' },
    { kind: 'settle', ...own, outcome: 'held', expiresAt: 1e300 },
    { kind: 'settle', ...own, outcome: 'confirmed', expiresAt: 0, sold: [4_294_967_295, 4_294_967_295] },
    { kind: 'confirm', ...own, rehold: true, sold: [4_294_967_295] },
    { kind: 'confirm', ...own, rehold: false, id: '0' },
    { kind: 'extend', ...own, expiresInMs: 1e300 },
    { kind: 'extend', ...own, expiresInMs: Number.NaN },
    { kind: 'cancel', ...own, id: 'x' },
    { kind: 'ask', ...own, id: 'x' },
    { kind: 'get-reservation', ...own, id: 'x' },
    { kind: 'recall', ...to, key: { ...key, hash: 'x' } },
    { kind: 'release', ...to, key: { ...key, fingerprint: '' }, token: 1, used: true },
    { kind: 'export-levels', ...to, from: 4_294_967_295, limit: 65_535 },
    { kind: 'find-reservations', deadline: Date.now() + 2000, below: 'x', sku: '\0', limit: 65_535 },
    { kind: 'read-ledger', deadline: Date.now() + 2000, sku: '\0', from: [Number.NaN, 1e300], limit: 65_535 },
  ];
  const owner = join(runFolder(), `worker-${to.partition < PARTITIONS / 2 ? 0 : 1}.sock`);
  for (const [at, request] of odd.entries()) {
    // On an open reservation, and where there is none.
    const id = new ReservationIds().next(Date.now(), to.partition);
    const open = { ...hold, id };
    await pour(owner, framesOf(open, 'id' in request && request.id === ID ? { ...request, id } : request));
    await pour(owner, framesOf(request));
    expect([at, server.workerPids()]).toEqual([at, pids.slice(0, 2)]);
  }
  await expectUnharmed();
}, 60_000);

function framesOf(...requests: Request[]): Uint8Array {
  const writer = new Writer();
  requests.forEach((request, id) => {
    const start = writer.length;
    writer.u32(0);
    writer.u32(id);
    encodeTraced(writer, request);
    writer.patchU32(start, writer.length - start - 4);
  });
  return writer.bytes.slice(0, writer.length);
}

/** Sends, waits a moment for what the worker makes of it, and hangs up. */
async function pour(path: string, bytes: Uint8Array): Promise<void> {
  const socket = await Bun.connect({ unix: path, socket: { data() {}, error() {} } });
  socket.write(bytes);
  await Bun.sleep(5);
  socket.end();
}

test('sockets and data are their owner’s alone', () => {
  for (const name of readdirSync(runFolder()))
    expect([name, lstatSync(join(runFolder(), name)).isSymbolicLink()]).toEqual([name, false]);
  expect(statSync(runFolder()).mode & 0o077).toBe(0);
  const { dataDir } = server.home;
  // Others may pass through, since as root Postgres runs as another user, and read nothing.
  expect(statSync(dataDir).mode & 0o066).toBe(0);
  for (const name of readdirSync(dataDir)) {
    const { mode } = statSync(join(dataDir, name));
    expect([name, mode & 0o022]).toEqual([name, 0]);
  }
});

test('and the books balance', async () => {
  await expectUnharmed();
  expect((await verify(server.home)).code).toBe(0);
}, 30_000);

function runFolder(): string {
  return runFolderOf(server.home.dataDir);
}

function residentMiB(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kib[1]) / 1024;
}
