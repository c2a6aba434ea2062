/**
 * What requests look like: checked on the way in and published at /swagger/json. Integers are
 * JSON integers, and a field that is not listed is refused.
 */
import { type Static, type TProperties, Type } from '@sinclair/typebox';
import {
  BATCH_RESERVATIONS_MAX,
  ENTRIES_PER_PAGE_DEFAULT,
  ENTRIES_PER_PAGE_MAX,
  EXPIRES_IN_SECONDS_DEFAULT,
  EXPIRES_IN_SECONDS_MAX,
  IDEMPOTENCY_KEY_BYTES_MAX,
  KEY_BYTES_MAX,
  LINES_MAX,
  PARTITIONS_MAX,
  QUANTITY_MAX,
  REASON_BYTES_MAX,
  REFERENCE_BYTES_MAX,
  RESERVATIONS_PER_PAGE_DEFAULT,
  RESERVATIONS_PER_PAGE_MAX,
  SKUS_PER_QUERY_MAX,
  SOURCING_LOCATIONS_MAX,
  WORKERS_MAX,
} from '../limits.ts';
import { MODES, type Mode, STATUSES, STRATEGIES } from '../reservations/types.ts';
import { ANSWERS } from './answer-schemas.ts';
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
/** One that says its backorderLimit, as those of an export do: once backorders were sold, less than none may be there. */
export const ImportLevelRow = strict({
  ...ImportRow.properties,
  onHand: Type.Integer({ minimum: -QUANTITY_MAX, maximum: QUANTITY_MAX }),
});
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

export const PartitionNumber = Type.Integer({
  minimum: 0,
  maximum: PARTITIONS_MAX - 1,
  description: 'Which partition, as GET /admin/partitions lists them.',
});

export const Move = strict({
  worker: Type.Integer({
    minimum: 0,
    maximum: WORKERS_MAX - 1,
    description: 'Where the partition is to be.',
  }),
});

/** The body of a call that has nothing to say: none, or an empty object. */
export const Nothing = strict({});

const Cursor = Type.Optional(
  Type.String({
    description: 'Where to go on: `nextCursor` of the page before, with the same filters. Opaque.',
  }),
);
const Limit = (most: number, otherwise: number) =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: most, default: otherwise, description: 'Items on a page, at most.' }),
  );

export const FindQuery = strict({
  reference: Type.Optional(
    text(REFERENCE_BYTES_MAX, { description: 'Only those that were made with exactly this reference.' }),
  ),
  status: Type.Optional(choice(STATUSES, { description: 'Only those with this status.' })),
  sku: Type.Optional(text(KEY_BYTES_MAX, { description: 'Only those that have held units of this SKU.' })),
  cursor: Cursor,
  limit: Limit(RESERVATIONS_PER_PAGE_MAX, RESERVATIONS_PER_PAGE_DEFAULT),
});
export type FindQuery = Static<typeof FindQuery>;

export const LedgerQuery = strict({
  location: Type.Optional(
    text(KEY_BYTES_MAX, { description: 'Only changes of the level at this location.' }),
  ),
  cursor: Cursor,
  limit: Limit(ENTRIES_PER_PAGE_MAX, ENTRIES_PER_PAGE_DEFAULT),
});
export type LedgerQuery = Static<typeof LedgerQuery>;

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
  Move,
  Nothing,
  ...ANSWERS,
};
export type SchemaName = keyof typeof SCHEMAS;
