/**
 * A client that does not give up: it sends a request again, at another front, until it gets an answer that settles the
 * matter; with the same key, so that it takes effect once. Sometimes it is impatient and sends it twice at the same time.
 */

import { keyOf } from '../../src/front/idempotency.ts';
import type { Answers, Exchange } from './answers.ts';
import { type Books, insist } from './books.ts';
import { type Answer, type Call, requestOf } from './calls.ts';
import type { Front } from './front.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Longer than a front ever takes. */
const WAIT_MS = 14_000;
const AGAIN_MS = { from: 20, to: 2000 };
const TWICE = 0.08;

/** Never repeated without a key: it would take effect again. */
const ONCE_WITHOUT_KEY = ['reserve', 'adjust'];

export interface Remembered {
  call: Call;
  key: string;
  answer: Answer;
}

export class Client {
  private asked = 0;
  /** What was settled under a key, to be asked again at the end. */
  readonly remembered: Remembered[] = [];

  constructor(
    private readonly world: World,
    readonly name: string,
    readonly random: Random,
    private readonly answers: Answers,
    private readonly books: Books,
    private readonly fronts: () => Front[],
    readonly counts: { requests: number; unanswered: number; answers: Record<string, number> },
  ) {}

  /** @returns undefined where nobody knows what became of it, and it must not be repeated, or has lost its patience */
  async ask(
    call: Call,
    { keyed, patient = true }: { keyed: boolean; patient?: boolean },
  ): Promise<Answer | undefined> {
    const key = keyed ? `${this.name}-${++this.asked}` : undefined;
    const firstFrom = this.world.now;
    const isOnly = key === undefined && ONCE_WITHOUT_KEY.includes(call.kind);
    let settled: Answer | undefined;
    while (settled === undefined) {
      const isTwice = key !== undefined && this.random.chance(TWICE);
      const asking = { call, isOnly };
      const answers = await Promise.all(
        Array.from({ length: isTwice ? 2 : 1 }, () => this.send(asking, key, firstFrom)),
      );
      for (const answer of answers) {
        if (answer !== undefined && settled !== undefined) insistSame(call, settled, answer);
        settled ??= answer;
      }
      if (settled === undefined && (isOnly || !patient)) return undefined;
      if (settled === undefined) await this.world.sleep(this.random.magnitude(AGAIN_MS.from, AGAIN_MS.to));
    }
    if (key !== undefined) this.remembered.push({ call, key, answer: settled });
    return settled;
  }

  /** Asks once more what has been settled. */
  async askAgain({ call, key, answer }: Remembered): Promise<void> {
    const again = await this.sendOnce(requestOf(call, key));
    if (again !== undefined && again.status !== 503) insistSame(call, answer, again);
  }

  /** Asks something else with a key that was used: it must be refused, and have no effect. */
  async misuse(call: Call): Promise<void> {
    const used = this.remembered.at(-1);
    if (used === undefined) return;
    const answer = await this.sendOnce(requestOf(call, used.key));
    if (answer === undefined || answer.status === 503) return;
    insist(
      answer.body.includes('idempotency-key-reused') ||
        this.books.mayBeReused(keyOf(used.key, '', '', 1).hash),
      () =>
        `I5: the key of ${JSON.stringify(used.call)} was taken for ${JSON.stringify(call)}: ${answer.body}`,
    );
  }

  private async send(
    asking: Omit<Exchange, 'answer' | 'from'>,
    key: string | undefined,
    firstFrom: number,
  ): Promise<Answer | undefined> {
    const { call } = asking;
    const from = key === undefined ? this.world.now : firstFrom;
    const answer = await this.sendOnce(requestOf(call, key));
    if (answer === undefined) return undefined;
    this.world.note(this.name, `${call.kind} → ${answer.status} ${answer.body.slice(0, 90)}`);
    return this.answers.check({ ...asking, from, answer }) ? answer : undefined;
  }

  private async sendOnce(request: Request): Promise<Answer | undefined> {
    const fronts = this.fronts();
    this.counts.requests++;
    const answer =
      fronts.length === 0
        ? undefined
        : await Promise.race([this.random.pick(fronts).ask(request), this.world.sleep(WAIT_MS)]);
    if (!answer) this.counts.unanswered++;
    else this.counts.answers[answer.status] = (this.counts.answers[answer.status] ?? 0) + 1;
    return answer || undefined;
  }
}

/** I5: the first answer again. */
function insistSame(call: Call, first: Answer, again: Answer): void {
  insist(
    first.status === again.status && first.body === again.body,
    () =>
      `I5: ${JSON.stringify(call)} was answered ${first.status} ${first.body}, and then ${again.status} ${again.body}`,
  );
}
