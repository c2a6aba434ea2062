/**
 * Idempotency-Key (IETF httpapi draft): a request that is repeated with its key takes effect once, and gets the
 * first answer again (invariant I5).
 *
 * The key is claimed at its own partition, which refuses it for another payload and lets one request at a time go on.
 * Where the request is decided, the key is written down in the commit that has its effect, so that once
 * is once even where a claim got lost. A claim whose request had no effect is given back.
 */
import { KEY_CHARACTERS_MAX, REQUEST_DEADLINE_MS } from '../limits.ts';
import type { Key } from '../reservations/key.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { LineRefusal } from '../reservations/types.ts';
import { partitionOf } from '../routing/partition-map.ts';
import { problemFrom } from './answers.ts';
import type { Answer, Asker, PartitionRequest } from './backends.ts';
import type { FrontContext } from './context.ts';
import { invalid } from './problems.ts';

export const IDEMPOTENCY_KEY = 'idempotency-key';

/** A key on its way through one request. */
export class KeyInUse implements Key {
  /** The answer is that of an earlier request. */
  replayed = false;
  /** It was used before, so that there may be an answer already. */
  known = false;
  /** Tells the claim of this request from those of others with the key. */
  readonly token = Math.floor(Math.random() * 2 ** 32);

  constructor(
    readonly hash: string,
    readonly fingerprint: string,
    readonly partition: number,
  ) {}
}

/**
 * The key as it came: quoted, as the draft has it, or bare.
 * @returns undefined where it is not one of 1 to KEY_CHARACTERS_MAX printable ASCII characters
 */
export function parseKey(header: string): string | undefined {
  const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(header);
  const key = quoted === null ? header : quoted[1].replace(/\\(.)/g, '$1');
  if (quoted === null && !/^[\x21\x23-\x7e][\x20-\x7e]*$/.test(key)) return undefined;
  return key.length >= 1 && key.length <= KEY_CHARACTERS_MAX ? key : undefined;
}

export function malformedKey(): Response {
  const detail = `must be 1 to ${KEY_CHARACTERS_MAX} printable ASCII characters, quoted or bare`;
  return invalid([{ header: 'Idempotency-Key', code: 'malformed', detail }]);
}

/** Runs what has no key, or once what has one. @param payload what was sent, beside the path */
export function once(
  context: FrontContext,
  request: Request,
  payload: unknown,
  run: (key: KeyInUse | undefined) => Promise<Response>,
): Promise<Response> {
  const header = request.headers.get(IDEMPOTENCY_KEY);
  return header === null ? run(undefined) : onceWith(header, context, request, payload, run);
}

async function onceWith(
  header: string,
  context: FrontContext,
  request: Request,
  payload: unknown,
  run: (key: KeyInUse | undefined) => Promise<Response>,
): Promise<Response> {
  const text = parseKey(header);
  if (text === undefined) return malformedKey();
  const { pathname } = new URL(request.url);
  const key = keyOf(text, `${request.method} ${pathname}`, payload, context.backends.partitions);
  const outcome = await whileClaimed(context, key, () => run(key), tookPlace);
  if (!(outcome instanceof Response)) return problemFrom(outcome, 'reads');
  if (key.replayed) outcome.headers.set('idempotency-replayed', 'true');
  return outcome;
}

/**
 * Runs while no other request with the key does.
 * @param isUsed whether what came of it may have had an effect, or is remembered
 * @returns what `run` gives; or a worker's answer that the key can't be used, and then nothing was run
 */
export async function whileClaimed<T>(
  context: Pick<FrontContext, 'backends' | 'clock'>,
  key: KeyInUse,
  run: () => Promise<T>,
  isUsed: (outcome: T) => boolean | Promise<boolean>,
): Promise<T | Exclude<Answer, { kind: 'claimed' }>> {
  const claimed = await claim(context, key);
  if (claimed.kind !== 'claimed') return claimed;
  let used = true;
  try {
    const outcome = await run();
    used = key.replayed || (await isUsed(outcome));
    return outcome;
  } finally {
    // A claim that is not released runs out, so this need not be waited for; but whoever is told that nothing has
    // happened may use the key for something else at once.
    const released = release(context, key, used);
    if (!used) await released;
  }
}

async function claim(
  { backends, clock }: Pick<FrontContext, 'backends' | 'clock'>,
  key: KeyInUse,
): Promise<Answer> {
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const { partition, token } = key;
  const claimed = await backends.ask({ kind: 'claim', partition, deadline, key, token });
  if (claimed.kind === 'claimed') key.known = claimed.known;
  return claimed;
}

export function release(
  { backends, clock }: Pick<FrontContext, 'backends' | 'clock'>,
  key: KeyInUse,
  used: boolean,
): Promise<Answer> {
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const { partition, token } = key;
  return backends.ask({ kind: 'release', partition, deadline, key, token, used });
}

/** @param where method and path */
export function keyOf(text: string, where: string, payload: unknown, partitions: number): KeyInUse {
  return keyWith(text, digest(`${where}\n${canonical(payload)}`), partitions);
}

export function keyWith(text: string, fingerprint: string, partitions: number): KeyInUse {
  const hash = digest(text);
  return new KeyInUse(hash, fingerprint, partitionOf(hash, partitions));
}

/** Asks what has a key: the answer of an earlier request is unwrapped, and the key knows. */
export function askWith(
  backends: Asker,
  request: PartitionRequest,
  key: KeyInUse | undefined,
): Promise<Answer> {
  const asked = backends.ask(request);
  return key === undefined ? asked : asked.then((answer) => unwrapped(answer, key).answer);
}

/** Everything was granted whole, or nothing was. */
export const NOT_SHORT: readonly never[] = [];

export interface Unwrapped {
  answer: Answer;
  /** Of an earlier request with the same key: the lines that were not granted whole. */
  short: readonly Omit<LineRefusal, 'sku'>[];
}

export function unwrapped(answer: Answer, key: KeyInUse | undefined): Unwrapped {
  if (answer.kind !== 'replayed') return { answer, short: NOT_SHORT };
  key!.replayed = true;
  return { answer: answer.reply, short: answer.short };
}

/** Codes of answers that say for certain that nothing has happened and nothing is remembered. */
const WITHOUT_EFFECT: ProblemCode[] = [
  'invalid-request',
  'invalid-id',
  'overloaded',
  'partition-unavailable',
];

/** Whether a problem leaves open that something has happened, or is remembered. */
export function mayHaveHadEffect(code: ProblemCode): boolean {
  return !WITHOUT_EFFECT.includes(code);
}

async function tookPlace(response: Response): Promise<boolean> {
  if (response.ok) return true;
  const { code } = (await response.clone().json()) as { code: ProblemCode };
  return mayHaveHadEffect(code);
}

export function digest(text: string): string {
  return shortened(new Bun.CryptoHasher('sha256').update(text));
}

/** 32 hexadecimal digits. */
export function shortened(hasher: Bun.CryptoHasher): string {
  return hasher.digest('hex').slice(0, 32);
}

/** JSON with its fields in order, so that the same payload is the same however it was written; of what was checked, so not nested without end. */
export function canonical(payload: unknown): string {
  return JSON.stringify(payload, (_, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
