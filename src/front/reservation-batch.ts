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
 * a mark, before the end of an answer in which each has its last word. A repetition of such a one is a replay as a whole: no
 * more of it is decided. Of one that was cut short, the others are decided now. The results say which are replayed.
 */
import {
  BATCH_BODY_BYTES_MAX,
  BATCH_LINES_IN_FLIGHT_MAX,
  BATCH_RESERVATIONS_MAX,
  BULK_RETRY_MS,
  UNAVAILABLE_WAIT_MS,
} from '../limits.ts';
import { log } from '../observability/log.ts';
import { mayBeSentAgain, type ProblemCode, problemOf } from '../reservations/outcomes.ts';
import { codeOf } from './answers.ts';
import { type MediaType, NotJson, parseJson } from './body.ts';
import type { CallContext } from './context.ts';
import { Place } from './gate.ts';
import {
  canonical,
  digest,
  IDEMPOTENCY_KEY,
  KeyInUse,
  keyOf,
  keyWith,
  malformedKey,
  mayHaveHadEffect,
  parseKey,
  shortened,
  whileClaimed,
} from './idempotency.ts';
import { LongClaim } from './long-claim.ts';
import { Pauses } from './pauses.ts';
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
/** Lines of reservations that are hashed in one turn. */
const HASHED_TOGETHER = 1024;

const batchReservation = validator(schemas.BatchReservation, sourcingFaults);

export async function reserveBatch(context: CallContext, request: Request): Promise<Response> {
  const header = request.headers.get(IDEMPOTENCY_KEY);
  const key = header === null ? undefined : parseKey(header);
  if (header !== null && key === undefined) return malformedKey();
  const place = new Place(context.bulkCalls);
  if (!place.tryEnter()) return problem('overloaded');
  try {
    const sent = await readItems(context, request);
    const response = sent instanceof Response ? sent : await answer(context, request, sent, key, place);
    // One that is ok leaves when it has been sent.
    if (!response.ok) place.leave();
    return response;
  } catch (error) {
    place.leave();
    throw error;
  }
}

async function answer(
  context: CallContext,
  request: Request,
  sent: Sent,
  key: string | undefined,
  place: Place,
): Promise<Response> {
  const { items } = sent;
  const gone = new AbortController();
  const run = { context, items, gone: gone.signal };
  const ended = (): void => {
    place.leave();
    gone.abort();
  };
  if (key === undefined) return streamed(results(run), 'application/json', ended);
  const keyInUse = keyWith(key, await fingerprintOf(context, sent), context.backends.partitions);
  const claim = await LongClaim.take(context, keyInUse, place, request.signal);
  if (claim instanceof Response) return claim;
  try {
    const whole = await Whole.begin(claim);
    if (whole instanceof Response) return whole;
    const response = streamed(results({ ...run, whole }), 'application/json', () => {
      ended();
      void claim.release(true);
    });
    if (whole.isReplay) response.headers.set('idempotency-replayed', 'true');
    return response;
  } catch (error) {
    await claim.release(true);
    throw error;
  }
}

/** A batch that is being answered. */
interface Run {
  context: CallContext;
  items: unknown[];
  /** Aborted when nobody waits for the answer any more. */
  gone: AbortSignal;
  whole?: Whole;
}

/** A batch with an Idempotency-Key. */
class Whole {
  /** Some of it may be decided when it is sent again. */
  isOpen = false;

  private constructor(
    private readonly claim: LongClaim,
    private readonly mark: KeyInUse,
    /** Each of its reservations was decided before, and nothing is decided now. One that can't be read now is answered as such. */
    readonly isReplay: boolean,
  ) {}

  /** @returns the response to give where the key can't be sealed; then nothing has begun */
  static async begin(claim: LongClaim): Promise<Whole | Response> {
    const { key } = claim;
    const mark = new KeyInUse(digest(`${key.hash}\nanswered`), key.fingerprint, key.partition);
    const sealed = await claim.seal();
    const before = sealed.kind === 'sealed' && key.replayed ? await claim.recall(mark) : sealed;
    if (before === undefined || before.kind === 'sealed') return new Whole(claim, mark, mark.replayed);
    const refused = problem(codeOf(before, 'reads'));
    await claim.release(before.kind === 'lost');
    return refused;
  }

  /** The key of one of its reservations. No header can have a line break, so that this is nobody's own. */
  keyOf(index: number): string {
    return `${this.claim.key.hash}\n${index}`;
  }

  /** Called before the end of the answer. Where the mark can't be written down, a repetition is no replay as a whole. */
  async end(): Promise<void> {
    if (this.isOpen || this.isReplay) return;
    await this.claim.sealWithin(UNAVAILABLE_WAIT_MS, undefined, this.mark);
  }
}

interface Sent {
  items: unknown[];
  type: MediaType;
  text: string;
}

/**
 * The same for the same reservations, in whichever of the types and however their fields are ordered. Where one of them is
 * no reservation it is the text that counts, as it came: nothing is known of how large or how deep such a thing is.
 */
async function fingerprintOf({ clock }: CallContext, { items, type, text }: Sent): Promise<string> {
  const hasher = new Bun.CryptoHasher('sha256').update(`${TOGETHER}\n[`);
  let lines = 0;
  for (const [index, item] of items.entries()) {
    if (!isReservation(item)) return digest(`${TOGETHER}\n${type}\n${text}`);
    hasher.update(`${index === 0 ? '' : ','}${canonical(item)}`);
    lines += item.lines.length;
    if (lines < HASHED_TOGETHER) continue;
    lines = 0;
    await new Promise<void>((goOn) => clock.soon(goOn));
  }
  return shortened(hasher.update(']'));
}

function isReservation(item: unknown): item is schemas.BatchReservation {
  return !(item instanceof NotJson) && batchReservation.faults(item) === undefined;
}

/** What each item is, as far as it could be read. */
async function readItems({ bodies }: CallContext, request: Request): Promise<Sent | Response> {
  const body = await bodies.readText(request, MEDIA_TYPES, BATCH_BODY_BYTES_MAX);
  if (body instanceof Response) return body;
  if (body.type === 'application/x-ndjson') {
    const lines = body.text.split('\n').filter((line) => line !== '' && line !== '\r');
    return lines.length > BATCH_RESERVATIONS_MAX
      ? tooMany(lines.length)
      : { ...body, items: lines.map((line) => parseJson(line, 'The line')) };
  }
  const value = parseJson(body.text, 'The body');
  if (value instanceof NotJson) return problem('invalid-json', { detail: value.reason });
  if (!Array.isArray(value))
    return invalid([{ pointer: '', code: 'wrong-type', detail: `must be an array, not ${shown(value)}` }]);
  return value.length > BATCH_RESERVATIONS_MAX ? tooMany(value.length) : { ...body, items: value };
}

function tooMany(count: number): Response {
  const detail = `must have ${BATCH_RESERVATIONS_MAX} reservations at most, not ${count}`;
  return invalid([{ pointer: '', code: 'out-of-range', detail }]);
}

/** The body of the answer, in pieces. */
async function* results(run: Run): AsyncGenerator<string> {
  const { context, items, gone, whole } = run;
  /** By item: its result, or the wait for it. */
  const open: (string | Promise<string>)[] = [];
  let piece = '{"results":[';
  for (let index = 0; index < items.length; index++) {
    while (open.length < items.length && open.length - index < BATCH_LINES_IN_FLIGHT_MAX) {
      if (gone.aborted) return;
      const body = read(items[open.length]);
      if (typeof body !== 'string') await context.batchLines.enter(body.lines.length);
      if (open.length % STARTED_TOGETHER === STARTED_TOGETHER - 1)
        await new Promise<void>((go) => context.clock.soon(go));
      open.push(typeof body === 'string' ? body : resultOf(run, body, open.length));
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
  { context, whole, gone }: Run,
  item: schemas.BatchReservation,
  index: number,
): Promise<string> {
  const text = item.idempotencyKey ?? whole?.keyOf(index);
  const body = item.idempotencyKey === undefined ? item : withoutKey(item);
  const key = text === undefined ? undefined : keyOf(text, ALONE, body, context.backends.partitions);
  const decide = (): Promise<Verdict> =>
    key === undefined ? reserve(context, wishOf(body, undefined)) : decidedOnce(context, body, key);
  const giveUpAt = context.clock.now() + BULK_RETRY_MS;
  try {
    const first = await decide();
    const verdict = hadNoRoom(first) ? await again(context, gone, giveUpAt, first, decide) : first;
    const mark = key?.replayed ? ',"replayed":true' : '';
    if (whole !== undefined && verdict.kind === 'problem' && mayBeSentAgain(verdict.code))
      whole.isOpen = true;
    return inOnePiece(
      verdict.kind === 'held'
        ? `{"status":201${mark},"reservation":${renderReservation(verdict.reservation, shortOf(body, verdict))}}`
        : failed(...refusalOf(verdict), mark),
    );
  } catch (error) {
    log.error('reservation.failed', { requestId: context.requestId, error });
    if (whole !== undefined) whole.isOpen = true;
    return failed('internal-error', {});
  } finally {
    context.batchLines.leave(body.lines.length);
  }
}

/**
 * JavaScriptCore keeps a text that was put together as its parts (JSRopeString.h) until somebody looks into it. Thousands of results wait
 * for those before them; as parts they are all there for the collector, and are no longer in any cache when they are sent. A tenth of a batch.
 */
function inOnePiece(text: string): string {
  Buffer.byteLength(text);
  return text;
}

/** A copy, which would cost a reservation without a key a tenth of what it takes a front. */
function withoutKey({ idempotencyKey: _, ...body }: schemas.BatchReservation): schemas.Reserve {
  return body;
}

/** Asks again where there was no room: a batch alone has more on its way than a slow database is done with in a second. */
async function again(
  context: CallContext,
  gone: AbortSignal,
  giveUpAt: number,
  first: Verdict,
  decide: () => Promise<Verdict>,
): Promise<Verdict> {
  const pauses = new Pauses(context, giveUpAt - context.clock.now(), gone);
  let verdict = first;
  while (hadNoRoom(verdict) && (await pauses.next())) verdict = await decide();
  return verdict;
}

function hadNoRoom(verdict: Verdict): boolean {
  return verdict.kind === 'problem' && verdict.code === 'overloaded';
}

async function decidedOnce(context: CallContext, body: schemas.Reserve, key: KeyInUse): Promise<Verdict> {
  const run = (): Promise<Verdict> => reserve(context, wishOf(body, key));
  const used = (verdict: Verdict): boolean => verdict.kind !== 'problem' || mayHaveHadEffect(verdict.code);
  const outcome = await whileClaimed(context, key, run, used);
  if (outcome.kind === 'lost') return { kind: 'problem', code: 'partition-unavailable' };
  if (outcome.kind === 'problem' || outcome.kind === 'held' || outcome.kind === 'refused')
    return outcome as Verdict;
  throw new Error(`a claim was answered with ${outcome.kind}`);
}

function failed(code: ProblemCode, parts: ProblemParts, mark = ''): string {
  return `{"status":${problemOf(code).status}${mark},"problem":${renderProblem(code, parts)}}`;
}
