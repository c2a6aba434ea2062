/** Path → handler, with what OpenAPI says of it. Handlers read bodies themselves: see body.ts. */
import { Elysia } from 'elysia';
import { calls } from './calls.ts';
import { bulkCalls } from './calls-bulk.ts';
import { confirmReservation } from './confirm.ts';
import type { FrontContext } from './context.ts';
import { exportStock } from './export.ts';
import { findReservations } from './find.ts';
import { importStock } from './import.ts';
import { readLedger } from './ledger.ts';
import { live, partitionTable, ready } from './operations.ts';
import { reserveBatch } from './reservation-batch.ts';
import { cancelReservation, createReservation, extendReservation, getReservation } from './reservations.ts';
import { adjustLevel, getStock, putLevel, queryStock } from './stock.ts';

export function routes(context: FrontContext) {
  return new Elysia({ name: 'holdfast', normalize: false, precompile: true })
    .put('/v1/stock/:sku/:location', ({ request, params }) => putLevel(context, request, params), {
      detail: calls.putLevel,
    })
    .post(
      '/v1/stock/:sku/:location/adjustments',
      ({ request, params }) => adjustLevel(context, request, params),
      { detail: calls.adjustLevel },
    )
    .get('/v1/stock/export', ({ request }) => exportStock(context, request), {
      detail: bulkCalls.exportStock,
    })
    .get('/v1/stock/:sku', ({ params }) => getStock(context, params), { detail: calls.getStock })
    .post('/v1/stock/import', ({ request }) => importStock(context, request), {
      detail: bulkCalls.importStock,
    })
    .get('/v1/stock/:sku/ledger', ({ request, params }) => readLedger(context, request, params), {
      detail: calls.readLedger,
    })
    .post('/v1/stock/query', ({ request }) => queryStock(context, request), { detail: calls.queryStock })
    .post('/v1/reservations', ({ request }) => createReservation(context, request), {
      detail: calls.createReservation,
    })
    .post('/v1/reservations/batch', ({ request }) => reserveBatch(context, request), {
      detail: bulkCalls.reserveBatch,
    })
    .get('/v1/reservations', ({ request }) => findReservations(context, request), {
      detail: calls.findReservations,
    })
    .get('/v1/reservations/:id', ({ params }) => getReservation(context, params), {
      detail: calls.getReservation,
    })
    .post(
      '/v1/reservations/:id/confirm',
      ({ request, params }) => confirmReservation(context, request, params),
      { detail: calls.confirmReservation },
    )
    .post(
      '/v1/reservations/:id/extend',
      ({ request, params }) => extendReservation(context, request, params),
      { detail: calls.extendReservation },
    )
    .post(
      '/v1/reservations/:id/cancel',
      ({ request, params }) => cancelReservation(context, request, params),
      { detail: calls.cancelReservation },
    )
    .get('/livez', () => live(), { detail: calls.live })
    .get('/readyz', () => ready(context), { detail: calls.ready })
    .get('/admin/partitions', () => partitionTable(context), { detail: calls.partitions });
}
