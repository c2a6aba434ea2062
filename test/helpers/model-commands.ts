/**
 * The calls that random clients of a server make, each with what the model says of it. A command is
 * generated without knowing a server (`the second reservation that you know of`), so that it means
 * something in every sequence that a failure is shrunk to; a client makes a call of it.
 *
 * A new call of the API is one entry in COMMANDS, and one method of the model.
 */
import fc from 'fast-check';
import { MODES, STRATEGIES } from '../../src/reservations/types.ts';
import {
  type Answer,
  differences,
  type Expected,
  expected,
  type Model,
  type Sale,
  type Wish,
} from './model.ts';
import { grant, observe, receive } from './model-among-others.ts';
import type { Count } from './model-shelves.ts';
import type { Level, Reservation } from './shop.ts';

export interface Call {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** Changes the model as this call changes the server. @returns what it must be answered */
  expect(model: Model, answer: Answer): Expected;
  /**
   * Takes over what the answer says has changed, for a client that does not know what others do meanwhile.
   * @returns what cannot be right whatever they do. Absent: they have no say in it, `expect` holds.
   */
  believe?(model: Model, answer: Answer): string[];
  /** Waits for what the call has led to by itself. */
  afterwards?(model: Model, answer: Answer): Promise<void>;
}

export interface Command {
  call(client: Client): Call;
}

export const LETTERS = ['A', 'B', 'C', 'D'] as const;
const LOCATIONS = ['x', 'y', 'z'];
type Letter = (typeof LETTERS)[number];
export type Names = Record<Letter, string>;

/** What no server has. */
const NOBODY = {
  id: '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0001',
  lines: [{ sku: 'none', quantity: 1, allocations: [] }],
};
const WHICH_MAX = 20;
/** So long that nothing runs out while a sequence is played. */
const LONG_SECONDS = 3600;
const BACK_MS = 1000;

/** What a client has heard of, and sent: it names only that. */
export class Client {
  readonly reservations: Reservation[] = [];
  private readonly versions = new Map<string, number>();
  private readonly keyed: { key: string; call: Call }[] = [];

  constructor(private readonly names: Names) {}

  get skus(): string[] {
    return [...new Set(Object.values(this.names))];
  }
  sku(letter: Letter): string {
    return this.names[letter];
  }
  /** One of those that it knows, as it was granted; at times, one that does not exist. */
  reservation(which: number): Pick<Reservation, 'id' | 'lines'> {
    const known = this.reservations;
    return known.length === 0 || which === WHICH_MAX ? NOBODY : known[which % known.length];
  }
  version(sku: string, location: string): number {
    return this.versions.get(`${sku}@${location}`) ?? 1;
  }

  /** The same call with an Idempotency-Key, which is sent before its answer is heard. */
  withKey(call: Call): Call {
    const key = crypto.randomUUID();
    this.keyed.push({ key, call });
    return once(key, call);
  }
  /** An earlier call with its key once more; or another one with that key. */
  again(which: number, other?: Call): Call | undefined {
    const earlier = this.keyed[which % this.keyed.length];
    return earlier && once(earlier.key, other ?? earlier.call);
  }

  hear({ status, body }: Answer): void {
    if (status === 201 && body.id !== undefined && !this.reservations.some(({ id }) => id === body.id))
      this.reservations.push(body);
    const levels: Level[] = body.version === undefined ? (body.levels ?? []) : [body];
    for (const { sku, location, version } of levels) this.versions.set(`${sku}@${location}`, version);
  }
}

function once(key: string, call: Call): Call {
  const what = `${call.method} ${call.path} ${JSON.stringify(call.body)}`;
  const expect: Call['expect'] = (model, answer) => model.once(key, what, () => call.expect(model, answer));
  return {
    ...call,
    headers: { 'idempotency-key': key },
    expect,
    believe(model, answer) {
      if (call.believe === undefined || model.knowsKey(key))
        return differences(expect(model, answer), answer);
      const faults = call.believe(model, answer);
      model.once(key, what, () => expected(answer.status, answer.body));
      return faults;
    },
  };
}

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
    hasKey ? client.withKey(call(values, client)) : call(values, client),
  );
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
const reference = fc.constantFrom(undefined, 'order "7"');
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

function reserve(client: Client, { lines, ...more }: AbstractWish, expiresInSeconds: number): Call {
  const named = lines.map((line) => ({ ...line, sku: client.sku(line.sku) }));
  const wish: Wish = { lines: named, ...more, expiresInSeconds };
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
  reserve: change('reserve', 24, wish, (abstract, client) => reserve(client, abstract, LONG_SECONDS)),
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
  expire: kind('expire', 2, wish, (abstract, client) => ({
    ...reserve(client, abstract, 1),
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
