import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { SCOPES } from '../../src/access/scopes.ts';
import { PROBLEMS } from '../../src/reservations/outcomes.ts';
import { LEDGER_KINDS, STATUSES } from '../../src/reservations/types.ts';
import { MalformedFrame, Reader, Writer } from '../../src/wire/bytes.ts';
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from '../../src/wire/codec.ts';
import { OUTCOMES, type Reply } from '../../src/wire/messages.ts';
import { decodeTraced, encodeTraced } from '../../src/wire/traced.ts';
import {
  hex,
  id,
  key,
  optional,
  partition,
  quantity,
  refusals,
  requests,
  seq,
  sold,
  summary,
  time,
} from '../helpers/wire-requests.ts';

const allocations = fc.array(fc.record({ quantity, location: key }), { maxLength: 4 });
const lines = fc.array(fc.record({ line: fc.nat(99), quantity, sku: key, allocations }), { maxLength: 20 });
const level = fc.record({
  sku: key,
  location: key,
  onHand: fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
  reserved: fc.nat(4_294_967_294),
  safetyStock: fc.nat(2_147_483_647),
  backorderLimit: fc.nat(2_147_483_647),
  version: fc.nat(4_294_967_295),
  updatedAt: time,
});

const reservation = fc.record({
  id,
  status: fc.constantFrom(...STATUSES),
  createdAt: time,
  expiresAt: time,
  closedAt: optional(time),
  reference: optional(key),
  lines,
});
const entry = fc.record({
  seq,
  location: key,
  kind: fc.constantFrom(...LEDGER_KINDS),
  onHandDelta: fc.maxSafeInteger(),
  reservedDelta: fc.maxSafeInteger(),
  reservation: optional(id),
  reason: optional(key),
  reference: optional(key),
  at: time,
});

const replies: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({
    kind: fc.constant('granted' as const),
    lines: fc.array(fc.record({ line: fc.nat(99), allocations }), { maxLength: 20 }),
    short: refusals,
  }),
  fc.record({ kind: fc.constant('refused' as const), lines: refusals }),
  fc.record({ kind: fc.constant('level' as const), created: fc.boolean(), level }),
  fc.record({
    kind: fc.constant('imported' as const),
    changed: fc.nat(65_535),
    unchanged: fc.nat(65_535),
    refused: fc.array(
      fc.record({ row: fc.nat(65_535), code: fc.constantFrom(...PROBLEMS.map(({ code }) => code)) }),
      { maxLength: 20 },
    ),
  }),
  fc.record({
    kind: fc.constant('levels' as const),
    levels: fc.array(level, { maxLength: 20 }),
    next: optional(fc.nat(2_147_483_647)),
    age: optional(fc.nat(2_147_483_647)),
  }),
  fc.record({
    kind: fc.constant('reservation' as const),
    reservation,
  }),
  fc.record({
    kind: fc.constant('found' as const),
    reservations: fc.array(reservation, { maxLength: 5 }),
    next: optional(id),
  }),
  fc.record({
    kind: fc.constant('hottest' as const),
    skus: fc.array(
      fc.record({
        partition,
        sku: key,
        asked: fc.double({ min: 0, noNaN: true }),
        onHand: fc.maxSafeNat(),
        reserved: fc.maxSafeNat(),
        available: fc.maxSafeInteger(),
      }),
      { maxLength: 12 },
    ),
  }),
  fc.record({
    kind: fc.constant('entries' as const),
    entries: fc.array(entry, { maxLength: 20 }),
    next: optional(fc.array(seq, { minLength: 1, maxLength: 50 })),
  }),
  fc.record({
    kind: fc.constant('outcome' as const),
    outcome: fc.constantFrom(...OUTCOMES),
    expiresAt: time,
    sold,
  }),
  fc.record({ kind: fc.constant('settled' as const), lines }),
  fc.record({
    kind: fc.constant('api-keys' as const),
    keyring: fc.record({
      everMade: fc.boolean(),
      keys: fc.array(
        fc.record(
          {
            id: hex,
            name: key,
            scopes: fc.subarray([...SCOPES]),
            hash: hex,
            expiresAt: time,
            rate: fc.record({ requests: quantity, seconds: quantity }),
          },
          { requiredKeys: ['id', 'name', 'scopes', 'hash'] },
        ),
        { maxLength: 5 },
      ),
    }),
  }),
  fc.record({ kind: fc.constant('claimed' as const), known: fc.boolean() }),
  fc.record({
    kind: fc.constant('replayed' as const),
    reply: fc.record({ kind: fc.constant('level' as const), created: fc.boolean(), level }),
    short: refusals,
  }),
  fc.record({ kind: fc.constant('sealed' as const), summary: optional(summary) }),
  fc.record({
    kind: fc.constant('problem' as const),
    code: fc.constantFrom(...PROBLEMS.map(({ code }) => code)),
  }),
);

function bytesOf<T>(encode: (writer: Writer, message: T) => void, message: T): Uint8Array {
  const writer = new Writer(16);
  encode(writer, message);
  return writer.bytes.slice(0, writer.length);
}

function read<T>(decode: (reader: Reader) => T, bytes: Uint8Array): T {
  const reader = new Reader().open(bytes, 0, bytes.length);
  const message = decode(reader);
  reader.close();
  return message;
}

test('every request arrives as it was sent, and a part of one is never taken for one', () => {
  fc.assert(
    fc.property(requests, fc.nat(10_000), (request, cut) => {
      const bytes = bytesOf(encodeRequest, request);
      expect(read(decodeRequest, bytes)).toEqual(request);
      expect(() => read(decodeRequest, bytes.slice(0, cut % bytes.length))).toThrow(MalformedFrame);
    }),
  );
});

test('a trace costs a request its ids, and one without a trace nothing', () => {
  const digits = (length: number) =>
    fc.string({ minLength: length, maxLength: length, unit: fc.constantFrom(...'0123456789abcdef') });
  const trace = fc.record({ traceId: digits(32), spanId: digits(16), sampled: fc.constant(true) });
  fc.assert(
    fc.property(requests, trace, fc.nat(10_000), (request, trace, cut) => {
      const traced = bytesOf(encodeTraced, { ...request, trace });
      expect(read(decodeTraced, traced)).toEqual({ ...request, trace });
      expect(traced.length).toBe(bytesOf(encodeRequest, request).length + 25);
      expect(bytesOf(encodeTraced, request)).toEqual(bytesOf(encodeRequest, request));
      expect(read(decodeTraced, bytesOf(encodeTraced, request))).toEqual(request);
      expect(() => read(decodeTraced, traced.slice(0, cut % traced.length))).toThrow(MalformedFrame);
    }),
  );
});

test('every reply arrives as it was sent', () => {
  fc.assert(
    fc.property(replies, (reply) => {
      expect(read(decodeReply, bytesOf(encodeReply, reply))).toEqual(reply);
    }),
  );
});

function expectRequestOrRefusal(bytes: Uint8Array): void {
  try {
    read(decodeTraced, bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedFrame);
  }
}

test('any bytes are a request or a MalformedFrame, nothing else', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), expectRequestOrRefusal), { numRuns: 2000 });
});

test('so are those of a request in which one byte is another', () => {
  fc.assert(
    fc.property(requests, fc.nat(10_000), fc.nat(255), (request, at, value) => {
      const bytes = bytesOf(encodeRequest, request);
      expectRequestOrRefusal(bytes.with(at % bytes.length, value));
    }),
    { numRuns: 5000 },
  );
});
