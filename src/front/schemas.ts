/**
 * What requests and answers look like: checked on the way in, published at /swagger/json. Integers are
 * JSON integers, and a field that is not listed is refused.
 */
import { type Static, type TProperties, Type } from '@sinclair/typebox';
import {
  ENTRIES_PER_PAGE_DEFAULT,
  ENTRIES_PER_PAGE_MAX,
  EXPIRES_IN_SECONDS_DEFAULT,
  EXPIRES_IN_SECONDS_MAX,
  KEY_BYTES_MAX,
  LINES_MAX,
  QUANTITY_MAX,
  REASON_BYTES_MAX,
  REFERENCE_BYTES_MAX,
  RESERVATIONS_PER_PAGE_DEFAULT,
  RESERVATIONS_PER_PAGE_MAX,
  SKUS_PER_QUERY_MAX,
  SOURCING_LOCATIONS_MAX,
} from '../limits.ts';
import { LEDGER_KINDS, MODES, type Mode, STATUSES, STRATEGIES } from '../reservations/types.ts';
import { choice, text } from './schema-kinds.ts';

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
  sku: Type.Optional(text(KEY_BYTES_MAX, { description: 'Only those with a line of this SKU.' })),
  cursor: Cursor,
  limit: Limit(RESERVATIONS_PER_PAGE_MAX, RESERVATIONS_PER_PAGE_DEFAULT),
});

export const LedgerQuery = strict({
  location: Type.Optional(
    text(KEY_BYTES_MAX, { description: 'Only changes of the level at this location.' }),
  ),
  cursor: Cursor,
  limit: Limit(ENTRIES_PER_PAGE_MAX, ENTRIES_PER_PAGE_DEFAULT),
});

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
const ref = (name: string) => Type.Unsafe<unknown>({ $ref: `#/components/schemas/${name}` });

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
const NextCursor = Type.Optional(
  Type.String({ description: 'For the parameter `cursor`. Absent on the last page.' }),
);
const ReservationPage = Type.Object({
  items: Type.Array(ref('Reservation'), { description: 'Newest first.' }),
  nextCursor: NextCursor,
});
const LedgerEntry = Type.Object(
  {
    seq: Type.Integer({
      minimum: 1,
      description:
        'Its place in the order of all changes of the partition that the SKU is in: rises by one with each, without gaps, whichever SKU or location is changed.',
    }),
    location: Type.String(),
    kind: Type.Unsafe<string>({
      type: 'string',
      enum: LEDGER_KINDS,
      description:
        '`counted`: a PUT set the level. `adjusted`: an adjustment. `held`, `confirmed`, `cancelled`, `expired`: what became of a reservation. `released`: a confirmation sold less than was held. `never`: units of a reservation that did not come about, since a part of it was refused elsewhere. `corrected`: a repair of the books.',
    }),
    onHandDelta: Type.Integer({ description: 'Units by which onHand changed.' }),
    reservedDelta: Type.Integer({ description: 'Units by which reserved changed.' }),
    reservation: Type.Optional(
      Type.String({ format: 'uuid', description: 'The reservation that changed it.' }),
    ),
    reason: Type.Optional(Type.String({ description: 'Why it was changed by hand.' })),
    reference: Type.Optional(Type.String({ description: "The caller's own name for a change by hand." })),
    at: Time('When it was decided.'),
  },
  { description: 'One change of one level. It is never altered.' },
);
const LedgerPage = Type.Object({
  items: Type.Array(ref('LedgerEntry'), { description: 'Newest first: by seq, over all locations.' }),
  nextCursor: NextCursor,
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
            parameter: Type.Optional(Type.String({ description: 'A parameter of the path or the query.' })),
            header: Type.Optional(Type.String({ description: 'A header.' })),
            line: Type.Optional(Type.Integer({ description: 'The index of a line.' })),
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
  Nothing,
  StockLevel,
  Totals,
  SkuStock,
  StockQueryResult,
  Reservation,
  ReservationPage,
  LedgerEntry,
  LedgerPage,
  Liveness,
  Readiness,
  PartitionTable,
  Problem,
};
export type SchemaName = keyof typeof SCHEMAS;
