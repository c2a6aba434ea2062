/**
 * Plays random commands against a server: makes each call, over all fronts in turn, and holds its
 * answer against the model. Alone, every answer must be the model's. Of several clients at once the
 * answers must be those of some order (`explains`).
 */
import { SETTLE_WAIT_MS } from '../../src/limits.ts';
import { type Answer, differences, type Model, shown } from './model.ts';
import type { Call, Client, Command } from './model-commands.ts';

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
  readonly made: Made[] = [];

  constructor(private readonly ports: number[]) {}

  async make(client: number, call: Call): Promise<Made> {
    const port = this.ports[this.turn++ % this.ports.length];
    const began = performance.now();
    const sentAt = Date.now();
    const response = await fetch(`http://127.0.0.1:${port}${call.path}`, {
      method: call.method,
      headers: { ...(call.body !== undefined && { 'content-type': 'application/json' }), ...call.headers },
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
    });
    const body: Json = await response.json();
    const { status, headers } = response;
    const replayed = headers.get('idempotency-replayed') === 'true';
    const answer = { status, body: determined(body), replayed, sentAt, receivedAt: Date.now() };
    const made = { client, call, answer, began, ended: performance.now() };
    this.made.push(made);
    const etag = headers.get('etag');
    if (etag !== null && etag !== `"${body.version}"`) throw this.failure(`the ETag is ${etag}`);
    return made;
  }

  /** Makes a call that nobody else has a say in. */
  async alone(call: Call, model: Model): Promise<void> {
    const made = await this.make(0, call);
    const [difference] = differences(call.expect(model, made.answer), made.answer);
    if (difference !== undefined) throw this.failure(difference);
    await call.afterwards?.(model, made.answer);
  }

  /** @returns false if it stopped early, because what follows can't be told any more */
  async playAlone(commands: Command[], client: Client, model: Model): Promise<boolean> {
    for (const command of commands) {
      await this.alone(command.call(client), model);
      client.hear(this.made.at(-1)!.answer);
      if (this.sawLateAnswer) return false;
    }
    return true;
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

/** Whether some order of the calls, that none that ended before another began contradicts, gives every answer. */
export function explains(model: Model, calls: readonly Made[]): boolean {
  const tried = new Set<string>();
  const search = (state: Model, left: readonly Made[]): boolean => {
    if (left.length === 0) return true;
    const key = `${left.map((made) => calls.indexOf(made)).join()} ${state.key()}`;
    if (tried.has(key)) return false;
    tried.add(key);
    const firstEnd = Math.min(...left.map(({ ended }) => ended));
    return left.some((made) => {
      if (made.began > firstEnd) return false;
      if (
        clashes(made, calls) &&
        search(
          state,
          left.filter((other) => other !== made),
        )
      )
        return true;
      const next = state.clone();
      return (
        differences(made.call.expect(next, made.answer), made.answer).length === 0 &&
        search(
          next,
          left.filter((other) => other !== made),
        )
      );
    });
  };
  return search(model, calls);
}

/** Refused for its key, which another request had for as long as that took: it need not have kept it. */
function clashes({ call, answer, began, ended }: Made, calls: readonly Made[]): boolean {
  const key = call.headers?.['idempotency-key'];
  return (
    answer.body.code === 'idempotency-key-reused' &&
    calls.some(
      (other) =>
        other.call.headers?.['idempotency-key'] === key &&
        other.answer !== answer &&
        other.began < ended &&
        other.ended > began,
    )
  );
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
