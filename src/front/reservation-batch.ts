/**
 * POST /v1/reservations/batch: many independent reservations in one request, the results in order.
 *
 * Thousands are on their way at once, so that commits are full; how many is bounded by the lines of all
 * batches of this front, since a line may be a command of its own in some mailbox. The answer is sent
 * while it is made: of the results, only those behind one that is still open are held.
 *
 * A reservation with an idempotencyKey is the same request as one alone with that Idempotency-Key. A batch with an
 * Idempotency-Key is its reservations with keys made from it, so that what had been decided of it before a crash stays
 * decided. The key itself is sealed before the first of them begins, so that it has one payload for ever, and again, with
 * a mark, before the end of an answer in which each has its last word. A repetition of such a one is a replay as a whole; of
 * one that was cut short, the results say which of them are replayed, and the others are decided now.
 */
import {
  BATCH_BODY_BYTES_MAX,
  BATCH_LINES_IN_FLIGHT_MAX,
  BATCH_RESERVATIONS_MAX,
  UNAVAILABLE_WAIT_MS,
} from '../limits.ts';
import { log } from '../observability/log.ts';
import { type Problem, type ProblemCode, problemOf } from '../reservations/outcomes.ts';
import { codeOf } from './answers.ts';
import { NotJson, parseJson } from './body.ts';
import type { CallContext } from './context.ts';
import {
  digest,
  IDEMPOTENCY_KEY,
  KeyInUse,
  keyOf,
  malformedKey,
  mayHaveHadEffect,
  parseKey,
  whileClaimed,
} from './idempotency.ts';
import { LongClaim } from './long-claim.ts';
import { invalid, invalidParts, type ProblemParts, problem, renderProblem } from './problems.ts';
import { renderReservation } from './render.ts';
import { refusalOf, shortOf, sourcingFaults, wishOf } from './reservations.ts';
import { reserve, type Verdict } from './reserve.ts';
import * as schemas from './schemas.ts';
import { streamed } from './stream.ts';
import { shown, validator } from './validate.ts';

const MEDIA_TYPES = ['application/json', 'application/x-ndjson'] as const;
/** Where a reservation is made alone, and where with others. */
const ALONE = 'POST /v1/reservations';
const TOGETHER = 'POST /v1/reservations/batch';
/** Characters of the answer that are sent together. */
const PIECE_CHARACTERS = 65_536;
/** Reservations that are started in one turn of the event loop, so that they get on their way and others are heard. */
const STARTED_TOGETHER = 256;

/** Before one that was refused for want of room is asked for again; doubling. */
const AGAIN_MS_MIN = 100;

const batchReservation = validator(schemas.BatchReservation, sourcingFaults);

export async function reserveBatch(context: CallContext, request: Request): Promise<Response> {
  const header = request.headers.get(IDEMPOTENCY_KEY);
  const key = header === null ? undefined : parseKey(header);
  if (header !== null && key === undefined) return malformedKey();
  if (!context.bulkCalls.tryEnter(1)) return problem('overloaded');
  const leave = (): void => context.bulkCalls.leave(1);
  const items = await readItems(context, request);
  const response = items instanceof Response ? items : await answer(context, items, key, leave);
  if (!response.ok) leave();
  return response;
}

async function answer(
  context: CallContext,
  items: unknown[],
  key: string | undefined,
  leave: () => void,
): Promise<Response> {
  if (key === undefined) return streamed(results(context, items, undefined), 'application/json', leave);
  const claim = await LongClaim.take(context, keyOf(key, TOGETHER, items, context.backends.partitions));
  if (claim instanceof Response) return claim;
  const whole = await Whole.begin(claim);
  if (whole instanceof Response) return whole;
  const response = streamed(results(context, items, whole), 'application/json', () => {
    leave();
    void claim.release(true);
  });
  if (whole.isReplay) response.headers.set('idempotency-replayed', 'true');
  return response;
}

/** A batch with an Idempotency-Key. */
class Whole {
  /** Some of it may be decided when it is sent again. */
  isOpen = false;

  private constructor(
    private readonly claim: LongClaim,
    private readonly mark: KeyInUse,
    /** Each of its results was given before. */
    readonly isReplay: boolean,
  ) {}

  /** @returns the response to give where the key can't be sealed; then nothing has begun */
  static async begin(claim: LongClaim): Promise<Whole | Response> {
    const { key } = claim;
    const mark = new KeyInUse(digest(`${key.hash}\nanswered`), key.fingerprint, key.partition);
    const sealed = await claim.seal();
    const before = sealed.kind === 'sealed' && key.replayed ? await claim.recall(mark) : sealed;
    if (before === undefined || before.kind === 'sealed') return new Whole(claim, mark, mark.replayed);
    await claim.release(before.kind === 'lost');
    return problem(codeOf(before, 'reads'));
  }

  /** The key of one of its reservations. No header can have a line break, so that this is nobody's own. */
  keyOf(index: number): string {
    return `${this.claim.key.hash}\n${index}`;
  }

  /** Called before the end of the answer. */
  async end(): Promise<void> {
    if (!this.isOpen && !this.isReplay) await this.claim.seal(undefined, this.mark);
  }
}

/** What each item is, as far as it could be read. */
async function readItems({ bodies }: CallContext, request: Request): Promise<unknown[] | Response> {
  const body = await bodies.readText(request, MEDIA_TYPES, BATCH_BODY_BYTES_MAX);
  if (body instanceof Response) return body;
  if (body.type === 'application/x-ndjson') {
    const lines = body.text.split('\n').filter((line) => line !== '' && line !== '\r');
    return lines.length > BATCH_RESERVATIONS_MAX
      ? tooMany(lines.length)
      : lines.map((line) => parseJson(line, 'The line'));
  }
  const value = parseJson(body.text, 'The body');
  if (value instanceof NotJson) return problem('invalid-json', { detail: value.reason });
  if (!Array.isArray(value))
    return invalid([{ pointer: '', code: 'wrong-type', detail: `must be an array, not ${shown(value)}` }]);
  return value.length > BATCH_RESERVATIONS_MAX ? tooMany(value.length) : value;
}

function tooMany(count: number): Response {
  const detail = `must have ${BATCH_RESERVATIONS_MAX} reservations at most, not ${count}`;
  return invalid([{ pointer: '', code: 'out-of-range', detail }]);
}

/** The body of the answer, in pieces. */
async function* results(
  context: CallContext,
  items: unknown[],
  whole: Whole | undefined,
): AsyncGenerator<string> {
  /** By item: its result, or the wait for it. */
  const open: (string | Promise<string>)[] = [];
  let piece = '{"results":[';
  for (let index = 0; index < items.length; index++) {
    while (open.length < items.length && open.length - index < BATCH_LINES_IN_FLIGHT_MAX) {
      const body = read(items[open.length]);
      if (typeof body !== 'string') await context.batchLines.enter(body.lines.length);
      if (open.length % STARTED_TOGETHER === STARTED_TOGETHER - 1)
        await new Promise<void>((go) => context.clock.soon(go));
      open.push(typeof body === 'string' ? body : resultOf(context, body, whole, open.length));
    }
    piece += index === 0 ? await open[index] : `,${await open[index]}`;
    open[index] = '';
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = '';
  }
  await whole?.end();
  yield `${piece}]}`;
}

/** What is wished for, or the result of an item that is no wish. */
function read(item: unknown): schemas.BatchReservation | string {
  if (item instanceof NotJson) return failed('invalid-json', { detail: item.reason });
  const faults = batchReservation.faults(item);
  if (faults !== undefined) return failed('invalid-request', invalidParts(faults, 'The reservation'));
  return item as schemas.BatchReservation;
}

async function resultOf(
  context: CallContext,
  { idempotencyKey, ...body }: schemas.BatchReservation,
  whole: Whole | undefined,
  index: number,
): Promise<string> {
  const text = idempotencyKey ?? whole?.keyOf(index);
  const key = text === undefined ? undefined : keyOf(text, ALONE, body, context.backends.partitions);
  try {
    const verdict = await patiently(context, () => decided(context, body, key));
    const mark = key?.replayed && !whole?.isReplay ? ',"replayed":true' : '';
    if (whole !== undefined && verdict.kind === 'problem' && isPassing(verdict.code)) whole.isOpen = true;
    return verdict.kind === 'held'
      ? `{"status":201${mark},"reservation":${renderReservation(verdict.reservation, shortOf(body, verdict))}}`
      : failed(...refusalOf(verdict), mark);
  } catch (error) {
    log.error('reservation.failed', { requestId: context.requestId, error });
    if (whole !== undefined) whole.isOpen = true;
    return failed('internal-error', {});
  } finally {
    context.batchLines.leave(body.lines.length);
  }
}

/** Asks again where there was no room: a batch alone has more on its way than a slow database is done with in a second. */
async function patiently({ clock }: CallContext, decide: () => Promise<Verdict>): Promise<Verdict> {
  const until = clock.now() + UNAVAILABLE_WAIT_MS;
  for (let waitMs = AGAIN_MS_MIN; ; waitMs *= 2) {
    const verdict = await decide();
    const isRefused = verdict.kind === 'problem' && verdict.code === 'overloaded';
    if (!isRefused || clock.now() + waitMs >= until) return verdict;
    await new Promise<void>((resolve) => clock.after(waitMs, resolve));
  }
}

async function decided(
  context: CallContext,
  body: schemas.Reserve,
  key: KeyInUse | undefined,
): Promise<Verdict> {
  if (key === undefined) return reserve(context, wishOf(body, undefined));
  const run = (): Promise<Verdict> => reserve(context, wishOf(body, key));
  const used = (verdict: Verdict): boolean => verdict.kind !== 'problem' || mayHaveHadEffect(verdict.code);
  const outcome = await whileClaimed(context, key, run, used);
  if (outcome.kind === 'lost') return { kind: 'problem', code: 'partition-unavailable' };
  if (outcome.kind === 'problem' || outcome.kind === 'held' || outcome.kind === 'refused')
    return outcome as Verdict;
  throw new Error(`a claim was answered with ${outcome.kind}`);
}

/** Sent again, it may be answered otherwise. */
function isPassing(code: ProblemCode): boolean {
  return (problemOf(code) as Problem).retryAfter !== undefined;
}

function failed(code: ProblemCode, parts: ProblemParts, mark = ''): string {
  return `{"status":${problemOf(code).status}${mark},"problem":${renderProblem(code, parts)}}`;
}
