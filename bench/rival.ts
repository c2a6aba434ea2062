/**
 * The rival: what most teams write, and write well. Elysia and postgres.js; one transaction a request,
 * with a conditional UPDATE that can't oversell and an INSERT of the reservation. Prepared statements
 * over a Unix socket; the pool's size is tried out for each workload.
 */
import { Elysia } from 'elysia';
import postgres from 'postgres';
import { Reserve } from '../src/front/schemas.ts';
import type { RivalSpec } from './rival-database.ts';
import { serveForBench } from './service.ts';
import { LOCATION } from './workloads.ts';

const EXPIRES_IN_SECONDS_DEFAULT = 900;
class SoldOut extends Error {}

const { pool, ...connection }: RivalSpec = JSON.parse(process.env.RIVAL!);
const sql = postgres({ ...connection, max: pool, fetch_types: false, connection: { jit: false } });

serveForBench(
  new Elysia({ normalize: false, precompile: true }).post(
    '/v1/reservations',
    async ({ body }) => {
      const id = Bun.randomUUIDv7();
      const createdAt = new Date();
      const lifetime = (body.expiresInSeconds ?? EXPIRES_IN_SECONDS_DEFAULT) * 1000;
      const expiresAt = new Date(createdAt.getTime() + lifetime);
      const lines = body.lines.map(({ sku, quantity, location = LOCATION }) => ({
        sku,
        quantity,
        allocations: [{ location, quantity }],
      }));
      try {
        await sql.begin(async (tx) => {
          for (const { sku, quantity, allocations } of lines) {
            const [level] = await tx`
              update stock set reserved = reserved + ${quantity}
               where sku = ${sku} and location = ${allocations[0].location}
                 and on_hand - reserved - safety_stock + backorder_limit >= ${quantity}
              returning reserved`;
            if (level === undefined) throw new SoldOut();
          }
          await tx`
            insert into reservation (id, status, lines, reference, created_at, expires_at)
            values (${id}, 'held', ${tx.json(lines)}, ${body.reference ?? null}, ${createdAt}, ${expiresAt})`;
        });
      } catch (error) {
        if (!(error instanceof SoldOut)) throw error;
        return Response.json({ code: 'insufficient-stock' }, { status: 409 });
      }
      return Response.json(
        { id, status: 'held', lines, reference: body.reference, createdAt, expiresAt },
        { status: 201, headers: { location: `/v1/reservations/${id}` } },
      );
    },
    { body: Reserve },
  ),
);
