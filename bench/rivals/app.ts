/**
 * What all rivals share: the Elysia app around a store, which holds as Holdfast does: the same checks of the
 * body, the same answers. A store differs in how it comes to a durable yes or no.
 */
import { Elysia } from 'elysia';
import { Reserve } from '../../src/front/schemas.ts';
import { LOCATION } from '../load.ts';
import { serveForBench } from '../service.ts';

export interface Wish {
  id: string;
  lines: { sku: string; quantity: number; allocations: { location: string; quantity: number }[] }[];
  reference: string | undefined;
  createdAt: Date;
  expiresAt: Date;
}

export type Outcome = 'confirmed' | 'cancelled';

export interface Store {
  /** @returns whether every line was held; if not, none was */
  hold(wish: Wish): Promise<boolean>;
  /** Where it is measured. @returns whether there was such a reservation, still held */
  close?(id: string, outcome: Outcome): Promise<boolean>;
  /** Lets its connections go. */
  end(): Promise<void>;
}

/** Refused, and a transaction is to be rolled back for it. */
export class Refused extends Error {}

/** More is waiting than the store can hold. */
export class Overloaded extends Error {}

const EXPIRES_IN_SECONDS_DEFAULT = 900;

/** @param open a store for a setting; called again for each that is tried */
export function serveRival<Setting>(open: (setting: Setting) => Store | Promise<Store>): void {
  let store: Store;
  const close = (outcome: Outcome) => async (context: { params: { id: string } }) =>
    (await store.close!(context.params.id, outcome))
      ? Response.json({ id: context.params.id, status: outcome })
      : refused('reservation-closed');
  serveForBench<Setting>(
    new Elysia({ normalize: false, precompile: true })
      .post(
        '/v1/reservations',
        async ({ body }) => {
          const wish = wishOf(body);
          try {
            if (!(await store.hold(wish))) return refused('insufficient-stock');
          } catch (error) {
            if (error instanceof Refused) return refused('insufficient-stock');
            if (error instanceof Overloaded) return Response.json({ code: 'overloaded' }, { status: 503 });
            throw error;
          }
          const { id, ...rest } = wish;
          const headers = { location: `/v1/reservations/${id}` };
          return Response.json({ id, status: 'held', ...rest }, { status: 201, headers });
        },
        { body: Reserve },
      )
      .post('/v1/reservations/:id/confirm', close('confirmed'))
      .post('/v1/reservations/:id/cancel', close('cancelled')),
    async (setting) => {
      await store?.end();
      store = await open(setting);
    },
  );
}

function wishOf({ lines, reference, expiresInSeconds = EXPIRES_IN_SECONDS_DEFAULT }: Reserve): Wish {
  const createdAt = new Date();
  return {
    id: Bun.randomUUIDv7(),
    lines: lines.map(({ sku, quantity, location = LOCATION }) => ({
      sku,
      quantity,
      allocations: [{ location, quantity }],
    })),
    reference,
    createdAt,
    expiresAt: new Date(createdAt.getTime() + expiresInSeconds * 1000),
  };
}

function refused(code: string): Response {
  return Response.json({ code }, { status: 409 });
}
