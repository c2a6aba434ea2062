/**
 * The ceiling: Elysia with the published schema, which checks the body and does nothing. What HTTP and JSON
 * cost in Bun, no stock can be reserved or shown faster than. It says what Holdfast has said to the same
 * request, to the byte, so that writing and reading the answer costs the same.
 */
import { Elysia } from 'elysia';
import { Reserve } from '../../src/front/schemas.ts';
import { serveForBench } from '../service.ts';

/** What a server has answered. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

let body = '';
let init: ResponseInit = {};
const answer = (): Response => new Response(body, init);

serveForBench<Answer>(
  new Elysia({ normalize: false, precompile: true })
    .post('/v1/reservations', answer, { body: Reserve })
    .get('/v1/stock/:sku', answer),
  (learned) => {
    body = learned.body;
    init = { status: learned.status, headers: learned.headers };
  },
);
