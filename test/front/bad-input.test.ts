/**
 * What a client can get wrong: each a specific problem, nothing asked of a worker, nothing logged.
 */
import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from 'bun:test';
import { log } from '../../src/observability/log.ts';
import { type ScriptedFront, speak, startScriptedFront } from './scripted-front.ts';

let front: ScriptedFront;
const logged = spyOn(log, 'error');
beforeAll(async () => {
  front = await startScriptedFront();
});
afterEach(() => {
  expect(front.asked).toEqual([]);
  expect(logged).not.toHaveBeenCalled();
});
afterAll(async () => {
  logged.mockRestore();
  await front.stop();
});

const JSON_TYPE = { 'content-type': 'application/json' };
type BodyInit = ConstructorParameters<typeof Response>[0];
const STOCK = '/v1/stock/A/x';
const RESERVE = '/v1/reservations';
const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';

interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: { pointer?: string; parameter?: string; header?: string; code: string; detail: string }[];
}

async function send(
  method: string,
  path: string,
  body?: BodyInit,
  headers: Record<string, string> = JSON_TYPE,
) {
  const response = await fetch(front.url + path, { method, body, headers });
  return { response, text: await response.text() };
}

async function expectProblem(
  { response, text }: { response: Response; text: string },
  status: number,
  code: string,
): Promise<Problem> {
  expect(`${response.status} ${text}`).toStartWith(`${status} `);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem: Problem = JSON.parse(text);
  expect(problem).toMatchObject({ type: `/problems/${code}`, status, code });
  expect(problem.title.length).toBeGreaterThan(5);
  expect(problem.detail.length).toBeGreaterThan(10);
  expect(text).not.toMatch(/\bat .*\.ts|node_modules|\/src\/|select |insert /i);
  return problem;
}

const where = (problem: Problem): string[] =>
  (problem.errors ?? []).map(
    ({ pointer, parameter, header, code }) => `${pointer ?? parameter ?? header} ${code}`,
  );

describe('fields of PUT stock', () => {
  test.each<[string, unknown, string[]]>([
    ['nothing', {}, ['/onHand required']],
    ['null', null, [' wrong-type']],
    ['a number', 1, [' wrong-type']],
    ['an array', [{ onHand: 1 }], [' wrong-type']],
    ['text', '"onHand"', [' wrong-type']],
    ['a string for a number', { onHand: '1' }, ['/onHand wrong-type']],
    ['a fraction', { onHand: 1.5 }, ['/onHand wrong-type']],
    ['true', { onHand: true }, ['/onHand wrong-type']],
    ['below zero', { onHand: -1 }, ['/onHand out-of-range']],
    ['beyond Int32', { onHand: 2_147_483_648 }, ['/onHand out-of-range']],
    ['far beyond', { onHand: 1e300 }, ['/onHand out-of-range']],
    [
      'null limits',
      { onHand: 1, safetyStock: null, backorderLimit: null },
      ['/safetyStock wrong-type', '/backorderLimit wrong-type'],
    ],
    ['a limit below zero', { onHand: 1, safetyStock: -1 }, ['/safetyStock out-of-range']],
    ['a misspelt field', { onHand: 1, safetystock: 1 }, ['/safetystock unknown-field']],
    [
      'several faults',
      { onhand: 1, backorderLimit: 2_147_483_648 },
      ['/onHand required', '/onhand unknown-field', '/backorderLimit out-of-range'],
    ],
    [
      'a field for the prototype',
      JSON.parse('{"onHand":1,"__proto__":{"x":1}}'),
      ['/__proto__ unknown-field'],
    ],
  ])('%s', async (_name, body, faults) => {
    const problem = await expectProblem(
      await send('PUT', STOCK, JSON.stringify(body)),
      422,
      'invalid-request',
    );
    expect(where(problem)).toEqual(faults);
  });
});

describe('fields of POST reservations', () => {
  const line = { sku: 'A', quantity: 1 };
  test.each<[string, unknown, string[]]>([
    ['no lines', {}, ['/lines required']],
    ['empty lines', { lines: [] }, ['/lines out-of-range']],
    ['101 lines', { lines: Array(101).fill(line) }, ['/lines out-of-range']],
    ['lines not a list', { lines: { 0: line } }, ['/lines wrong-type']],
    ['a null line', { lines: [line, null] }, ['/lines/1 wrong-type']],
    ['no sku', { lines: [{ quantity: 1 }] }, ['/lines/0/sku required']],
    ['an empty sku', { lines: [{ ...line, sku: '' }] }, ['/lines/0/sku not-allowed']],
    ['a sku that is a number', { lines: [{ ...line, sku: 5 }] }, ['/lines/0/sku wrong-type']],
    ['a sku of 129 bytes', { lines: [{ ...line, sku: `${'é'.repeat(64)}a` }] }, ['/lines/0/sku not-allowed']],
    ['a sku with a control character', { lines: [{ ...line, sku: 'a\n' }] }, ['/lines/0/sku not-allowed']],
    ['a sku with half a character', { lines: [{ ...line, sku: 'a\ud83d' }] }, ['/lines/0/sku not-allowed']],
    ['an empty location', { lines: [{ ...line, location: '' }] }, ['/lines/0/location not-allowed']],
    ['a null location', { lines: [{ ...line, location: null }] }, ['/lines/0/location wrong-type']],
    ['quantity 0', { lines: [{ ...line, quantity: 0 }] }, ['/lines/0/quantity out-of-range']],
    ['quantity -1', { lines: [{ ...line, quantity: -1 }] }, ['/lines/0/quantity out-of-range']],
    ['quantity 1.5', { lines: [{ ...line, quantity: 1.5 }] }, ['/lines/0/quantity wrong-type']],
    [
      'quantity 2147483648',
      { lines: [{ ...line, quantity: 2_147_483_648 }] },
      ['/lines/0/quantity out-of-range'],
    ],
    ['quantity "1"', { lines: [{ ...line, quantity: '1' }] }, ['/lines/0/quantity wrong-type']],
    [
      'quantitty',
      { lines: [{ sku: 'A', quantitty: 1 }] },
      ['/lines/0/quantity required', '/lines/0/quantitty unknown-field'],
    ],
    ['a name that needs escaping in a pointer', { lines: [line], 'a/b~c': 1 }, ['/a~1b~0c unknown-field']],
    ['mode most', { lines: [line], mode: 'most' }, ['/mode not-allowed']],
    ['mode null', { lines: [line], mode: null }, ['/mode wrong-type']],
    [
      'an unknown strategy',
      { lines: [line], sourcing: { strategy: 'nearest' } },
      ['/sourcing/strategy not-allowed'],
    ],
    ['sourcing without strategy', { lines: [line], sourcing: {} }, ['/sourcing/strategy required']],
    [
      'in-order without an order',
      { lines: [line], sourcing: { strategy: 'in-order' } },
      ['/sourcing/locations required'],
    ],
    [
      'no locations',
      { lines: [line], sourcing: { strategy: 'split', locations: [] } },
      ['/sourcing/locations out-of-range'],
    ],
    [
      'a location twice',
      { lines: [line], sourcing: { strategy: 'split', locations: ['a', 'a'] } },
      ['/sourcing/locations duplicate'],
    ],
    [
      '101 locations',
      { lines: [line], sourcing: { strategy: 'split', locations: Array.from({ length: 101 }, String) } },
      ['/sourcing/locations out-of-range'],
    ],
    ['expiresInSeconds 0', { lines: [line], expiresInSeconds: 0 }, ['/expiresInSeconds out-of-range']],
    [
      'expiresInSeconds 2592001',
      { lines: [line], expiresInSeconds: 2_592_001 },
      ['/expiresInSeconds out-of-range'],
    ],
    ['an empty reference', { lines: [line], reference: '' }, ['/reference not-allowed']],
    ['a reference of 256 bytes', { lines: [line], reference: 'r'.repeat(256) }, ['/reference not-allowed']],
  ])('%s', async (_name, body, faults) => {
    const problem = await expectProblem(
      await send('POST', RESERVE, JSON.stringify(body)),
      422,
      'invalid-request',
    );
    expect(where(problem)).toEqual(faults);
  });

  test('a hundred wrong lines are all named, a thousand faults are not', async () => {
    const lines = Array(100).fill({ sku: '', quantity: 0, x: 1 });
    const problem = await expectProblem(
      await send('POST', RESERVE, JSON.stringify({ lines })),
      422,
      'invalid-request',
    );
    expect(problem.errors).toHaveLength(100);
  });

  test('a detail names the limits and the value', async () => {
    const { text } = await send('POST', RESERVE, JSON.stringify({ lines: [{ sku: 'A', quantity: 0 }] }));
    expect(JSON.parse(text).errors[0].detail).toBe('must be an integer from 1 to 2147483647, not 0');
  });
});

describe('fields of POST stock/query and cancel', () => {
  test.each<[string, string, unknown, string[]]>([
    ['no skus', '/v1/stock/query', {}, ['/skus required']],
    ['empty skus', '/v1/stock/query', { skus: [] }, ['/skus out-of-range']],
    ['1001 skus', '/v1/stock/query', { skus: Array(1001).fill('A') }, ['/skus out-of-range']],
    [
      'a sku that is none',
      '/v1/stock/query',
      { skus: ['A', 1, ''] },
      ['/skus/1 wrong-type', '/skus/2 not-allowed'],
    ],
    ['a cancel with a field', `${RESERVE}/${ID}/cancel`, { reason: 'x' }, ['/reason unknown-field']],
    ['a cancel with a list', `${RESERVE}/${ID}/cancel`, [], [' wrong-type']],
  ])('%s', async (_name, path, body, faults) => {
    const problem = await expectProblem(
      await send('POST', path, JSON.stringify(body)),
      422,
      'invalid-request',
    );
    expect(where(problem)).toEqual(faults);
  });
});

describe('bodies that are not JSON', () => {
  test.each<[string, BodyInit]>([
    ['empty', ''],
    ['blank', '  '],
    ['a word', 'onHand'],
    ['cut off', '{"onHand":1'],
    ['two values', '{"onHand":1}{"onHand":2}'],
    ['something behind it', '{"onHand":1}]'],
    ['single quotes', "{'onHand':1}"],
    ['a trailing comma', '{"onHand":1,}'],
    ['NaN', '{"onHand":NaN}'],
    ['a comment', '{"onHand":1/**/}'],
    ['a raw control character', '{"onHand":"\n"}'],
    ['deeply nested and never closed', '['.repeat(500_000)],
    ['not UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
    ['UTF-16', new Uint8Array([0x7b, 0, 0x7d, 0])],
    ['a zip file', new Uint8Array([0x50, 0x4b, 3, 4, 0, 0])],
  ])('%s', async (_name, body) => {
    await expectProblem(await send('PUT', STOCK, body), 400, 'invalid-json');
  });

  test('deeply nested and closed is JSON, and the wrong kind', async () => {
    const body = `${'['.repeat(400_000)}${']'.repeat(400_000)}`;
    await expectProblem(await send('PUT', STOCK, body), 422, 'invalid-request');
  });

  test('no body at all', async () => {
    const problem = await expectProblem(await send('PUT', STOCK), 400, 'invalid-json');
    expect(problem.detail).toBe('The body is empty.');
  });
});

describe('media types', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'application/json; charset=latin1',
    'application/problem+json',
    'multipart/form-data; boundary=x',
    'json',
    '',
  ])('refused: %s', async (type) => {
    const problem = await expectProblem(
      await send('PUT', STOCK, new TextEncoder().encode('{"onHand":1}'), { 'content-type': type }),
      415,
      'unsupported-media-type',
    );
    expect(problem.detail).toContain('application/json');
  });
  test('refused: none', async () => {
    await expectProblem(
      await send('PUT', STOCK, new TextEncoder().encode('{"onHand":1}'), {}),
      415,
      'unsupported-media-type',
    );
  });
  test.each(['application/json', 'application/json;charset=utf-8', 'Application/JSON; charset="UTF-8"'])(
    'taken: %s',
    async (type) => {
      await expectProblem(await send('PUT', STOCK, '{}', { 'content-type': type }), 422, 'invalid-request');
    },
  );
  test('a cancel with a body needs one', async () => {
    await expectProblem(
      await send('POST', `${RESERVE}/${ID}/cancel`, new TextEncoder().encode('{}'), {}),
      415,
      'unsupported-media-type',
    );
  });
});

describe('headers', () => {
  const body = '{"onHand":1}';
  test.each([
    ['POST', RESERVE, JSON.stringify({ lines: [{ sku: 'A', quantity: 1 }] })],
    ['POST', `${RESERVE}/${ID}/cancel`, undefined],
    ['POST', `${RESERVE}/${ID}/confirm`, undefined],
    ['POST', `${RESERVE}/${ID}/extend`, '{"expiresInSeconds":1}'],
    ['POST', `${STOCK}/adjustments`, '{"delta":1,"reason":"received"}'],
  ])('%s %s with an Idempotency-Key that is none', async (method, path, sent) => {
    for (const key of ['""', '"k', 'Größe', 'k'.repeat(256), `"${'k'.repeat(256)}"`, '"a"b']) {
      const problem = await expectProblem(
        await send(method, path, sent, { ...JSON_TYPE, 'idempotency-key': key }),
        422,
        'invalid-request',
      );
      expect(where(problem)).toEqual(['Idempotency-Key malformed']);
    }
  });
  test.each(['7', '"1", "2"', '"', 'W/7'])('If-Match: %s', async (ifMatch) => {
    const problem = await expectProblem(
      await send('PUT', STOCK, body, { ...JSON_TYPE, 'if-match': ifMatch }),
      422,
      'invalid-request',
    );
    expect(where(problem)).toEqual(['If-Match malformed']);
  });
  test.each(['W/"7"', '"abc"', '"0"', '"99999999999"'])('If-Match: %s matches nothing', async (ifMatch) => {
    await expectProblem(
      await send('PUT', STOCK, body, { ...JSON_TYPE, 'if-match': ifMatch }),
      412,
      'version-mismatch',
    );
  });
  test('If-None-Match on a PUT', async () => {
    const problem = await expectProblem(
      await send('PUT', STOCK, body, { ...JSON_TYPE, 'if-none-match': '*' }),
      422,
      'invalid-request',
    );
    expect(where(problem)).toEqual(['If-None-Match not-supported']);
  });
});

describe('paths', () => {
  test.each([
    ['NUL', 'a%00'],
    ['a line break', 'a%0Ab'],
    ['DEL', '%7F'],
    ['not percent-encoding', 'a%zz'],
    ['cut off percent-encoding', 'a%4'],
    ['not UTF-8', 'a%ff'],
    ['half a character', '%ED%A0%80'],
    ['129 bytes', 'a'.repeat(129)],
  ])('a key with %s', async (_name, key) => {
    const put = await expectProblem(
      await send('PUT', `/v1/stock/${key}/${key}`, '{"onHand":1}'),
      422,
      'invalid-request',
    );
    expect(where(put)).toEqual(['sku not-allowed', 'location not-allowed']);
    const got = await expectProblem(await send('GET', `/v1/stock/${key}`), 422, 'invalid-request');
    expect(where(got)).toEqual(['sku not-allowed']);
  });

  test.each([
    'x',
    '1',
    ID.slice(1),
    `${ID}0`,
    ID.replace('-7c', '-4c'),
    `${ID.slice(0, -4)}ffff`,
    `${ID.slice(0, -4)}0010`,
    `${ID}%00`,
    '%zz',
  ])('id %s', async (id) => {
    await expectProblem(await send('GET', `${RESERVE}/${id}`), 404, 'invalid-id');
    await expectProblem(await send('POST', `${RESERVE}/${id}/cancel`), 404, 'invalid-id');
  });

  test.each([
    '/',
    '/v1',
    '/v1/stock',
    '/v1/stock/',
    '/v1/stock/A/x/y',
    '/v2/stock/A',
    '/V1/stock/A',
    '/metrics/more',
    '/dashboards',
    '/dashboard/assets/../../config.ts',
    '/swagger/json/x',
    '/problems/nothing',
    '/problems/nothing/else',
    '//',
    '/swagger/assets/../../package.json',
  ])('no such path: %s', async (path) => {
    for (const method of ['GET', 'POST', 'DELETE'])
      await expectProblem(
        await send(method, path),
        path === '/problems/nothing' && method !== 'GET' ? 405 : 404,
        path === '/problems/nothing' && method !== 'GET' ? 'method-not-allowed' : 'not-found',
      );
  });

  test.each([
    ['DELETE', '/v1/stock/A', 'GET, HEAD, OPTIONS'],
    ['POST', STOCK, 'OPTIONS, PUT'],
    ['GET', STOCK, 'OPTIONS, PUT'],
    ['PATCH', '/v1/stock/query', 'GET, HEAD, OPTIONS, POST'],
    ['PUT', RESERVE, 'GET, HEAD, OPTIONS, POST'],
    ['POST', '/v1/stock/A/ledger', 'GET, HEAD, OPTIONS, PUT'],
    ['PUT', `${RESERVE}/${ID}`, 'GET, HEAD, OPTIONS'],
    ['GET', `${RESERVE}/${ID}/cancel`, 'OPTIONS, POST'],
    ['POST', '/livez', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/swagger', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/livez', 'GET, HEAD, OPTIONS'],
  ])('%s %s is not allowed', async (method, path, allow) => {
    const sent = await send(method, path);
    await expectProblem(sent, 405, 'method-not-allowed');
    expect(sent.response.headers.get('allow')).toBe(allow);
  });

  test('OPTIONS names the methods; HEAD is a GET without its body', async () => {
    const options = await fetch(`${front.url}${RESERVE}`, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
    const head = await fetch(`${front.url}/livez`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'application/json',
      '',
    ]);
    expect((await fetch(`${front.url}/nothing`, { method: 'HEAD' })).status).toBe(404);
    expect((await fetch(front.url + STOCK, { method: 'HEAD' })).status).toBe(405);
  });
});

describe('size and time', () => {
  const MEBIBYTE = 1024 * 1024;
  const padded = (bytes: number): string => `{"onHand":-1}${' '.repeat(bytes - 13)}`;
  async function* chunks(bytes: number): AsyncGenerator<Uint8Array> {
    const text = new TextEncoder().encode(padded(bytes));
    for (let at = 0; at < text.length; at += 65_536) yield text.subarray(at, at + 65_536);
  }

  test('1 MiB is read, declared or chunked', async () => {
    await expectProblem(await send('PUT', STOCK, padded(MEBIBYTE)), 422, 'invalid-request');
    await expectProblem(
      await send('PUT', STOCK, chunks(MEBIBYTE) as unknown as BodyInit),
      422,
      'invalid-request',
    );
  });
  test('one byte more is not, declared or chunked', async () => {
    await expectProblem(await send('PUT', STOCK, padded(MEBIBYTE + 1)), 413, 'body-too-large');
    await expectProblem(
      await send('PUT', STOCK, chunks(MEBIBYTE + 1) as unknown as BodyInit),
      413,
      'body-too-large',
    );
  });
  test('a huge declared length is refused before it is sent', async () => {
    const bytes = `PUT ${STOCK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999999999999\r\n\r\n{`;
    const heard = await speak(front.port, [{ bytes }], 3000);
    expect(heard.text).toStartWith('HTTP/1.1 413 ');
    expect(heard.text).toContain('application/problem+json');
    expect(heard.closed).toBe(true);
  });
  test('a body that trickles in gets 408 after ten seconds, and nobody else waits for it', async () => {
    const head = `PUT ${STOCK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
    const trickle = Array.from({ length: 20 }, () => ({ afterMs: 400, bytes: ' ' }));
    const chunked = trickle.map(({ afterMs }) => ({ afterMs, bytes: '1\r\n \r\n' }));
    const slow = Promise.all([
      speak(front.port, [{ bytes: `${head}content-length: 100\r\n\r\n{` }, ...trickle], 5000),
      speak(front.port, [{ bytes: `${head}transfer-encoding: chunked\r\n\r\n` }, ...chunked], 5000),
      speak(front.port, [{ bytes: `${head}content-length: 100\r\n\r\n` }], 13_000),
    ]);
    await Bun.sleep(200);
    await expectProblem(await send('PUT', STOCK, '{}'), 422, 'invalid-request');
    for (const { text, ms, closed } of await slow) {
      expect(text).toStartWith('HTTP/1.1 408 ');
      expect(text).toContain('"code":"request-timeout"');
      expect(ms).toBeGreaterThan(9_900);
      expect(ms).toBeLessThan(11_500);
      expect(closed).toBe(true);
    }
  }, 20_000);
  test('a client that goes away in the middle is nobody’s problem', async () => {
    const bytes = `PUT ${STOCK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`;
    await Promise.all(Array.from({ length: 20 }, () => speak(front.port, [{ bytes }], 50)));
    await Bun.sleep(100);
    expect((await fetch(`${front.url}/livez`)).status).toBe(200);
  });
  test('what is not HTTP', async () => {
    for (const bytes of [
      '\r\n\r\n',
      'hello\r\n\r\n',
      '\x16\x03\x01\x02\x00',
      `GET /${'x'.repeat(40_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    ]) {
      const { text } = await speak(front.port, [{ bytes }], 200);
      expect(text).toMatch(/^(HTTP\/1.1 4|$)/);
    }
    expect((await fetch(`${front.url}/livez`)).status).toBe(200);
  });
});
