import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { PROBLEMS } from '../../src/reservations/outcomes.ts';
import { LEDGER_KINDS, MODES, STATUSES, STRATEGIES } from '../../src/reservations/types.ts';
import { MalformedFrame, Reader, Writer } from '../../src/wire/bytes.ts';
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from '../../src/wire/codec.ts';
import { OUTCOMES, type Reply, type Request } from '../../src/wire/messages.ts';
import { decodeTraced, encodeTraced } from '../../src/wire/traced.ts';

const id = fc.uuid({ version: 7 });
const time = fc.integer({ min: 1, max: 4e12 });
const key = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' });
const quantity = fc.integer({ min: 1, max: 2_147_483_647 });
const partition = fc.nat(4095);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const hex = fc.string({ minLength: 32, maxLength: 32, unit: fc.constantFrom(...'0123456789abcdef') });
const to = { partition, deadline: time };
const sold = optional(fc.array(fc.nat(2_147_483_647), { minLength: 1, maxLength: 100 }));

const refusals = fc.array(
  fc.record({
    line: fc.nat(99),
    code: fc.constantFrom('insufficient-stock' as const, 'unknown-sku' as const),
    requested: quantity,
    available: fc.nat(4_294_967_294),
  }),
  { maxLength: 20 },
);

const keys = fc.record({ hash: hex, fingerprint: hex, partition });
const seq = fc.maxSafeNat();

const requests: fc.Arbitrary<Request> = fc.oneof(
  fc.record({
    kind: fc.constant('hold' as const),
    ...to,
    id,
    role: fc.constantFrom('decide' as const, 'try' as const, 'probe' as const),
    home: partition,
    participants: fc.array(partition, { maxLength: 99 }),
    rehold: optional(fc.record({ id, sold })),
    mode: fc.constantFrom(...MODES),
    refused: refusals,
    key: optional(keys),
    createdAt: time,
    expiresAt: time,
    reference: optional(key),
    strategy: fc.constantFrom(...STRATEGIES),
    locations: fc.array(key, { maxLength: 5 }),
    lines: fc.array(fc.record({ line: fc.nat(99), quantity, sku: key, location: optional(key) }), {
      maxLength: 300,
    }),
  }),
  fc.record({
    kind: fc.constant('put-level' as const),
    ...to,
    sku: key,
    location: key,
    onHand: fc.nat(2_147_483_647),
    safetyStock: optional(fc.nat(2_147_483_647)),
    backorderLimit: optional(fc.nat(2_147_483_647)),
    ifVersion: optional(fc.nat(2_147_483_647)),
  }),
  fc.record({
    kind: fc.constant('import-levels' as const),
    ...to,
    rows: fc.array(
      fc.record({
        sku: key,
        location: key,
        onHand: fc.nat(2_147_483_647),
        safetyStock: optional(fc.nat(2_147_483_647)),
        backorderLimit: optional(fc.nat(2_147_483_647)),
      }),
      { maxLength: 30 },
    ),
  }),
  fc.record({ kind: fc.constant('get-levels' as const), ...to, sku: key }),
  fc.record({
    kind: fc.constant('export-levels' as const),
    ...to,
    from: fc.nat(2_147_483_647),
    limit: fc.nat(65_535),
  }),
  fc.record({
    kind: fc.constantFrom('get-reservation' as const, 'ask' as const),
    ...to,
    id,
  }),
  fc.record({ kind: fc.constant('cancel' as const), ...to, id, key: optional(keys) }),
  fc.record({ kind: fc.constantFrom('claim' as const, 'recall' as const), ...to, key: keys }),
  fc.record({ kind: fc.constant('release' as const), ...to, key: keys, used: fc.boolean() }),
  fc.record({
    kind: fc.constant('settle' as const),
    ...to,
    id,
    outcome: fc.constantFrom(...OUTCOMES),
    expiresAt: time,
    sold,
  }),
  fc.record({
    kind: fc.constant('adjust' as const),
    ...to,
    sku: key,
    location: key,
    delta: fc.integer({ min: -2_147_483_647, max: 2_147_483_647 }),
    reason: key,
    reference: optional(key),
    key: optional(keys),
  }),
  fc.record({
    kind: fc.constant('confirm' as const),
    ...to,
    id,
    sold,
    rehold: fc.boolean(),
    key: optional(keys),
  }),
  fc.record({
    kind: fc.constant('extend' as const),
    ...to,
    id,
    expiresInMs: fc.nat(2_592_000_000),
    key: optional(keys),
  }),
  fc.record({
    kind: fc.constant('find-reservations' as const),
    deadline: time,
    reference: optional(key),
    status: optional(fc.constantFrom(...STATUSES)),
    sku: optional(key),
    below: optional(id),
    limit: fc.nat(100),
  }),
  fc.record({
    kind: fc.constant('read-ledger' as const),
    deadline: time,
    sku: key,
    location: optional(key),
    from: optional(fc.array(seq, { minLength: 1, maxLength: 50 })),
    limit: fc.nat(1000),
  }),
  fc.constant({ kind: 'status' as const }),
);

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
  fc.record({ kind: fc.constant('claimed' as const), known: fc.boolean() }),
  fc.record({
    kind: fc.constant('replayed' as const),
    reply: fc.record({ kind: fc.constant('level' as const), created: fc.boolean(), level }),
    short: refusals,
  }),
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

test('any bytes are a request or a MalformedFrame, nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        read(decodeTraced, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedFrame);
      }
    }),
    { numRuns: 2000 },
  );
});
