/** What answers look like: published, not checked. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { FAULTS_MAX } from '../limits.ts';
import { LEDGER_KINDS, STATUSES } from '../reservations/types.ts';

/** Published by its name, typed as what it refers to. */
const ref = <S extends TSchema>(name: string) =>
  Type.Unsafe<Static<S>>({ $ref: `#/components/schemas/${name}` });
const oneOf = <Word extends string>(words: readonly Word[], options = {}) =>
  Type.Unsafe<Word>({ type: 'string', enum: words, ...options });
const Time = (description: string) =>
  Type.String({ format: 'date-time', description: `${description} RFC 3339, UTC, with milliseconds.` });

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
  totals: ref<typeof Totals>('Totals'),
  levels: Type.Array(ref<typeof StockLevel>('StockLevel'), { description: 'One for each location.' }),
});
const StockQueryResult = Type.Object({
  results: Type.Array(
    Type.Object({
      sku: Type.String(),
      found: Type.Boolean({ description: 'False where no stock was ever set; then nothing follows.' }),
      totals: Type.Optional(ref<typeof Totals>('Totals')),
      levels: Type.Optional(Type.Array(ref<typeof StockLevel>('StockLevel'))),
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
        Type.Boolean({
          description:
            'True where it is the answer of an earlier request with the same key. Under Idempotency-Replayed nothing was decided anew: what has no such mark is invalid, or a problem of this request, to be sent again.',
        }),
      ),
      reservation: Type.Optional(ref<typeof Reservation>('Reservation')),
      problem: Type.Optional(ref<typeof Problem>('Problem')),
    }),
    { description: 'In the order asked; each has a reservation or a problem.' },
  ),
});
const Reservation = Type.Object({
  id: Type.String({ format: 'uuid' }),
  status: oneOf(STATUSES),
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
        code: oneOf(['insufficient-stock', 'unknown-sku']),
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
  items: Type.Array(ref<typeof Reservation>('Reservation'), { description: 'Newest first.' }),
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
    kind: oneOf(LEDGER_KINDS, {
      description:
        '`counted`: a PUT set the level. `adjusted`: an adjustment. `held`, `confirmed`, `cancelled`, `expired`: what became of a reservation. `released`: a confirmation sold less than was held. `never`: units of a reservation that did not come about, since a part of it was refused elsewhere. `corrected`: a repair of the books.',
    }),
    onHandDelta: Type.Integer({ description: 'Units by which onHand changed.' }),
    reservedDelta: Type.Integer({ description: 'Units by which reserved changed.' }),
    reservation: Type.Optional(
      Type.String({
        format: 'uuid',
        description:
          'The reservation that changed it, as GET /v1/reservations/{id} shows it; of entries that end with `never`, one that did not come about and cannot be read.',
      }),
    ),
    reason: Type.Optional(Type.String({ description: 'Why it was changed by hand.' })),
    reference: Type.Optional(Type.String({ description: "The caller's own name for a change by hand." })),
    at: Time('When it was decided.'),
  },
  { description: 'One change of one level. It is never altered.' },
);
const LedgerPage = Type.Object({
  items: Type.Array(ref<typeof LedgerEntry>('LedgerEntry'), {
    description: 'Newest first: by seq, over all locations.',
  }),
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
const Liveness = Type.Object({ status: oneOf(['live', 'leaving']) });
const Readiness = Type.Object({
  status: oneOf(['ready', 'not-ready']),
  partitions: Type.Object({ total: Type.Integer(), serving: Type.Integer() }),
  missing: Type.Array(Type.String(), { description: 'What is not there yet; empty when ready.' }),
});
const partition = {
  partition: Type.Integer(),
  worker: Type.Integer(),
  state: oneOf(['loading', 'failing', 'serving', 'leaving', 'unknown'], {
    description:
      '`failing`: loading it goes wrong, and is tried again. `unknown`: the worker did not answer, or does not have it yet or any more; then nothing follows.',
  }),
  epoch: Type.Optional(Type.Integer()),
  levels: Type.Optional(Type.Integer()),
  held: Type.Optional(Type.Integer({ description: 'Reservations held here.' })),
  mailboxDepth: Type.Optional(Type.Integer()),
  commitSeq: Type.Optional(Type.Integer()),
  commands: Type.Optional(Type.Integer({ description: 'Decided since the worker took it.' })),
};
const mapVersion = Type.Integer({ description: 'Higher with each change of the map of partitions.' });
const PartitionTable = Type.Object({ mapVersion, partitions: Type.Array(Type.Object(partition)) });
const MovedPartition = Type.Object({
  mapVersion,
  moved: Type.Boolean({ description: 'False: it was there already, and nothing was done.' }),
  ...partition,
});

/** By the name under components.schemas. */
export const ANSWERS = {
  StockLevel,
  Totals,
  SkuStock,
  StockQueryResult,
  ImportResult,
  Reservation,
  BatchResult,
  ReservationPage,
  LedgerEntry,
  LedgerPage,
  Liveness,
  Readiness,
  PartitionTable,
  MovedPartition,
  Problem,
};
/** What each of them is to TypeScript. */
export type Answers = { [Name in keyof typeof ANSWERS]: Static<(typeof ANSWERS)[Name]> };
