/** What an import with an Idempotency-Key asks to have written down, and when it leaves its key free. */
import { expect, test } from 'bun:test';
import type { Answer, PartitionRequest } from '../../src/front/backends.ts';
import { CLOSE } from '../../src/front/body.ts';
import type { FrontContext } from '../../src/front/context.ts';
import { Deadlines } from '../../src/front/deadlines.ts';
import { type Imported, importOnce } from '../../src/front/import-once.ts';
import { problem } from '../../src/front/problems.ts';
import { Upload } from '../../src/front/upload.ts';
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
  known?: boolean;
  recalled?: Answer;
  sealed?: Answer;
  outcome?: Imported | Response;
}

/** @returns what was answered, and what was asked of the key's partition beside its claim */
async function send({ known = false, recalled, sealed, outcome = whole }: Case) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const ask = async (request: PartitionRequest): Promise<Answer> => {
    asked.push(request.kind === 'release' ? `release ${request.used ? 'used' : 'free'}` : request.kind);
    if (request.kind === 'recall') return recalled ?? { kind: 'claimed', known: false };
    if (request.kind === 'seal') return sealed ?? { kind: 'sealed', summary: request.summary };
    return { kind: 'claimed', known };
  };
  const deadlines = new Deadlines(clock);
  const draining = new AbortController().signal;
  const context = {
    backends: { partitions: 16, ask },
    clock,
    deadlines,
    draining,
  } as unknown as FrontContext;
  const request = new Request('http://x', { method: 'POST', body: FILE });
  const upload = new Upload(request, deadlines, clock, new Bun.CryptoHasher('sha256'));
  const run = async (): Promise<Imported | Response> => {
    asked.push('import');
    await upload.skip();
    return outcome;
  };
  const response = await importOnce(context, upload, 'key', 'text/csv', run);
  deadlines.close();
  return { answer: [response.status, response.headers.get('idempotency-replayed')], asked: asked.slice(1) };
}

test.each<[string, Case, unknown[], string[]]>([
  ['one that is new is written down', {}, [200, null], ['import', 'seal', 'release used']],
  [
    'one that did not come to its end leaves the key free',
    { outcome: problem('request-timeout', { headers: CLOSE }) },
    [408, null],
    ['import', 'release free'],
  ],
  [
    'so does one whose partitions did not all answer',
    { outcome: { ...whole, incomplete: true } },
    [200, null],
    ['import', 'release free'],
  ],
  [
    'one that is known is answered again',
    { known: true, recalled: replayed(DIGEST) },
    [200, 'true'],
    ['recall', 'release free'],
  ],
  [
    'with other bytes it is refused',
    { known: true, recalled: replayed('0'.repeat(32)) },
    [422, null],
    ['recall', 'release free'],
  ],
  [
    'one that was begun, and not written down, is done',
    { known: true },
    [200, null],
    ['recall', 'import', 'seal', 'release used'],
  ],
  [
    'nothing is done while it is not known whether it was',
    { known: true, recalled: { kind: 'problem', code: 'partition-unavailable' } },
    [503, null],
    ['recall', 'release free'],
  ],
  [
    'of two that ran, the first to be written down is the answer of both',
    { sealed: replayed(DIGEST) },
    [200, 'true'],
    ['import', 'seal', 'release used'],
  ],
  [
    'what could not be written down is not known',
    { sealed: { kind: 'lost', sent: true } },
    [503, null],
    ['import', 'seal', 'release used'],
  ],
])('%s', async (_name, given, answer, asked) => {
  expect(await send(given)).toEqual({ answer, asked } as never);
});
