/**
 * Plays random commands against a server: makes each call, over all fronts in turn, and holds its
 * answer against the model. Alone, every answer must be the model's. Of several clients at once the
 * answers must be those of some order (`explanation`).
 */
import { SETTLE_WAIT_MS } from '../../src/limits.ts';
import { type Answer, differences, Model, shown } from './model.ts';
import type { Call, Client, Command } from './model-client.ts';

type Json = ReturnType<typeof JSON.parse>;

export interface Made {
  client: number;
  call: Call;
  answer: Answer;
  /** On a clock that never stands still, to tell which call ended before another began. */
  began: number;
  ended: number;
}

export class Player {
  private turn = 0;
  /** Everything that was called in this sequence, in the order of its answers. */
  private readonly made: Made[] = [];

  constructor(private readonly ports: number[]) {}

  /** @returns what was asked for, each thing as if it had been a call of its own */
  async make(client: number, call: Call): Promise<Made[]> {
    const port = this.ports[this.turn++ % this.ports.length];
    const began = performance.now();
    const sentAt = Date.now();
    const response = await fetch(`http://127.0.0.1:${port}${call.path}`, {
      method: call.method,
      headers: {
        ...(call.body !== undefined && { 'content-type': call.type ?? 'application/json' }),
        ...call.headers,
      },
      body: call.type === undefined ? JSON.stringify(call.body) : (call.body as string),
    });
    const body: Json = await response.json();
    const { status, headers } = response;
    const replayed = headers.get('idempotency-replayed') === 'true';
    const answer = { status, body: determined(body), replayed, sentAt, receivedAt: Date.now() };
    const made = { client, call, answer, began, ended: performance.now() };
    this.made.push(made);
    const etag = headers.get('etag');
    if (etag !== null && etag !== `"${body.version}"`) throw this.failure(`the ETag is ${etag}`);
    if (call.parts === undefined) return [made];
    const [difference] = differences(call.expect(new Model(), answer), answer);
    if (difference !== undefined) throw this.failure(difference);
    return call.parts(answer).map((part) => ({ ...made, ...part }));
  }

  /** Makes a call that nobody else has a say in. */
  async alone(call: Call, model: Model): Promise<Made[]> {
    const made = await this.make(0, call);
    const [difference] =
      call.parts === undefined
        ? differences(call.expect(model, made[0].answer), made[0].answer)
        : this.explain(model, made);
    if (difference !== undefined) throw this.failure(difference);
    await call.afterwards?.(model, made[0].answer);
    return made;
  }

  /** @returns false if it stopped early, because what follows can't be told any more */
  async playAlone(commands: Command[], client: Client, model: Model): Promise<boolean> {
    for (const command of commands) {
      for (const { answer } of await this.alone(command.call(client), model)) client.hear(answer);
      if (this.sawLateAnswer) return false;
    }
    return true;
  }

  /** Makes the model what it is after these calls, in some order. @returns nothing if there is one */
  explain(model: Model, made: Made[]): string[] {
    const after = explanation(model, made);
    if (after !== undefined) model.become(after);
    return after === undefined ? ['no order of what was called at once explains these answers'] : [];
  }

  /** When a refusal took so long, a participant may not have let go of its units yet. */
  get sawLateAnswer(): boolean {
    return this.made.some(({ began, ended }) => ended - began >= SETTLE_WAIT_MS);
  }

  /** @returns an error that shows everything that was called, and what is wrong with the last of it */
  failure(reason: string): Error {
    const lines = this.made.map(({ client, call: { method, path, headers, body }, answer, began, ended }) => {
      const sent = [
        method,
        path,
        ...Object.values(headers ?? {}),
        body === undefined ? '' : JSON.stringify(body),
      ];
      const from = (began - this.made[0].began).toFixed(1);
      const to = (ended - this.made[0].began).toFixed(1);
      return `client ${client}, ${from} to ${to} ms: ${sent.join(' ')}\n    ${shown(answer)}`;
    });
    return new Error(`${lines.join('\n')}\n${reason}`);
  }
}

/** @returns what comes of an order of the calls that gives every answer; none that ended before another began comes after it */
function explanation(model: Model, calls: readonly Made[]): Model | undefined {
  const tried = new Set<string>();
  const search = (state: Model, left: readonly Made[]): Model | undefined => {
    if (left.length === 0) return state;
    const key = `${left.map((made) => calls.indexOf(made)).join()} ${state.key()}`;
    if (tried.has(key)) return undefined;
    tried.add(key);
    const firstEnd = Math.min(...left.map(({ ended }) => ended));
    for (const made of left.filter(({ began }) => began <= firstEnd)) {
      const rest = left.filter((other) => other !== made);
      const next = state.clone();
      const isRight = differences(made.call.expect(next, made.answer), made.answer).length === 0;
      const found =
        (isRight ? search(next, rest) : undefined) ??
        (clashes(made, calls) ? search(state, rest) : undefined);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(model, calls);
}

/** Refused for its key, which another request had for as long as that took: it need not have kept it. */
function clashes(made: Made, calls: readonly Made[]): boolean {
  if (made.answer.body.code !== 'idempotency-key-reused') return false;
  const keyOf = ({ call }: Made): string | undefined => call.headers?.['idempotency-key'];
  const atOnce = calls.filter((other) => other.began < made.ended && other.ended > made.began);
  return atOnce.some((other) => other !== made && keyOf(other) === keyOf(made));
}

/** Without what the model does not say: texts of problems, and when a level was last changed. */
function determined(value: Json): Json {
  if (Array.isArray(value)) return value.map(determined);
  if (typeof value !== 'object' || value === null) return value;
  if (value.code !== undefined && value.type !== undefined)
    return value.errors === undefined
      ? { code: value.code }
      : { code: value.code, errors: determined(value.errors) };
  const { updatedAt: _updatedAt, detail: _detail, ...rest } = value;
  return Object.fromEntries(Object.entries(rest).map(([name, field]) => [name, determined(field)]));
}
