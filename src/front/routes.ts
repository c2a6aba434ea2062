/** Path → handler, with what OpenAPI says of it. Handlers read bodies themselves: see body.ts. */
import { Elysia } from 'elysia';
import { calls } from './calls.ts';
import { adminCalls } from './calls-admin.ts';
import { bulkCalls } from './calls-bulk.ts';
import { confirmReservation } from './confirm.ts';
import type { FrontContext } from './context.ts';
import { exportStock } from './export.ts';
import { findReservations } from './find.ts';
import { importStock } from './import.ts';
import { readLedger } from './ledger.ts';
import { metricsPage } from './metrics-page.ts';
import { Observer } from './observe.ts';
import { live, movePartition, partitionTable, ready } from './operations.ts';
import { reserveBatch } from './reservation-batch.ts';
import { cancelReservation, createReservation, extendReservation, getReservation } from './reservations.ts';
import { adjustLevel, getStock, putLevel, queryStock } from './stock.ts';

export function routes(context: FrontContext) {
  const { call } = new Observer(context);
  return new Elysia({ name: 'holdfast', normalize: false, precompile: true })
    .put('/v1/stock/:sku/:location', call(putLevel), { detail: calls.putLevel })
    .post('/v1/stock/:sku/:location/adjustments', call(adjustLevel), { detail: calls.adjustLevel })
    .get('/v1/stock/export', call(exportStock), { detail: bulkCalls.exportStock })
    .get('/v1/stock/:sku', call(getStock), { detail: calls.getStock })
    .post('/v1/stock/import', call(importStock), { detail: bulkCalls.importStock })
    .get('/v1/stock/:sku/ledger', call(readLedger), { detail: calls.readLedger })
    .post('/v1/stock/query', call(queryStock), { detail: calls.queryStock })
    .post('/v1/reservations', call(createReservation), { detail: calls.createReservation })
    .post('/v1/reservations/batch', call(reserveBatch), { detail: bulkCalls.reserveBatch })
    .get('/v1/reservations', call(findReservations), { detail: calls.findReservations })
    .get('/v1/reservations/:id', call(getReservation), { detail: calls.getReservation })
    .post('/v1/reservations/:id/confirm', call(confirmReservation), { detail: calls.confirmReservation })
    .post('/v1/reservations/:id/extend', call(extendReservation), { detail: calls.extendReservation })
    .post('/v1/reservations/:id/cancel', call(cancelReservation), { detail: calls.cancelReservation })
    .get('/livez', call(live), { detail: calls.live })
    .get('/readyz', call(ready), { detail: calls.ready })
    .get('/metrics', call(metricsPage), { detail: calls.metrics })
    .get('/admin/partitions', call(partitionTable), { detail: adminCalls.partitions })
    .post('/admin/partitions/:partition/move', call(movePartition), { detail: adminCalls.movePartition });
}
