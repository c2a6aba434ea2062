/**
 * What requests and answers look like: checked on the way in, published at /swagger/json. Integers are
 * JSON integers, and a field that is not listed is refused.
 */
import { type Static, type TProperties, Type } from '@sinclair/typebox';
import {
  BATCH_RESERVATIONS_MAX,
  EXPIRES_IN_SECONDS_DEFAULT,
  EXPIRES_IN_SECONDS_MAX,
  FAULTS_MAX,
  IDEMPOTENCY_KEY_BYTES_MAX,
  KEY_BYTES_MAX,
  LINES_MAX,
  QUANTITY_MAX,
  REASON_BYTES_MAX,
  REFERENCE_BYTES_MAX,
  SKUS_PER_QUERY_MAX,
  SOURCING_LOCATIONS_MAX,
} from '../limits.ts';
import { MODES, type Mode, STATUSES, STRATEGIES } from '../reservations/types.ts';
import { choice, text } from './schema-kinds.ts';

const ref = (name: string) => Type.Unsafe<unknown>({ $ref: `#/components/schemas/${name}` });

function strict<P extends TProperties>(properties: P, options: { description?: string } = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

const KEY_RULE = `1 to ${KEY_BYTES_MAX} bytes of UTF-8 without control characters.`;
export const Sku = text(KEY_BYTES_MAX, { description: `What is stocked. ${KEY_RULE}` });
export const Location = text(KEY_BYTES_MAX, { description: `Where it is stocked. ${KEY_RULE}` });

const Quantity = Type.Integer({ minimum: 1, maximum: QUANTITY_MAX, description: 'Whole units.' });
const Count = (description: string) => Type.Integer({ minimum: 0, maximum: QUANTITY_MAX, description });
const Time = (description: string) =>
  Type.String({ format: 'date-time', description: `${description} RFC 3339, UTC, with milliseconds.` });

const Reference = (description: string) =>
  text(REFERENCE_BYTES_MAX, {
    description: `${description} 1 to ${REFERENCE_BYTES_MAX} bytes of UTF-8 without control characters.`,
  });
const ExpiresInSeconds = { minimum: 1, maximum: EXPIRES_IN_SECONDS_MAX };

export const PutLevel = strict({
  onHand: Count('What a count found.'),
  safetyStock: Type.Optional(
    Count('Units that are never promised. Left as they are when absent, 0 for a new level.'),
  ),
  backorderLimit: Type.Optional(
    Count(
      'Units that may be promised beyond what is there. Left as they are when absent, 0 for a new level.',
    ),
  ),
});
export type PutLevel = Static<typeof PutLevel>;

/** A line of an import; as JSON, or made from the columns of a CSV. */
export const ImportRow = strict({ sku: Sku, location: Location, ...PutLevel.properties });
export type ImportRow = Static<typeof ImportRow>;

export const StockQuery = strict({
  skus: Type.Array(Sku, { minItems: 1, maxItems: SKUS_PER_QUERY_MAX }),
});
export type StockQuery = Static<typeof StockQuery>;

const Line = strict({
  sku: Sku,
  quantity: Quantity,
  location: Type.Optional(
    text(KEY_BYTES_MAX, {
      description: 'The only location that this line may be taken from. Absent: sourced by `sourcing`.',
    }),
  ),
});

const Sourcing = strict(
  {
    strategy: choice(STRATEGIES, {
      description:
        '`most-available`: each line whole, from the location that has most of it. `in-order`: each line whole, from the first of `locations` that has enough. `split`: a line may come from several locations.',
    }),
    locations: Type.Optional(
      Type.Array(Location, {
        minItems: 1,
        maxItems: SOURCING_LOCATIONS_MAX,
        uniqueItems: true,
        description: 'The only locations to take from, best first. Needed for `in-order`; absent: any.',
      }),
    ),
  },
  { description: 'How lines without a location find one.' },
);

export const Reserve = strict({
  lines: Type.Array(Line, {
    minItems: 1,
    maxItems: LINES_MAX,
    description: 'What to hold. The same SKU may stand on several lines; they are counted together.',
  }),
  mode: Type.Optional(
    choice<Mode>(MODES, {
      description:
        '`all`: all lines or nothing, across SKUs and locations. `partial`: what there is of each line; `notGranted` in the answer says what is missing, and only where there is nothing at all is it refused.',
      default: 'all',
    }),
  ),
  sourcing: Type.Optional(Sourcing),
  expiresInSeconds: Type.Optional(
    Type.Integer({
      ...ExpiresInSeconds,
      default: EXPIRES_IN_SECONDS_DEFAULT,
      description: 'How long the stock is held unless the reservation is cancelled before.',
    }),
  ),
  reference: Type.Optional(Reference("The caller's own name for it, such as an order number.")),
});
export type Reserve = Static<typeof Reserve>;

export const Adjust = strict({
  delta: Type.Integer({
    minimum: -QUANTITY_MAX,
    maximum: QUANTITY_MAX,
    description: 'Units that came in, or with a minus sign went out. Not 0.',
  }),
  reason: text(REASON_BYTES_MAX, { description: 'Why, for the ledger: received, damaged, returned …' }),
  reference: Type.Optional(Reference("The caller's own name for what caused it, such as a delivery note.")),
});
export type Adjust = Static<typeof Adjust>;

export const Confirm = strict({
  lines: Type.Optional(
    Type.Array(strict({ sku: Sku, quantity: Quantity }), {
      minItems: 1,
      maxItems: LINES_MAX,
      description: 'What is sold, by SKU; the rest is released. Absent: everything.',
    }),
  ),
  ifExpired: Type.Optional(
    choice(['rehold'], {
      description:
        '`rehold`: if it has expired, take the same stock again, if it is still there, and sell it.',
    }),
  ),
});
export type Confirm = Static<typeof Confirm>;

export const Extend = strict({
  expiresInSeconds: Type.Integer({
    ...ExpiresInSeconds,
    description: 'How long it is held, counted from now.',
  }),
});
export type Extend = Static<typeof Extend>;

/** One reservation of a batch. */
export const BatchReservation = strict({
  ...Reserve.properties,
  idempotencyKey: Type.Optional(
    text(IDEMPOTENCY_KEY_BYTES_MAX, {
      description: `As an Idempotency-Key of this reservation alone. 1 to ${IDEMPOTENCY_KEY_BYTES_MAX} bytes of UTF-8 without control characters.`,
    }),
  ),
});
export type BatchReservation = Static<typeof BatchReservation>;

const Batch = Type.Array(ref('BatchReservation'), {
  maxItems: BATCH_RESERVATIONS_MAX,
  description: 'Each on its own: what becomes of one does not depend on the others.',
});

/** The body of a call that has nothing to say: none, or an empty object. */
export const Nothing = strict({});

// What follows is answered, not checked.

const totals = {
  onHand: Type.Integer({ description: 'Units that are there.' }),
  reserved: Type.Integer({ description: 'Units of them that are promised.' }),
  safetyStock: Type.Integer({ description: 'Units that are never promised.' }),
  backorderLimit: Type.Integer({ description: 'Units that may be promised beyond what is there.' }),
  available: Type.Integer({
    description:
      'onHand − reserved − safetyStock + backorderLimit. Negative after a count found less than was promised.',
  }),
};
const Totals = Type.Object(totals, { description: 'Sums over all locations.' });
const StockLevel = Type.Object(
  {
    sku: Type.String(),
    location: Type.String(),
    ...totals,
    version: Type.Integer({ minimum: 1, description: 'Rises by one with each change; the ETag.' }),
    updatedAt: Time('The last change.'),
  },
  { description: 'The stock of one SKU at one location.' },
);
const SkuStock = Type.Object({
  sku: Type.String(),
  totals: ref('Totals'),
  levels: Type.Array(ref('StockLevel'), { description: 'One for each location.' }),
});
const StockQueryResult = Type.Object({
  results: Type.Array(
    Type.Object({
      sku: Type.String(),
      found: Type.Boolean({ description: 'False where no stock was ever set; then nothing follows.' }),
      totals: Type.Optional(ref('Totals')),
      levels: Type.Optional(Type.Array(ref('StockLevel'))),
    }),
    { description: 'In the order asked.' },
  ),
});
const ImportResult = Type.Object({
  accepted: Type.Integer({ description: 'Lines that set or created a level.' }),
  unchanged: Type.Integer({ description: 'Lines whose level was already as they say; they cost no write.' }),
  rejected: Type.Integer({ description: 'Lines without effect.' }),
  errors: Type.Array(
    Type.Object({
      line: Type.Integer({ description: 'The number of the line in the file, from 1.' }),
      code: Type.String(),
      detail: Type.String(),
    }),
    { description: `Why lines were rejected, of the first ${FAULTS_MAX} of them.` },
  ),
});
const BatchResult = Type.Object({
  results: Type.Array(
    Type.Object({
      status: Type.Integer({ description: 'What POST /v1/reservations would have answered.' }),
      replayed: Type.Optional(
        Type.Boolean({ description: 'True where it is the answer of an earlier request with the same key.' }),
      ),
      reservation: Type.Optional(ref('Reservation')),
      problem: Type.Optional(ref('Problem')),
    }),
    { description: 'In the order asked; each has a reservation or a problem.' },
  ),
});
const Reservation = Type.Object({
  id: Type.String({ format: 'uuid' }),
  status: Type.Unsafe<string>({ type: 'string', enum: STATUSES }),
  lines: Type.Array(
    Type.Object({
      sku: Type.String(),
      quantity: Type.Integer(),
      allocations: Type.Array(Type.Object({ location: Type.String(), quantity: Type.Integer() }), {
        description: 'Where the units come from; their sum is the quantity.',
      }),
    }),
    { description: 'In the order asked.' },
  ),
  reference: Type.Optional(Type.String()),
  createdAt: Time('When it was made.'),
  expiresAt: Time('When the stock is given back by itself.'),
  closedAt: Type.Optional(Time('When it was confirmed, cancelled or expired.')),
  notGranted: Type.Optional(
    Type.Array(
      Type.Object({
        line: Type.Integer({ description: 'The index of the line in the request.' }),
        sku: Type.String(),
        code: Type.Unsafe<string>({ type: 'string', enum: ['insufficient-stock', 'unknown-sku'] }),
        requested: Type.Integer(),
        granted: Type.Integer(),
      }),
      { description: 'In the answer to a reservation in mode `partial`: lines that are not held whole.' },
    ),
  ),
});
const Problem = Type.Object(
  {
    type: Type.String({
      format: 'uri-reference',
      description: '`/problems/<code>`, a page that explains it.',
    }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What was wrong with this request.' }),
    code: Type.String({ description: 'Stable, for programs.' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object(
          {
            pointer: Type.Optional(Type.String({ description: 'A JSON pointer into the body.' })),
            parameter: Type.Optional(Type.String({ description: 'A parameter of the path.' })),
            header: Type.Optional(Type.String({ description: 'A header.' })),
            line: Type.Optional(
              Type.Integer({
                description: 'The index of a line of a reservation; the number of a line of a file.',
              }),
            ),
            sku: Type.Optional(Type.String()),
            requested: Type.Optional(Type.Integer()),
            available: Type.Optional(Type.Integer()),
            code: Type.String(),
            detail: Type.String(),
          },
          { additionalProperties: true },
        ),
        { description: 'Each field or line at fault.' },
      ),
    ),
  },
  { description: 'RFC 9457.' },
);
const Liveness = Type.Object({ status: Type.Unsafe<string>({ type: 'string', enum: ['live'] }) });
const Readiness = Type.Object({
  status: Type.Unsafe<string>({ type: 'string', enum: ['ready', 'not-ready'] }),
  partitions: Type.Object({ total: Type.Integer(), serving: Type.Integer() }),
  missing: Type.Array(Type.String(), { description: 'What is not there yet; empty when ready.' }),
});
const PartitionTable = Type.Object({
  mapVersion: Type.Integer(),
  partitions: Type.Array(
    Type.Object({
      partition: Type.Integer(),
      worker: Type.Integer(),
      state: Type.Unsafe<string>({
        type: 'string',
        enum: ['loading', 'serving', 'unknown'],
        description: '`unknown`: the worker did not answer; then nothing follows.',
      }),
      epoch: Type.Optional(Type.Integer()),
      levels: Type.Optional(Type.Integer()),
      held: Type.Optional(Type.Integer({ description: 'Reservations held here.' })),
      mailboxDepth: Type.Optional(Type.Integer()),
      commitSeq: Type.Optional(Type.Integer()),
    }),
  ),
});

/** By the name under components.schemas. */
export const SCHEMAS = {
  PutLevel,
  StockQuery,
  Reserve,
  Adjust,
  Confirm,
  Extend,
  BatchReservation,
  Batch,
  Nothing,
  StockLevel,
  Totals,
  SkuStock,
  StockQueryResult,
  ImportResult,
  Reservation,
  BatchResult,
  Liveness,
  Readiness,
  PartitionTable,
  Problem,
};
export type SchemaName = keyof typeof SCHEMAS;
