/**
 * A client of the model tests: the calls that it makes, each with what the model says of it, and what it has
 * heard of. A command is generated without knowing a server (`the second reservation that you know of`),
 * so that it means something in every sequence that a failure is shrunk to; a client makes a call of it.
 */
import { type Answer, differences, type Expected, expected, type Model } from './model.ts';
import type { Level, Reservation } from './shop.ts';

export interface Call {
  method: string;
  path: string;
  headers?: Record<string, string>;
  /** JSON, unless `type` says what text it is. */
  body?: unknown;
  type?: string;
  /** Changes the model as this call changes the server. @returns what it must be answered */
  expect(model: Model, answer: Answer): Expected;
  /**
   * Takes over what the answer says has changed, for a client that does not know what others do meanwhile.
   * @returns what cannot be right whatever they do. Absent: they have no say in it, `expect` holds.
   */
  believe?(model: Model, answer: Answer): string[];
  /** What was asked for at once, in any order, with its answers; `expect` has no more than their number. */
  parts?(answer: Answer): Part[];
  /** Waits for what the call has led to by itself. */
  afterwards?(model: Model, answer: Answer): Promise<void>;
}

export interface Part {
  call: Call;
  answer: Answer;
}

export interface Command {
  call(client: Client): Call;
}

export const LETTERS = ['A', 'B', 'C', 'D'] as const;
export type Letter = (typeof LETTERS)[number];
export type Names = Record<Letter, string>;

/** What no server has. */
export const NOBODY = {
  id: '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0001',
  lines: [{ sku: 'none', quantity: 1, allocations: [] }],
};
export const WHICH_MAX = 20;

/** It names only what it has heard of, and repeats only what it has sent. */
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
  /** A name that only this sequence uses. */
  reference(text: string): string {
    return `${text} of ${this.names.A}`;
  }
  /** One of those that it knows, as it was granted; at times, one that does not exist. */
  reservation(which: number): Pick<Reservation, 'id' | 'lines'> {
    const known = this.reservations;
    return known.length === 0 || which === WHICH_MAX ? NOBODY : known[which % known.length];
  }
  version(sku: string, location: string): number {
    return this.versions.get(`${sku}@${location}`) ?? 1;
  }

  /** Remembers a call with an Idempotency-Key, before its answer is heard. */
  willSend(key: string, call: Call): Call {
    this.keyed.push({ key, call });
    return call;
  }
  /** An earlier call with its key once more; or another one with that key. */
  again(which: number, other?: Call): Call | undefined {
    const earlier = this.keyed[which % this.keyed.length];
    return other === undefined || earlier === undefined ? earlier?.call : once(earlier.key, other);
  }

  hear({ status, body }: Answer): void {
    if (status === 201 && body.id !== undefined && !this.reservations.some(({ id }) => id === body.id))
      this.reservations.push(body);
    const levels: Level[] = body.version === undefined ? (body.levels ?? []) : [body];
    for (const { sku, location, version } of levels) this.versions.set(`${sku}@${location}`, version);
  }
}

/** The same call with an Idempotency-Key. */
export function once(key: string, call: Call): Call {
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
