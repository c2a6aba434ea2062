/**
 * The ceiling: an Elysia POST with the published schema that checks the body and does nothing. What
 * HTTP and JSON cost in Bun, no stock can be reserved faster than.
 */
import { Elysia } from 'elysia';
import { Reserve } from '../src/front/schemas.ts';
import { serveForBench } from './service.ts';

const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e002a';
/** As long as what Holdfast answers to one line. */
const ANSWER = JSON.stringify({
  id: ID,
  status: 'held',
  lines: [{ sku: 'SKU-00000', quantity: 1, allocations: [{ location: 'main', quantity: 1 }] }],
  createdAt: '2026-03-01T09:30:00.000Z',
  expiresAt: '2026-03-02T09:30:00.000Z',
});

serveForBench(
  new Elysia({ normalize: false, precompile: true }).post(
    '/v1/reservations',
    () =>
      new Response(ANSWER, {
        status: 201,
        headers: { 'content-type': 'application/json', location: `/v1/reservations/${ID}` },
      }),
    { body: Reserve },
  ),
);
