/** POST /v1/stock/import at a real front: what may be sent, what is answered, and uploads that break off. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { BULK_CALLS_MAX, IMPORT_LINE_BYTES_MAX } from '../../src/limits.ts';
import type { ImportRow } from '../../src/wire/messages.ts';
import { until } from '../helpers/server.ts';
import { type Script, type ScriptedFront, speak, startScriptedFront } from './scripted-front.ts';

const IMPORT = '/v1/stock/import';
const HEADER = 'sku,location,onHand';
type Json = ReturnType<typeof JSON.parse>;

/** Accepts every row, and every key. */
const accepting: Script = (request) => {
  if (request.kind === 'import-levels')
    return { kind: 'imported', changed: request.rows.length, unchanged: 0, refused: [] };
  if (request.kind === 'seal') return { kind: 'sealed', summary: request.summary };
  const isOfKey = ['claim', 'recall', 'release', 'prolong'].includes(request.kind);
  return isOfKey ? { kind: 'claimed', known: false } : undefined;
};

let front: ScriptedFront;
beforeAll(async () => {
  front = await startScriptedFront(accepting);
});
afterEach(() => {
  front.script = accepting;
  front.asked.length = 0;
});
afterAll(() => front.stop());

type BodyInit = ConstructorParameters<typeof Response>[0];

async function send(
  body: BodyInit | AsyncIterable<Uint8Array>,
  type: string | undefined = 'text/csv',
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Json }> {
  const response = await fetch(front.url + IMPORT, {
    method: 'POST',
    headers: { ...(type !== undefined && { 'content-type': type }), ...headers },
    body: body as BodyInit,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Rows that reached a worker. */
function rows(): ImportRow[] {
  return front.asked.flatMap((request) => (request.kind === 'import-levels' ? request.rows : []));
}
const keys = (): string[] => rows().map(({ sku, onHand }) => `${sku} ${onHand}`);

describe('what may be sent', () => {
  test.each([
    ['text/csv', `${HEADER}\nA,x,1\n`],
    ['text/csv; charset=utf-8', `${HEADER}\r\nA,x,1\r\n`],
    ['Text/CSV;header=present; charset="UTF-8"', `\ufeff"sku","location","onHand"\n"A","x",1`],
    ['application/x-ndjson', '{"sku":"A","location":"x","onHand":1}\n'],
    ['application/x-ndjson;charset=utf-8', '\ufeff{"sku":"A","location":"x","onHand":1}'],
  ])('%s', async (type, body) => {
    const answer = await send(new TextEncoder().encode(body), type);
    expect([answer.status, answer.body]).toEqual([
      200,
      { accepted: 1, unchanged: 0, rejected: 0, errors: [] },
    ]);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(JSON.parse(JSON.stringify(rows()))).toEqual([{ sku: 'A', location: 'x', onHand: 1 }]);
  });

  test.each([
    'application/json',
    'text/csv; charset=latin1',
    'text/csv; header=absent',
    'text/plain',
    'csv',
    '',
  ])('refused: %s', async (type) => {
    const answer = await send(new TextEncoder().encode(`${HEADER}\nA,x,1\n`), type);
    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported-media-type']);
    expect(answer.headers.get('accept')).toBe('text/csv, application/x-ndjson');
    expect(answer.body.detail).toContain('text/csv or application/x-ndjson');
    expect(front.asked).toEqual([]);
  });

  test('an Idempotency-Key that is none is refused', async () => {
    const answer = await send(`${HEADER}\nA,x,1\n`, 'text/csv', { 'idempotency-key': '"k' });
    expect([answer.status, answer.body.errors[0].header]).toEqual([422, 'Idempotency-Key']);
    expect(front.asked).toEqual([]);
  });

  test('a key that is in use for too long is 503, and nothing is read', async () => {
    front.script = (request, answer) =>
      request.kind === 'claim' ? { kind: 'problem', code: 'outcome-unknown' } : accepting(request, answer);
    const answer = await send(`${HEADER}\nA,x,1\n`, 'text/csv', { 'idempotency-key': 'k' });
    expect([answer.status, answer.body.code, rows()]).toEqual([503, 'outcome-unknown', []]);
  });

  test.each<[string, string, string[]]>([
    ['nothing', '', ['required']],
    [
      'a row',
      'A,x,1\n',
      ['unknown-field', 'unknown-field', 'unknown-field', 'required', 'required', 'required'],
    ],
    ['a column twice', 'sku,location,onHand,onHand\nA,x,1,1\n', ['duplicate']],
    ['a misspelt column', 'sku,location,onhand\nA,x,1\n', ['unknown-field', 'required']],
    ['JSON', '{"sku":"A","location":"x","onHand":1}\n', ['malformed']],
    ['a line too long', `${'x'.repeat(IMPORT_LINE_BYTES_MAX + 1)}\n${HEADER}\nA,x,1\n`, ['line-too-long']],
  ])('a CSV that begins with %s is refused as a whole', async (_name, body, codes) => {
    const answer = await send(body);
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid-request']);
    expect(answer.body.errors.map(({ code }: Json) => code)).toEqual(codes);
    expect(new Set(answer.body.errors.map(({ line }: Json) => line))).toEqual(new Set([1]));
    expect(answer.body.detail).toMatch(/^The first line .+\. Nothing was changed\.$/);
    expect(front.asked).toEqual([]);
  });

  test('the first line is the first that is not empty', async () => {
    const { status, body } = await send('\n\r\nsku,location\n');
    expect([status, body.errors]).toEqual([422, [{ line: 3, code: 'required', detail: 'lacks "onHand"' }]]);
    expect((await send(`\n\n${HEADER}\nA,x\n`)).body).toMatchObject({ rejected: 1, errors: [{ line: 4 }] });
  });

  test('a wrong first line is refused before the rest has arrived', async () => {
    const head = `POST ${IMPORT} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 999999999\r\n\r\n`;
    const heard = await speak(front.port, [{ bytes: `${head}a,b,c\n1,2,3\n` }], 3000);
    expect(heard.text).toStartWith('HTTP/1.1 422 ');
    expect(heard.ms).toBeLessThan(2000);
    expect(heard.closed).toBe(true);
  });

  test.each([
    ['text/csv', `${HEADER}\n`],
    ['application/x-ndjson', ''],
    ['application/x-ndjson', '\n\r\n'],
  ])('%s without rows changes nothing', async (type, body) => {
    const answer = await send(body, type);
    expect([answer.status, answer.body]).toEqual([
      200,
      { accepted: 0, unchanged: 0, rejected: 0, errors: [] },
    ]);
  });
});

describe('lines', () => {
  test('bad ones are named and stop nobody, whatever the chunks', async () => {
    const long = 'x'.repeat(IMPORT_LINE_BYTES_MAX);
    const file = Buffer.concat([
      Buffer.from(
        `\ufeff${HEADER},safetyStock\r\nA,x,1,\r\n\r\nB,x\r\nC,x,-1,\r\n"D,x,1,\r\n${long},x,1,\r\n`,
      ),
      Buffer.from([0x45, 0xff, 0x2c, 0x78, 0x2c, 0x31, 0x2c, 0x0a]),
      Buffer.from(`F,x,2,3\n"G ""1""",x,4,`),
    ]);
    const errors = [
      { line: 4, code: 'malformed', detail: 'The line has 2 fields, the header has 4.' },
      { line: 5, code: 'out-of-range', detail: 'onHand must be an integer from 0 to 2147483647, not -1.' },
      { line: 6, code: 'malformed' },
      { line: 7, code: 'line-too-long', detail: `A line may have ${IMPORT_LINE_BYTES_MAX} bytes.` },
      { line: 8, code: 'not-allowed' },
    ];
    async function* chunks(size: number): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < file.length; at += size) {
        yield file.subarray(at, at + size);
        if (at % 64 === 0) await Bun.sleep(0);
      }
    }
    for (const body of [file, chunks(7), chunks(1000)]) {
      const answer = await send(body);
      expect(answer.body).toMatchObject({ accepted: 3, unchanged: 0, rejected: 5, errors });
      expect(keys().sort()).toEqual(['A 1', 'F 2', 'G "1" 4']);
      front.asked.length = 0;
    }
  });

  test('a hundred errors are named, all are counted, in the order of the file', async () => {
    front.script = (request) =>
      request.kind === 'import-levels'
        ? {
            kind: 'imported',
            changed: 0,
            unchanged: 0,
            refused: request.rows.map((_, row) => ({ row, code: 'too-many-levels' as const })),
          }
        : undefined;
    const lines = Array.from({ length: 1000 }, (_, i) => (i % 2 ? `S${i},x,1` : `S${i},x`));
    const { body } = await send([HEADER, ...lines].join('\n'));
    expect(body).toMatchObject({ accepted: 0, unchanged: 0, rejected: 1000 });
    const numbers: number[] = body.errors.map(({ line }: Json) => line);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(numbers).toHaveLength(100);
  });

  test('a worker that comes back gets what it missed', async () => {
    let failing = 3;
    front.script = (request, answer) =>
      failing-- > 0 && request.kind !== 'status'
        ? { kind: 'problem', code: 'partition-unavailable' }
        : accepting(request, answer);
    const { body } = await send(`${HEADER}\nA,x,1\nA,x,2\nA,x,3\n`);
    expect(body).toEqual({ accepted: 3, unchanged: 0, rejected: 0, errors: [] });
    expect(keys().slice(-3)).toEqual(['A 1', 'A 2', 'A 3']);
  });
});

describe('uploads that break off', () => {
  const CHUNKED = 'transfer-encoding: chunked';
  const DECLARED = 'content-length: 1000';
  const head = (length: string): string =>
    `POST ${IMPORT} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n${length}\r\n\r\n`;
  const framed = (length: string, text: string): string =>
    length === CHUNKED ? `${text.length.toString(16)}\r\n${text}\r\n` : text;

  test.each([DECLARED, CHUNKED])('in the middle of a number (%s) leave that line out', async (length) => {
    await speak(
      front.port,
      [{ bytes: head(length) }, { afterMs: 50, bytes: framed(length, `${HEADER}\nA,x,1234\nB,x,12`) }],
      300,
    );
    await until(
      () => rows().length > 0,
      2000,
      () => 'the whole line does not arrive',
    );
    await Bun.sleep(200);
    expect(keys()).toEqual(['A 1234']);
    // Complete, the same bytes end in a row.
    front.asked.length = 0;
    await speak(
      front.port,
      [{ bytes: `${head(CHUNKED)}${framed(CHUNKED, `${HEADER}\nB,x,12`)}0\r\n\r\n` }],
      300,
    );
    expect(keys()).toEqual(['B 12']);
  });

  test('by not sending get 408 after ten seconds; slow ones that send get on', async () => {
    const key = 'idempotency-key: slow\r\n';
    const keyed = head(CHUNKED).replace('\r\n\r\n', `\r\n${key}\r\n`);
    const line = (i: number) => framed(CHUNKED, `S${i},x,1\n`);
    const slow = Array.from({ length: 5 }, (_, i) => ({ afterMs: 3000, bytes: line(i) }));
    const [stalled, silent, slowly] = await Promise.all([
      speak(front.port, [{ bytes: `${head(DECLARED)}${HEADER}\nA,x,1\nB,x,2` }], 14_000),
      speak(front.port, [{ bytes: head(CHUNKED) }], 14_000),
      speak(
        front.port,
        [{ bytes: keyed + framed(CHUNKED, `${HEADER}\n`) }, ...slow, { bytes: '0\r\n\r\n' }],
        1000,
      ),
    ]);
    for (const { text, ms, closed } of [stalled, silent]) {
      expect(text).toStartWith('HTTP/1.1 408 ');
      expect(text).toContain('"code":"request-timeout"');
      expect(ms).toBeGreaterThan(9_900);
      expect(ms).toBeLessThan(11_500);
      expect(closed).toBe(true);
    }
    expect(stalled.text).toContain('after line 2.');
    expect(slowly.text).toStartWith('HTTP/1.1 200 ');
    expect(slowly.text).toEndWith('{"accepted":5,"unchanged":0,"rejected":0,"errors":[]}');
    // Others with its key wait on.
    expect(front.asked.filter(({ kind }) => kind === 'prolong')).toHaveLength(1);
    expect(keys()).toContain('A 1');
    expect(keys()).not.toContain('B 2');
  }, 20_000);

  test('a waiting worker is no pause of the sender', async () => {
    const answers: (() => void)[] = [];
    front.script = (request, answer) => {
      if (request.kind !== 'import-levels') return undefined;
      answers.push(() => answer({ kind: 'imported', changed: 1, unchanged: 0, refused: [] }));
      return 'later';
    };
    const answered = send(`${HEADER}\nA,x,1\n`);
    await until(
      () => answers.length === 1,
      2000,
      () => 'nothing is asked',
    );
    answers[0]();
    expect((await answered).body).toMatchObject({ accepted: 1 });
  });
});

test('a front that drains does not wait for the end of a file', async () => {
  const other = await startScriptedFront(accepting);
  const head = `POST ${IMPORT} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 999999999\r\n\r\n`;
  const rowsFor = (seconds: number) =>
    Array.from({ length: seconds * 10 }, (_, i) => ({ afterMs: 100, bytes: `S${i},x,1\n` }));
  const heard = speak(other.port, [{ bytes: `${head}${HEADER}\n` }, ...rowsFor(3)], 100);
  await Bun.sleep(500);
  const started = performance.now();
  await other.stop();
  expect(performance.now() - started).toBeLessThan(2000);
  const { text } = await heard;
  expect(text).toStartWith('HTTP/1.1 503 ');
  expect(text).toContain('"code":"outcome-unknown"');
});

test('a front that drains does not wait for a key that is in use', async () => {
  const other = await startScriptedFront((request, answer) =>
    request.kind === 'claim' ? 'later' : accepting(request, answer),
  );
  const waiting = fetch(other.url + IMPORT, {
    method: 'POST',
    headers: { 'content-type': 'text/csv', 'idempotency-key': 'in use' },
    body: `${HEADER}\nA,x,1\n`,
  });
  await until(
    () => other.asked.length === 1,
    2000,
    () => 'the key is not claimed',
  );
  const started = performance.now();
  await other.stop();
  expect(performance.now() - started).toBeLessThan(2000);
  const { status, headers } = await waiting;
  expect([status, headers.get('retry-after')]).toEqual([503, '1']);
});

test('so many at once and no more; one that has gone makes room', async () => {
  const head = `POST ${IMPORT} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n`;
  const sockets = await Promise.all(
    Array.from({ length: BULK_CALLS_MAX }, () =>
      Bun.connect({ hostname: '127.0.0.1', port: front.port, socket: { data() {}, error() {} } }),
    ),
  );
  for (const socket of sockets) socket.write(head);
  await Bun.sleep(200);
  const refused = await send(`${HEADER}\nA,x,1\n`);
  expect([refused.status, refused.body.code]).toEqual([503, 'overloaded']);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(front.asked).toEqual([]);
  sockets[0].end();
  await until(
    async () => (await send(`${HEADER}\nA,x,1\n`)).status === 200,
    3000,
    () => 'one that has gone still takes room',
  );
  for (const socket of sockets) socket.end();
});
