/**
 * A client that sends each call until it has a certain answer: with one Idempotency-Key, through another front each time.
 * What the client of src/client does by itself, except that every answer is counted, and that no front is waited for.
 *
 * A certain answer is a 2xx, or a refusal that is part of the business (4xx). A 503 and a connection that broke are none.
 */
import { Holdfast, ProblemError } from '../../src/client/index.ts';

const PAUSE_MS = 40;
/** Longer than the server takes to say that it does not know. */
const TRY_MS = 15_000;

export interface Once {
  idempotencyKey: string;
  triesMax: number;
  deadlineMs: number;
}

interface Parts {
  fronts: number;
  /** How long a call is tried. */
  patienceMs: number;
  random: () => number;
  /** Gets what no server should answer. */
  wrong: string[];
}

export class PatientClient {
  readonly fronts: Holdfast[];
  private readonly answers = new Map<string, number>();

  constructor(
    port: number,
    private readonly parts: Parts,
  ) {
    const url = (front: number): string => `http://127.0.0.1:${port + front}`;
    this.fronts = Array.from({ length: parts.fronts }, (_, front) => new Holdfast({ url: url(front) }));
  }

  /** How often each answer was given, to which call. */
  get summary(): string {
    return JSON.stringify(Object.fromEntries([...this.answers].sort()));
  }

  /** Kinds of answers that were no certain ones. */
  get failures(): string[] {
    return [...this.answers.keys()].filter((answer) => /broken|overloaded|unavailable|unknown/.test(answer));
  }

  /** @returns undefined where it never had a certain answer, which is noted as wrong */
  async call<T>(
    what: string,
    send: (front: Holdfast, once: Once) => Promise<T>,
  ): Promise<T | ProblemError | undefined> {
    const { patienceMs, random, wrong } = this.parts;
    const once = { idempotencyKey: crypto.randomUUID(), triesMax: 1, deadlineMs: TRY_MS };
    const giveUpAt = Date.now() + patienceMs;
    for (let front = Math.floor(random() * this.fronts.length); ; front++) {
      const answer = await send(this.fronts[front % this.fronts.length], once).catch((error: Error) => error);
      const code = answer instanceof ProblemError ? answer.code : answer instanceof Error ? 'broken' : 'done';
      this.answers.set(`${what} ${code}`, (this.answers.get(`${what} ${code}`) ?? 0) + 1);
      if (!(answer instanceof Error)) return answer;
      if (answer instanceof ProblemError && answer.status < 500) return answer;
      if (answer instanceof ProblemError && answer.status !== 503) wrong.push(`${what}: ${answer.message}`);
      if (Date.now() > giveUpAt) return void wrong.push(`${what}: still ${code}: ${answer.message}`);
      await Bun.sleep(PAUSE_MS * random());
    }
  }
}
