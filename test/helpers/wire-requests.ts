/** Arbitrary requests and what they are made of, as fronts would send them. */
import fc from 'fast-check';
import { MODES, STATUSES, STRATEGIES } from '../../src/reservations/types.ts';
import { OUTCOMES, type Request } from '../../src/wire/messages.ts';

export const id = fc.uuid({ version: 7 });
export const time = fc.integer({ min: 1, max: 4e12 });
/** Any text but one with a NUL, which Postgres does not store. */
const character = fc
  .oneof(fc.constant('\u0001'), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }))
  .filter((text) => text !== '\0');
export const key = fc.string({ minLength: 1, maxLength: 40, unit: character });
export const quantity = fc.integer({ min: 1, max: 2_147_483_647 });
export const partition = fc.nat(4095);
export const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
export const hex = fc.string({ minLength: 32, maxLength: 32, unit: fc.constantFrom(...'0123456789abcdef') });
const to = { partition, deadline: time };
export const sold = optional(fc.array(fc.nat(2_147_483_647), { minLength: 1, maxLength: 100 }));

export const refusals = fc.array(
  fc.record({
    line: fc.nat(99),
    code: fc.constantFrom('insufficient-stock' as const, 'unknown-sku' as const),
    requested: quantity,
    available: fc.nat(4_294_967_294),
  }),
  { maxLength: 20 },
);

const keys = fc.record({ hash: hex, fingerprint: hex, partition });
const token = fc.nat(2 ** 32 - 1);
export const seq = fc.maxSafeNat();

const count = fc.maxSafeNat();
export const summary = fc.record({
  digest: hex,
  accepted: count,
  unchanged: count,
  rejected: count,
  errors: fc.array(fc.record({ line: count, code: key, detail: fc.string() }), { maxLength: 100 }),
});

export const requests: fc.Arbitrary<Request> = fc.oneof(
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
        onHand: fc.integer({ min: -2_147_483_647, max: 2_147_483_647 }),
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
  fc.record({ kind: fc.constant('recall' as const), ...to, key: keys }),
  fc.record({ kind: fc.constantFrom('claim' as const, 'prolong' as const), ...to, key: keys, token }),
  fc.record({ kind: fc.constant('seal' as const), ...to, key: keys, summary: optional(summary) }),
  fc.record({ kind: fc.constant('release' as const), ...to, key: keys, token, used: fc.boolean() }),
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
  fc.constantFrom(
    { kind: 'status' as const },
    { kind: 'hottest' as const },
    { kind: 'read-api-keys' as const },
  ),
);
