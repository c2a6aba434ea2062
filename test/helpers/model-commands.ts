/**
 * What random clients do. A new call of the API is one entry in COMMANDS, and one method of the model.
 */
import fc from 'fast-check';
import { MODES, STATUSES, STRATEGIES } from '../../src/reservations/types.ts';
import { BACK_MS, expected, type Sale, type Wish } from './model.ts';
import { grant, observe, receive } from './model-among-others.ts';
import { type Call, type Client, type Command, LETTERS, NOBODY, once, WHICH_MAX } from './model-client.ts';
import type { Count } from './model-shelves.ts';
import type { Level, Reservation } from './shop.ts';

const LOCATIONS = ['x', 'y', 'z'];
/** So long that nothing runs out while a sequence is played. */
const LONG_SECONDS = 3600;

interface Kind {
  weight: number;
  command: fc.Arbitrary<Command>;
}

function mostly<Usual, Rare>(
  usual: fc.Arbitrary<Usual>,
  rare: fc.Arbitrary<Rare>,
): fc.Arbitrary<Usual | Rare> {
  return fc.oneof({ weight: 2, arbitrary: usual }, { weight: 1, arbitrary: rare });
}

/** @param call of a client, with what was generated */
function kind<Args extends object>(
  name: string,
  weight: number,
  args: fc.Arbitrary<Args>,
  call: (args: Args, client: Client) => Call,
): Kind {
  return {
    weight,
    command: args.map((values) => ({
      call: (client: Client) => call(values, client),
      [fc.toStringMethod]: () => `${name} ${JSON.stringify(values)}`,
    })),
  };
}

/** A POST that changes something; some have an Idempotency-Key. */
function change<Args extends object>(
  name: string,
  weight: number,
  args: fc.Arbitrary<Args>,
  call: (args: Args, client: Client) => Call,
): Kind {
  const keyed = mostly(fc.constant(false), fc.constant(true));
  return kind(name, weight, fc.tuple(args, keyed), ([values, hasKey], client) =>
    hasKey ? withKey(client, call(values, client)) : call(values, client),
  );
}

function withKey(client: Client, call: Call): Call {
  const key = crypto.randomUUID();
  return client.willSend(key, once(key, call));
}

const sku = fc.constantFrom(...LETTERS);
const location = fc.constantFrom(...LOCATIONS);
const which = fc.nat(WHICH_MAX);
/** Small beside a count, so that about half of the orders are granted. */
const quantity = mostly(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 3, max: 8 }));
const line = fc.record({ sku, quantity, location: mostly(fc.constant(undefined), location) });
const lines = fc.array(line, { minLength: 1, maxLength: 4 });
const locations = fc.uniqueArray(location, { minLength: 2 });
const anywhere = fc.record({ strategy: fc.constantFrom('most-available' as const, 'split' as const) });
const somewhere = fc.record({ strategy: fc.constantFrom(...STRATEGIES), locations });
const sourcing = mostly(fc.constant(undefined), mostly(anywhere, somewhere));
const mode = mostly(fc.constant(undefined), fc.constantFrom(...MODES));
const reference = fc.constantFrom(undefined, 'order "7"', 'Ünï/7');
const wish = fc.record({ lines, sourcing, mode, reference });
type AbstractWish = typeof wish extends fc.Arbitrary<infer W> ? W : never;
/** Lines by their place in the reservation. */
const parts = fc.array(fc.record({ line: fc.nat(3), quantity }), { minLength: 1, maxLength: 2 });
const sale = fc.record({ which, parts: mostly(fc.constant(undefined), parts), rehold: fc.boolean() });
const count = fc.record(
  { onHand: fc.nat(12), safetyStock: fc.nat(3), backorderLimit: fc.nat(4) },
  { requiredKeys: ['onHand'] },
);
const ifMatch = mostly(fc.constant(undefined), fc.constantFrom('seen', 'older', '*'));
const incoming = fc.integer({ min: 1, max: 6 });
const outgoing = fc.integer({ min: -6, max: -1 });

function post(path: string, body: unknown, expect: Call['expect'], believe?: Call['believe']): Call {
  return { method: 'POST', path, body, expect, believe };
}

function wishOf(client: Client, wish: AbstractWish, expiresInSeconds = LONG_SECONDS): Wish {
  return {
    ...wish,
    lines: wish.lines.map((line) => ({ ...line, sku: client.sku(line.sku) })),
    reference: wish.reference && client.reference(wish.reference),
    expiresInSeconds,
  };
}

function reserve(wish: Wish): Call {
  return post(
    '/v1/reservations',
    wish,
    (model, answer) => model.reserve(wish, answer),
    (model, answer) => grant(model, wish, answer),
  );
}

function cancel({ id }: { id: string }): Call {
  return post(`/v1/reservations/${id}/cancel`, undefined, (model, answer) => model.cancel(id, answer));
}

export function read({ id }: { id: string }): Call {
  return { method: 'GET', path: `/v1/reservations/${id}`, expect: (model, answer) => model.read(id, answer) };
}

export function stock(sku: string): Call {
  return {
    method: 'GET',
    path: `/v1/stock/${sku}`,
    expect: (model, answer) => model.stock(sku, answer),
    believe: (model, answer) => observe(model, answer.body.levels ?? []),
  };
}

function putLevel(sku: string, location: string, count: Count, version?: string): Call {
  const tag = version === '*' ? version : `"${version}"`;
  return {
    method: 'PUT',
    path: `/v1/stock/${sku}/${location}`,
    headers: version === undefined ? undefined : { 'if-match': tag },
    body: count,
    expect: (model, answer) => model.putLevel(sku, location, count, version, answer),
  };
}

function adjust(sku: string, location: string, delta: number): Call {
  return post(
    `/v1/stock/${sku}/${location}/adjustments`,
    { delta, reason: 'found' },
    (model, answer) => model.adjust(sku, location, delta, answer),
    (model, answer) => receive(model, sku, location, delta, answer),
  );
}

/** Orders that want one SKU each, so that their order alone says what becomes of them. */
const items = fc.array(fc.record({ sku, wish, hasKey: fc.boolean() }), { minLength: 1, maxLength: 4 });

/** Without a key of its own, which tests of its own try out. */
function batch(wishes: { wish: Wish; key?: string; call: Call }[], isLines: boolean): Call {
  const sent = wishes.map(({ wish, key }) => ({ ...wish, idempotencyKey: key }));
  const calls = wishes.map(({ call }) => call);
  return {
    method: 'POST',
    path: '/v1/reservations/batch',
    ...(isLines
      ? { type: 'application/x-ndjson', body: sent.map((one) => `${JSON.stringify(one)}\n`).join('') }
      : { body: sent }),
    expect: (_, { body }) => expected(200, { results: calls.map((_, i) => body.results?.[i] ?? 'a result') }),
    parts: (answer) =>
      calls.map((call, i) => {
        const { status, replayed = false, reservation, problem } = answer.body.results[i];
        return { call, answer: { ...answer, status, replayed, body: reservation ?? problem } };
      }),
  };
}

const rows = fc.array(fc.record({ sku, location, count }), { minLength: 1, maxLength: 6 });
const COLUMNS = ['sku', 'location', 'onHand', 'safetyStock', 'backorderLimit'] as const;

function importRows(rows: ({ sku: string; location: string } & Count)[], isCsv: boolean): Call {
  const lines = isCsv
    ? [COLUMNS.join(), ...rows.map((row) => COLUMNS.map((name) => row[name] ?? '').join())]
    : rows.map((row) => JSON.stringify(row));
  return {
    method: 'POST',
    path: '/v1/stock/import',
    type: isCsv ? 'text/csv' : 'application/x-ndjson',
    body: lines.join('\n'),
    expect: (model) => model.importRows(rows),
  };
}

export const COMMANDS = {
  putFirst: kind('putFirst', 1, fc.record({ sku, location, count }), ({ sku, location, count }, client) =>
    putLevel(client.sku(sku), location, count),
  ),
  putLevel: kind('putLevel', 12, fc.record({ sku, location, count, ifMatch }), (args, client) => {
    const name = client.sku(args.sku);
    const seen = client.version(name, args.location);
    const versions: Record<string, string> = { seen: String(seen), older: String(seen - 1), '*': '*' };
    return putLevel(name, args.location, args.count, versions[args.ifMatch ?? '']);
  }),
  adjust: change(
    'adjust',
    6,
    fc.record({ sku, location, delta: mostly(incoming, outgoing) }),
    ({ sku, location, delta }, client) => adjust(client.sku(sku), location, delta),
  ),
  receive: change(
    'receive',
    4,
    fc.record({ sku, location, delta: incoming }),
    ({ sku, location, delta }, client) => adjust(client.sku(sku), location, delta),
  ),
  stock: kind('stock', 8, fc.record({ sku }), ({ sku }, client) => stock(client.sku(sku))),
  query: kind(
    'query',
    4,
    fc.record({ skus: fc.array(sku, { minLength: 1, maxLength: 4 }) }),
    ({ skus }, client) => {
      const names = skus.map((letter) => client.sku(letter));
      return post(
        '/v1/stock/query',
        { skus: names },
        (model, answer) => model.query(names, answer),
        (model, { body }) =>
          observe(
            model,
            body.results.flatMap(({ levels }: { levels?: Level[] }) => levels ?? []),
          ),
      );
    },
  ),
  reserve: change('reserve', 24, wish, (abstract, client) => reserve(wishOf(client, abstract))),
  read: kind('read', 8, fc.record({ which }), ({ which }, client) => read(client.reservation(which))),
  cancel: change('cancel', 8, fc.record({ which }), ({ which }, client) => cancel(client.reservation(which))),
  confirm: change('confirm', 10, sale, ({ which, parts, rehold }, client) => {
    const { id, lines } = client.reservation(which);
    const sale: Sale = {
      lines: parts?.map(({ line, quantity }) => ({ sku: lines[line % lines.length].sku, quantity })),
      ifExpired: rehold ? 'rehold' : undefined,
    };
    return post(`/v1/reservations/${id}/confirm`, sale, (model, answer) => model.confirm(id, sale, answer));
  }),
  extend: change(
    'extend',
    4,
    fc.record({ which, seconds: fc.integer({ min: LONG_SECONDS, max: 2 * LONG_SECONDS }) }),
    ({ which, seconds }, client) => {
      const { id } = client.reservation(which);
      return post(`/v1/reservations/${id}/extend`, { expiresInSeconds: seconds }, (model, answer) =>
        model.extend(id, seconds, answer),
      );
    },
  ),
  again: kind('again', 8, fc.record({ which, otherwise: fc.boolean() }), ({ which, otherwise }, client) => {
    const again = client.again(which, otherwise ? cancel(NOBODY) : undefined);
    return again ?? read(NOBODY);
  }),
  find: kind(
    'find',
    3,
    fc.record({
      reference,
      status: fc.constantFrom(undefined, ...STATUSES),
      sku: mostly(fc.constant(undefined), sku),
    }),
    ({ reference = 'order "7"', status, sku: letter }, client) => {
      const sku = letter && client.sku(letter);
      const filters = { reference: client.reference(reference), status, sku };
      const given = Object.entries({ ...filters, limit: '100' }).filter(([, value]) => value !== undefined);
      return {
        method: 'GET',
        path: `/v1/reservations?${new URLSearchParams(given as [string, string][])}`,
        expect: (model, answer) => model.find(filters, answer),
      };
    },
  ),
  batch: kind('batch', 6, fc.record({ items, isLines: fc.boolean() }), ({ items, isLines }, client) => {
    const wishes = items.map(({ sku, wish: abstract, hasKey }) => {
      const lines = abstract.lines.map((line) => ({ ...line, sku }));
      const wish = wishOf(client, { ...abstract, lines });
      const call = hasKey ? withKey(client, reserve(wish)) : reserve(wish);
      return { wish, key: call.headers?.['idempotency-key'], call };
    });
    return batch(wishes, isLines);
  }),
  import: kind('import', 4, fc.record({ rows, isCsv: fc.boolean() }), ({ rows, isCsv }, client) =>
    importRows(
      rows.map(({ sku, location, count }) => ({ sku: client.sku(sku), location, ...count })),
      isCsv,
    ),
  ),
  expire: kind('expire', 2, wish, (abstract, client) => ({
    ...reserve(wishOf(client, abstract, 1)),
    async afterwards(model, { status, body }) {
      if (status !== 201) return;
      const { id, expiresAt }: Reservation = body;
      await Bun.sleep(Date.parse(expiresAt) + BACK_MS - Date.now());
      model.expire(id);
    },
  })),
};

/** Sequences of up to `length`, short ones as often as long ones. */
export function commandsOf(kinds: (keyof typeof COMMANDS)[], length: number): fc.Arbitrary<Command[]> {
  const choices = kinds.map((name) => ({ weight: COMMANDS[name].weight, arbitrary: COMMANDS[name].command }));
  return fc.noBias(fc.array(fc.oneof(...choices), { maxLength: length, size: 'max' }));
}

/** The stock that a sequence begins with. */
export const opening = commandsOf(['putFirst'], 20);
