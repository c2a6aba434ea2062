/** What /swagger says of each call: summaries, examples, and which problems it can answer. Bulk is in calls-bulk.ts. */
import { Type } from '@sinclair/typebox';
import { AGE, describe, headerParameter, pathParameter, queryParameters } from './describe.ts';
import { FindQuery, LedgerQuery, Location, Sku } from './schemas.ts';

const TIME = '2026-03-01T09:30:00.000Z';
const LATER = '2026-03-01T09:45:00.000Z';
export const level = {
  sku: 'MUG-BLUE',
  location: 'berlin',
  onHand: 40,
  reserved: 3,
  safetyStock: 2,
  backorderLimit: 0,
  available: 35,
  version: 7,
  updatedAt: TIME,
};
const { sku: _sku, location: _location, version: _version, updatedAt: _updatedAt, ...totals } = level;
const skuStock = { sku: 'MUG-BLUE', totals, levels: [level] };
export const reservation = {
  id: '019caa3d-7b40-7c1e-9f2a-5d0c8b1e002a',
  status: 'held',
  lines: [{ sku: 'MUG-BLUE', quantity: 1, allocations: [{ location: 'berlin', quantity: 1 }] }],
  reference: 'order-1001',
  createdAt: TIME,
  expiresAt: LATER,
};

const sku = pathParameter('sku', Sku, 'MUG-BLUE');
const location = pathParameter('location', Location, 'berlin');
const reservationId = pathParameter(
  'id',
  Type.String({ format: 'uuid', description: 'As POST /v1/reservations gave it.' }),
  reservation.id,
);
const ledgerEntry = {
  seq: 5021,
  location: 'berlin',
  kind: 'held',
  onHandDelta: 0,
  reservedDelta: 1,
  reservation: reservation.id,
  at: TIME,
};
const CURSOR = 'k3Q9xwGcqj17QHweny1tDIseACo';
const linkTo = (next: string) => ({
  Link: {
    description: 'The next page (RFC 8288), with the same filters and limit. Absent on the last page.',
    example: `<${next}>; rel="next"`,
    required: false,
  },
});
const ETAG = { ETag: { description: 'The version of the level, for If-Match.', example: '"7"' } };
export const calls = {
  putLevel: describe({
    id: 'putStockLevel',
    tag: 'Stock',
    summary: 'Set what a count found',
    description:
      'Sets `onHand` of one SKU at one location, and creates the level where it is new. What is reserved stays reserved: if the count found less than was promised, `available` is negative and nothing more is granted until it is positive again. Repeating it is safe.',
    parameters: [
      sku,
      location,
      headerParameter(
        'If-Match',
        'One ETag such as `"7"`: only if the level still has this version. `*`: only if it exists.',
      ),
    ],
    body: {
      schema: 'PutLevel',
      required: true,
      examples: {
        count: { onHand: 40 },
        everything: { onHand: 40, safetyStock: 2, backorderLimit: 0 },
      },
    },
    success: {
      200: { description: 'The level was changed.', schema: 'StockLevel', example: level, headers: ETAG },
      201: { description: 'The level was created.', schema: 'StockLevel', example: level, headers: ETAG },
    },
    problems: [
      'too-many-levels',
      'version-mismatch',
      'overloaded',
      'partition-unavailable',
      'outcome-unknown',
    ],
  }),
  adjustLevel: describe({
    id: 'adjustStockLevel',
    keyed: true,
    tag: 'Stock',
    summary: 'Receive, write off, return to stock',
    description:
      'Changes `onHand` by `delta`, and writes why into the ledger. A write-off may leave less than is promised, as a count may, but not less than nothing.',
    parameters: [sku, location],
    body: {
      schema: 'Adjust',
      required: true,
      examples: {
        received: { delta: 48, reason: 'received', reference: 'delivery-77' },
        damaged: { delta: -1, reason: 'damaged' },
      },
    },
    success: {
      200: { description: 'The level as it is now.', schema: 'StockLevel', example: level, headers: ETAG },
    },
    problems: [
      'unknown-sku',
      'unknown-level',
      'stock-below-zero',
      'stock-above-maximum',
      'overloaded',
      'partition-unavailable',
      'outcome-unknown',
    ],
  }),
  getStock: describe({
    id: 'getStock',
    tag: 'Stock',
    summary: 'All levels of a SKU and their totals',
    description: 'Shows at least what every 2xx sent before has said, also while the database is away.',
    parameters: [sku],
    success: {
      200: { description: 'The levels and their sums.', schema: 'SkuStock', example: skuStock, headers: AGE },
    },
    problems: ['unknown-sku', 'invalid-request', 'overloaded', 'partition-unavailable'],
  }),
  readLedger: describe({
    id: 'readLedger',
    tag: 'Stock',
    summary: 'Every change of a SKU, newest first',
    description:
      'Each change of a level is an entry, written with the change itself; as long as retention has deleted none, the sums of the deltas are the level. All levels of a SKU are in one partition, and `seq` is the order in which that partition decided: total, and without gaps over all its SKUs, so that read from the lowest to the highest it is a feed of events in which nothing is missing. A page shows at least what every 2xx sent before it has said; a change that comes while pages are read is not on the later ones. A location where a known SKU was never stocked has no entries, which is not an error.',
    parameters: [sku, ...queryParameters(LedgerQuery, { location: 'berlin', limit: 100 })],
    success: {
      200: {
        description: 'A page of entries.',
        schema: 'LedgerPage',
        example: { items: [ledgerEntry], nextCursor: CURSOR },
        headers: linkTo(`/v1/stock/MUG-BLUE/ledger?cursor=${CURSOR}&limit=1`),
      },
    },
    problems: ['unknown-sku', 'invalid-request', 'overloaded', 'partition-unavailable', 'search-too-slow'],
  }),
  queryStock: describe({
    id: 'queryStock',
    tag: 'Stock',
    summary: 'Availability of many SKUs at once',
    description:
      'Changes nothing. Each SKU is as it was at one moment; different SKUs may be from different moments.',
    body: {
      schema: 'StockQuery',
      required: true,
      examples: { two: { skus: ['MUG-BLUE', 'MUG-GREEN'] } },
    },
    success: {
      200: {
        description: 'One result for each SKU, in the order asked.',
        schema: 'StockQueryResult',
        headers: AGE,
        example: {
          results: [
            { ...skuStock, found: true },
            { sku: 'MUG-GREEN', found: false },
          ],
        },
      },
    },
    problems: ['overloaded', 'partition-unavailable'],
  }),
  createReservation: describe({
    id: 'createReservation',
    keyed: true,
    tag: 'Reservations',
    summary: 'Hold stock',
    description:
      'Holds every line, or nothing. A 201 is durable. The stock is given back when the reservation is cancelled or expires.',
    body: {
      schema: 'Reserve',
      required: true,
      examples: {
        oneLine: { lines: [{ sku: 'MUG-BLUE', quantity: 1 }] },
        wholeOrder: {
          lines: [
            { sku: 'MUG-BLUE', quantity: 2, location: 'berlin' },
            { sku: 'MUG-GREEN', quantity: 1 },
          ],
          sourcing: { strategy: 'in-order', locations: ['berlin', 'hamburg'] },
          expiresInSeconds: 600,
          reference: 'order-1001',
        },
      },
    },
    success: {
      201: {
        description: 'Everything is held.',
        schema: 'Reservation',
        example: reservation,
        headers: {
          Location: { description: 'Where it can be read.', example: `/v1/reservations/${reservation.id}` },
        },
      },
    },
    problems: ['unknown-sku', 'insufficient-stock', 'overloaded', 'partition-unavailable', 'outcome-unknown'],
  }),
  findReservations: describe({
    id: 'findReservations',
    tag: 'Reservations',
    summary: 'Find reservations, newest first',
    description:
      'Those for which all the filters hold; without a filter, all. Sees at least what every 2xx sent before has said. Newest first is by id, which begins with the time: reservations that are made while pages are read change nothing on the later pages, and what is there throughout is on exactly one. A page may have fewer items than `limit` although another follows, where its reservations have very many allocations. It is read from the database, apart from everything else, and is no way to watch many reservations: searching by `reference` costs as little as reading one, without a filter or by `status` it costs some milliseconds, and by `sku` it depends on how far back the reservations of that SKU are.',
    parameters: queryParameters(FindQuery, {
      reference: 'order-1001',
      status: 'held',
      sku: 'MUG-BLUE',
      limit: 20,
    }),
    success: {
      200: {
        description: 'A page of reservations.',
        schema: 'ReservationPage',
        example: { items: [reservation], nextCursor: CURSOR },
        headers: linkTo(`/v1/reservations?status=held&cursor=${CURSOR}&limit=1`),
      },
    },
    problems: ['invalid-request', 'overloaded', 'partition-unavailable', 'search-too-slow'],
  }),
  getReservation: describe({
    id: 'getReservation',
    tag: 'Reservations',
    summary: 'Read a reservation',
    description: 'Whatever became of it, a reservation can be read by its id.',
    parameters: [reservationId],
    success: { 200: { description: 'The reservation.', schema: 'Reservation', example: reservation } },
    problems: ['unknown-reservation', 'invalid-id', 'overloaded', 'partition-unavailable'],
  }),
  confirmReservation: describe({
    id: 'confirmReservation',
    keyed: true,
    tag: 'Reservations',
    summary: 'Sell what is held',
    description:
      'The sale: `onHand` and `reserved` fall together. With `lines`, only that much is sold and the rest is released. With `ifExpired: "rehold"`, a reservation that has expired is confirmed all the same if its stock is still there. Repeating it is safe: a reservation that is already confirmed is answered with 200 again.',
    parameters: [reservationId],
    body: {
      schema: 'Confirm',
      required: false,
      examples: {
        everything: {},
        part: { lines: [{ sku: 'MUG-BLUE', quantity: 1 }] },
        paidTooLate: { ifExpired: 'rehold' },
      },
    },
    success: {
      200: {
        description: 'It is confirmed; the lines are what was sold.',
        schema: 'Reservation',
        example: { ...reservation, status: 'confirmed', closedAt: '2026-03-01T09:31:12.345Z' },
      },
    },
    problems: [
      'unknown-reservation',
      'invalid-id',
      'reservation-cancelled',
      'reservation-expired',
      'insufficient-stock',
      'overloaded',
      'partition-unavailable',
      'outcome-unknown',
    ],
  }),
  extendReservation: describe({
    id: 'extendReservation',
    keyed: true,
    tag: 'Reservations',
    summary: 'Hold it longer',
    description: 'Counted from now, whatever was left.',
    parameters: [reservationId],
    body: { schema: 'Extend', required: true, examples: { tenMinutes: { expiresInSeconds: 600 } } },
    success: {
      200: { description: 'It is held for that long.', schema: 'Reservation', example: reservation },
    },
    problems: [
      'unknown-reservation',
      'invalid-id',
      'reservation-confirmed',
      'reservation-cancelled',
      'reservation-expired',
      'overloaded',
      'partition-unavailable',
      'outcome-unknown',
    ],
  }),
  cancelReservation: describe({
    id: 'cancelReservation',
    keyed: true,
    tag: 'Reservations',
    summary: 'Give the stock back',
    description: 'Repeating it is safe: a reservation that is already cancelled is answered with 200 again.',
    parameters: [reservationId],
    body: { schema: 'Nothing', required: false, examples: { nothing: {} } },
    success: {
      200: {
        description: 'It is cancelled.',
        schema: 'Reservation',
        example: { ...reservation, status: 'cancelled', closedAt: '2026-03-01T09:31:12.345Z' },
      },
    },
    problems: [
      'unknown-reservation',
      'invalid-id',
      'reservation-confirmed',
      'reservation-expired',
      'overloaded',
      'partition-unavailable',
      'outcome-unknown',
    ],
  }),
  live: describe({
    id: 'livez',
    tag: 'Operation',
    summary: 'Does the process run?',
    description: 'Says nothing of workers or the database; see /readyz. For the checks of a load balancer.',
    success: {
      200: { description: 'It runs.', schema: 'Liveness', example: { status: 'live' } },
      503: {
        description: 'It is about to be replaced: send requests to another front.',
        schema: 'Liveness',
        example: { status: 'leaving' },
        headers: { 'Retry-After': { description: 'Seconds to wait.', example: '1' } },
      },
    },
  }),
  ready: describe({
    id: 'readyz',
    tag: 'Operation',
    summary: 'Can it serve?',
    description: 'Ready once every partition is loaded by the worker that owns it and the database answers.',
    success: {
      200: {
        description: 'Everything can be served.',
        schema: 'Readiness',
        example: { status: 'ready', partitions: { total: 256, serving: 256 }, missing: [] },
      },
      503: {
        description: 'Something is missing.',
        schema: 'Readiness',
        example: {
          status: 'not-ready',
          partitions: { total: 256, serving: 128 },
          missing: ['worker 1 does not answer (128 partitions)'],
        },
        headers: { 'Retry-After': { description: 'Seconds to wait.', example: '1' } },
      },
    },
  }),
  metrics: describe({
    id: 'getMetrics',
    tag: 'Operation',
    summary: 'What every process counts',
    description:
      'Fronts, workers and the supervisor, whichever front is asked; the label `process` tells them apart. One front is to be scraped, not each.',
    success: {
      200: {
        description: 'OpenMetrics text.',
        texts: {
          'application/openmetrics-text': {
            description: 'OpenMetrics 1.0, as Prometheus reads it.',
            example:
              '# HELP holdfast_reservations_held Open reservations\n# TYPE holdfast_reservations_held gauge\nholdfast_reservations_held{process="worker 0"} 12\n# EOF\n',
          },
        },
      },
    },
  }),
};
