/** What an import with an Idempotency-Key asks to have written down, and when it leaves its key free. */
import { expect, test } from 'bun:test';
import type { Answer, PartitionRequest } from '../../src/front/backends.ts';
import { CLOSE } from '../../src/front/body.ts';
import type { FrontContext } from '../../src/front/context.ts';
import { Deadlines } from '../../src/front/deadlines.ts';
import { Gate, Place } from '../../src/front/gate.ts';
import { type Imported, importOnce } from '../../src/front/import-once.ts';
import { PAUSE_MS_MAX } from '../../src/front/pauses.ts';
import { problem } from '../../src/front/problems.ts';
import { Upload } from '../../src/front/upload.ts';
import { BULK_RETRY_MS, REQUEST_DEADLINE_MS } from '../../src/limits.ts';
import type { ProblemCode } from '../../src/reservations/outcomes.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const FILE = 'sku,location,onHand\nA,x,1\n';
const DIGEST = new Bun.CryptoHasher('sha256').update(FILE).digest('hex').slice(0, 32);
const counts = { accepted: 1, unchanged: 0, rejected: 0, errors: [] };
const whole: Imported = { ...counts, incomplete: false };
const replayed = (digest: string): Answer => ({
  kind: 'replayed',
  reply: { kind: 'sealed', summary: { digest, ...counts } },
  short: [],
});

interface Case {
  recalled?: Answer;
  /** The answers to attempts to seal; then it is sealed as it was asked. */
  sealed?: Answer[];
  outcome?: Imported | Response;
}

/** @returns what was answered, and what was asked of the key's partition beside its claim */
async function send({ recalled, sealed = [], outcome = whole }: Case) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const ask = async (request: PartitionRequest): Promise<Answer> => {
    asked.push(request.kind === 'release' ? `release ${request.used ? 'used' : 'free'}` : request.kind);
    if (request.kind === 'recall') return recalled ?? { kind: 'claimed', known: false };
    if (request.kind === 'seal') return sealed.shift() ?? { kind: 'sealed', summary: request.summary };
    return { kind: 'claimed', known: false };
  };
  const deadlines = new Deadlines(clock);
  const draining = new AbortController().signal;
  const context = {
    backends: { partitions: 16, ask },
    clock,
    deadlines,
    draining,
    random: () => 0.5,
  } as unknown as FrontContext;
  const request = new Request('http://x', { method: 'POST', body: FILE });
  const upload = new Upload(request, deadlines, clock, new Bun.CryptoHasher('sha256'));
  const run = async (): Promise<Imported | Response> => {
    asked.push('import');
    await upload.skip();
    return outcome;
  };
  const place = new Place(new Gate(1));
  place.tryEnter();
  const gone = new AbortController().signal;
  const answered = importOnce(context, { key: 'key', type: 'text/csv', upload, place, gone }, run);
  let response: Response | undefined;
  void answered.then((one) => {
    response = one;
  });
  // The body comes in turns of the event loop that no clock moves.
  for (let ms = 0; response === undefined && ms < TIME_MS; ms += PAUSE_MS_MAX) {
    await Bun.sleep(0);
    await clock.advance(PAUSE_MS_MAX);
  }
  deadlines.close();
  if (response === undefined) throw new Error('there is no answer');
  return { answer: [response.status, response.headers.get('idempotency-replayed')], asked: asked.slice(1) };
}

/** More than an import may take for what is written down of it. */
const TIME_MS = BULK_RETRY_MS + 2 * REQUEST_DEADLINE_MS;
const refused = (code: ProblemCode): Answer => ({ kind: 'problem', code });

test.each<[string, Case, unknown[], string[]]>([
  ['one that is new is written down', {}, [200, null], ['recall', 'import', 'seal', 'release used']],
  [
    'one that did not come to its end leaves the key free',
    { outcome: problem('request-timeout', { headers: CLOSE }) },
    [408, null],
    ['recall', 'import', 'release free'],
  ],
  [
    'so does one whose partitions did not all answer',
    { outcome: { ...whole, incomplete: true } },
    [200, null],
    ['recall', 'import', 'release free'],
  ],
  [
    'one that is known is answered again',
    { recalled: replayed(DIGEST) },
    [200, 'true'],
    ['recall', 'release free'],
  ],
  [
    'with other bytes it is refused',
    { recalled: replayed('0'.repeat(32)) },
    [422, null],
    ['recall', 'release free'],
  ],
  [
    'nothing is done while it is not known whether it was',
    { recalled: { kind: 'problem', code: 'partition-unavailable' } },
    [503, null],
    ['recall', 'release free'],
  ],
  [
    'of two that ran, the first to be written down is the answer of both',
    { sealed: [replayed(DIGEST)] },
    [200, 'true'],
    ['recall', 'import', 'seal', 'release used'],
  ],
  [
    'one that was done is written down, whatever is refused meanwhile',
    {
      sealed: [
        refused('overloaded'),
        refused('partition-unavailable'),
        { kind: 'lost', sent: false },
        { kind: 'lost', sent: true },
        replayed(DIGEST),
      ],
    },
    [200, null],
    ['recall', 'import', 'seal', 'seal', 'seal', 'seal', 'seal', 'release used'],
  ],
  [
    'so that other bytes that were written down meanwhile are the ones that count',
    { sealed: [{ kind: 'lost', sent: true }, replayed('0'.repeat(32))] },
    [422, null],
    ['recall', 'import', 'seal', 'seal', 'release used'],
  ],
  [
    'with a key that was written down for something else, that is not known',
    { sealed: [refused('idempotency-key-reused')] },
    [503, null],
    ['recall', 'import', 'seal', 'release used'],
  ],
])('%s', async (_name, given, answer, asked) => {
  expect(await send(given)).toEqual({ answer, asked } as never);
});

test('what could not be written down for long is not known', async () => {
  const { answer, asked } = await send({ sealed: Array(1000).fill(refused('overloaded')) });
  expect([answer, asked.at(-1)]).toEqual([[503, null], 'release used']);
  const seals = asked.filter((kind) => kind === 'seal').length;
  expect(seals).toBeGreaterThan(BULK_RETRY_MS / PAUSE_MS_MAX);
  expect(seals).toBeLessThan((2 * BULK_RETRY_MS) / PAUSE_MS_MAX);
});
