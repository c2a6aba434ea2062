/** POST /v1/reservations/batch at a real front, with a worker that answers as the case says. */
import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from 'bun:test';
import { PAUSE_MS_MAX } from '../../src/front/pauses.ts';
import {
  BATCH_BODY_BYTES_MAX,
  BATCH_LINES_IN_FLIGHT_MAX,
  BATCH_RESERVATIONS_MAX,
  BULK_CALLS_MAX,
  KEY_WAITS_MAX,
} from '../../src/limits.ts';
import { log } from '../../src/observability/log.ts';
import type { HoldRequest, Reply } from '../../src/wire/messages.ts';
import { until } from '../helpers/server.ts';
import { type Script, type ScriptedFront, speak, startScriptedFront } from './scripted-front.ts';

const BATCH = '/v1/reservations/batch';
type Json = ReturnType<typeof JSON.parse>;
type BodyInit = ConstructorParameters<typeof Response>[0];

/** Grants every line. */
const granted = ({ lines }: HoldRequest): Reply => ({
  kind: 'granted',
  lines: lines.map(({ line, quantity }) => ({ line, allocations: [{ location: 'x', quantity }] })),
  short: [],
});
const granting: Script = (request) => {
  if (request.kind === 'claim' || request.kind === 'release') return { kind: 'claimed', known: false };
  if (request.kind === 'seal') return { kind: 'sealed' };
  return request.kind === 'hold' ? granted(request) : undefined;
};

let front: ScriptedFront;
beforeAll(async () => {
  front = await startScriptedFront(granting);
});
afterEach(() => {
  front.script = granting;
  front.asked.length = 0;
});
afterAll(() => front.stop());

async function send(
  body: BodyInit,
  type: string | undefined = 'application/json',
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Json }> {
  const response = await fetch(front.url + BATCH, {
    method: 'POST',
    headers: { ...(type !== undefined && { 'content-type': type }), ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const wish = (sku: string, more: Record<string, unknown> = {}) => ({
  lines: [{ sku, quantity: 1 }],
  ...more,
});
const held = (): HoldRequest[] => front.asked.filter((request) => request.kind === 'hold');
/** What each result is, in short. */
const outcomes = (body: Json): string[] =>
  body.results.map(({ status, reservation, problem }: Json) =>
    problem === undefined ? `${status} ${reservation.lines[0].sku}` : `${status} ${problem.code}`,
  );

describe('the body', () => {
  test('an array: each result in order, as POST /v1/reservations would have answered', async () => {
    const answer = await send(
      JSON.stringify([wish('A', { reference: 'one', expiresInSeconds: 60 }), wish('B')]),
    );
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(outcomes(answer.body)).toEqual(['201 A', '201 B']);
    const { reservation } = answer.body.results[0];
    expect(reservation).toEqual({
      id: expect.any(String),
      status: 'held',
      lines: [{ sku: 'A', quantity: 1, allocations: [{ location: 'x', quantity: 1 }] }],
      reference: 'one',
      createdAt: expect.any(String),
      expiresAt: expect.any(String),
    });
    expect(Date.parse(reservation.expiresAt) - Date.parse(reservation.createdAt)).toBe(60_000);
    expect(answer.body.results[1].reservation.id).not.toBe(reservation.id);
  });

  test('NDJSON: the same, and a bad line is a result of its own', async () => {
    const file = Buffer.concat([
      Buffer.from(`${JSON.stringify(wish('A'))}\n\r\n\n{"lines":\n5\n`),
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d, 0x0d, 0x0a]),
      Buffer.from(`${JSON.stringify(wish('B'))}\r\n${JSON.stringify(wish('C'))}`),
    ]);
    const { status, body } = await send(file, 'application/x-ndjson; charset=utf-8');
    expect([status, outcomes(body)]).toEqual([
      200,
      ['201 A', '400 invalid-json', '422 invalid-request', '400 invalid-json', '201 B', '201 C'],
    ]);
    expect(body.results[1].problem.detail).toStartWith('The line is not valid JSON: ');
    expect(body.results[2].problem.detail).toBe('The reservation must be an object, not 5');
  });

  test.each([
    ['application/json', '[]'],
    ['application/x-ndjson', ''],
    ['application/x-ndjson', '\n\n'],
  ])('%s without reservations', async (type, body) => {
    const answer = await send(body, type);
    expect([answer.status, answer.body]).toEqual([200, { results: [] }]);
  });

  test.each(['text/csv', 'text/plain', 'application/json; charset=latin1', ''])(
    'refused: %s',
    async (type) => {
      const answer = await send(new TextEncoder().encode('[]'), type);
      expect([answer.status, answer.body.code]).toEqual([415, 'unsupported-media-type']);
      expect(answer.headers.get('accept')).toBe('application/json, application/x-ndjson');
    },
  );

  test.each<[string, number, string, string]>([
    ['{"lines":[]}', 422, 'invalid-request', 'The body must be an array, not an object'],
    ['"[]"', 422, 'invalid-request', 'The body must be an array, not "[]"'],
    ['[', 400, 'invalid-json', 'The body is not valid JSON: '],
    ['[{"lines":[{"sku":"A","quantity":1}]},]', 400, 'invalid-json', 'The body is not valid JSON: '],
    ['', 400, 'invalid-json', 'The body is empty.'],
  ])('refused: %s', async (body, status, code, detail) => {
    const answer = await send(body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.body.detail).toStartWith(detail);
    expect(front.asked).toEqual([]);
  });

  test('ten thousand are taken, one more is not', async () => {
    const some = (count: number) => Array.from({ length: count }, () => ({}));
    const invalid = Array(BATCH_RESERVATIONS_MAX).fill('422 invalid-request');
    expect(outcomes((await send(JSON.stringify(some(BATCH_RESERVATIONS_MAX)))).body)).toEqual(invalid);
    for (const [body, type] of [
      [JSON.stringify(some(BATCH_RESERVATIONS_MAX + 1)), 'application/json'],
      ['{}\n'.repeat(BATCH_RESERVATIONS_MAX + 1), 'application/x-ndjson'],
    ]) {
      const answer = await send(body, type);
      expect([answer.status, answer.body.errors[0].code]).toEqual([422, 'out-of-range']);
      expect(answer.body.detail).toBe('The body must have 10000 reservations at most, not 10001');
    }
    expect(front.asked).toEqual([]);
  });

  test('16 MiB are read, a byte more is not', async () => {
    const padded = (bytes: number): string => `[${' '.repeat(bytes - 2)}]`;
    expect((await send(padded(BATCH_BODY_BYTES_MAX))).body).toEqual({ results: [] });
    const refused = await send(padded(BATCH_BODY_BYTES_MAX + 1));
    expect([refused.status, refused.body.code]).toEqual([413, 'body-too-large']);
  });

  test('the Idempotency-Key of the whole gives a key to each that has none', async () => {
    const items = [wish('A'), wish('B', { idempotencyKey: 'own' })];
    const { status } = await send(JSON.stringify(items), 'application/json', { 'idempotency-key': '"k"' });
    expect(status).toBe(200);
    const hash = (key: string): string =>
      new Bun.CryptoHasher('sha256').update(key).digest('hex').slice(0, 32);
    expect(held().map(({ key }) => key?.hash)).toEqual([hash(`${hash('k')}\n0`), hash('own')]);
    const sealed = front.asked.flatMap((request) => (request.kind === 'seal' ? [request.key.hash] : []));
    expect(sealed).toEqual([hash('k'), hash(`${hash('k')}\nanswered`)]);
    const refused = await send('[]', 'application/json', { 'idempotency-key': '"k' });
    expect([refused.status, refused.body.errors[0].header]).toEqual([422, 'Idempotency-Key']);
  });
});

describe('a batch with an Idempotency-Key that was sent before', () => {
  const KEY = { 'idempotency-key': 'again' };
  const items = JSON.stringify([wish('A'), wish('B')]);
  const replayed = (reply: Reply): Reply => ({ kind: 'replayed', reply, short: [] });
  const reservation = { id: '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002', status: 'held' as const, createdAt: 1 };
  const shown = { ...reservation, expiresAt: 2, lines: [] };
  /** A worker that has sealed it, as answered whole or not, and has decided A. */
  const knowing =
    (isAnswered: boolean): Script =>
    (request, answer) => {
      if (request.kind === 'claim') return { kind: 'claimed', known: true };
      if (request.kind === 'seal') return replayed({ kind: 'sealed' });
      if (request.kind === 'recall')
        return isAnswered ? replayed({ kind: 'sealed' }) : { kind: 'claimed', known: false };
      if (request.kind === 'hold' && request.lines[0].sku === 'A')
        return replayed({ kind: 'reservation', reservation: shown });
      return granting(request, answer);
    };

  test('and answered to its end is a replay, and its results say which could be read', async () => {
    front.script = (request, answer) =>
      request.kind === 'hold' && request.lines[0].sku === 'B'
        ? { kind: 'problem', code: 'outcome-unknown' }
        : knowing(true)(request, answer);
    const { headers, body } = await send(items, 'application/json', KEY);
    expect(headers.get('idempotency-replayed')).toBe('true');
    expect(body.results.map(({ status, replayed }: Json) => [status, replayed])).toEqual([
      [201, true],
      [503, undefined],
    ]);
  });

  test('and cut short is none: its results say which of them are', async () => {
    front.script = knowing(false);
    const { headers, body } = await send(items, 'application/json', KEY);
    expect(headers.get('idempotency-replayed')).toBeNull();
    expect(body.results.map((result: Json) => result.replayed)).toEqual([true, undefined]);
  });

  test('is not taken for answered while one of it may be sent again', async () => {
    front.script = (request, answer) =>
      request.kind === 'hold' && request.lines[0].sku === 'B'
        ? { kind: 'problem', code: 'outcome-unknown' }
        : granting(request, answer);
    const { body } = await send(items, 'application/json', KEY);
    expect(outcomes(body)).toEqual(['201 A', '503 outcome-unknown']);
    expect(front.asked.filter(({ kind }) => kind === 'seal')).toHaveLength(1);
  });

  test('is marked as answered as soon as there is room for that', async () => {
    let seals = 0;
    front.script = (request, answer) =>
      request.kind === 'seal' && ++seals === 2
        ? { kind: 'problem', code: 'overloaded' }
        : granting(request, answer);
    expect((await send(items, 'application/json', KEY)).status).toBe(200);
    const sealed = front.asked.flatMap((request) => (request.kind === 'seal' ? [request.key.hash] : []));
    expect(sealed).toHaveLength(3);
    expect(sealed[2]).toBe(sealed[1]);
  });

  test('has no effect where the key cannot be written down', async () => {
    front.script = (request, answer) =>
      request.kind === 'seal' ? { kind: 'problem', code: 'overloaded' } : granting(request, answer);
    const { status, body } = await send(items, 'application/json', KEY);
    expect([status, body.code]).toEqual([503, 'overloaded']);
    expect(held()).toEqual([]);
    const released = front.asked.flatMap((request) => (request.kind === 'release' ? [request.used] : []));
    expect(released.at(-1)).toBe(false);
  });
});

describe('the payload of a batch with an Idempotency-Key', () => {
  const fingerprintOf = async (body: string, type = 'application/json'): Promise<string> => {
    front.asked.length = 0;
    expect((await send(body, type, { 'idempotency-key': 'k' })).status).toBe(200);
    return front.asked.flatMap((request) => (request.kind === 'claim' ? [request.key.fingerprint] : []))[0];
  };
  const NDJSON = 'application/x-ndjson';
  const first = '{"lines":[{"sku":"A","quantity":1}],"reference":"r"}';
  const turned = '{ "reference": "r", "lines": [{ "quantity": 1, "sku": "A" }] }';
  const second = '{"lines":[{"sku":"B","quantity":2}]}';

  test('is its reservations, however they are written', async () => {
    const once = await fingerprintOf(`[${first},${second}]`);
    for (const [body, type] of [
      [`[ ${turned},\n${second} ]`, 'application/json'],
      [`${turned}\n\r\n${second}\n`, NDJSON],
    ])
      expect(await fingerprintOf(body, type)).toBe(once);
    for (const other of [`[${second},${first}]`, `[${first}]`, `[${first},${second},${second}]`])
      expect(await fingerprintOf(other)).not.toBe(once);
  });

  test('is its text, where one of them is none', async () => {
    const odd = `[${first},{"lines":[]}]`;
    expect(await fingerprintOf(odd)).toBe(await fingerprintOf(odd));
    expect(await fingerprintOf(odd)).not.toBe(await fingerprintOf(`[${turned},{"lines":[]}]`));
    const line = `[${first}]`;
    expect(await fingerprintOf(line, NDJSON)).not.toBe(await fingerprintOf(line));
  });
});

describe('room for bulk calls', () => {
  const isThere = async (): Promise<void> =>
    until(
      async () => (await send('[]')).status === 200,
      5000,
      () => 'there is no room any more',
    );

  test('is not lost to what is nested deeply', async () => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    const within = `{"lines":[{"sku":"A","quantity":1}],"sourcing":{"strategy":"split","locations":[${deep}]}}`;
    for (let i = 0; i < BULK_CALLS_MAX; i++) {
      for (const headers of [undefined, { 'idempotency-key': `k${i}` }]) {
        const { status, body } = await send(`[${deep},${within}]`, 'application/json', headers);
        expect([status, outcomes(body)]).toEqual([200, ['422 invalid-request', '422 invalid-request']]);
      }
    }
    await isThere();
  });

  test('is not lost to defects, and neither is a claim', async () => {
    const logged = spyOn(log, 'error').mockImplementation(() => {});
    for (const kind of ['claim', 'seal']) {
      front.asked.length = 0;
      front.script = (request, answer) =>
        request.kind === kind ? { kind: 'settled', lines: [] } : granting(request, answer);
      for (let i = 0; i < BULK_CALLS_MAX; i++)
        expect((await send('[]', 'application/json', { 'idempotency-key': `k${i}` })).status).toBe(500);
      front.script = granting;
      await isThere();
      const releases = front.asked.filter((request) => request.kind === 'release');
      expect(releases).toHaveLength(kind === 'claim' ? 0 : BULK_CALLS_MAX);
    }
    logged.mockRestore();
  });

  test('is not taken by those that wait for a key, who are given up when their clients have gone', async () => {
    const claims: (() => void)[] = [];
    front.script = (request, answer) => {
      if (request.kind !== 'claim') return granting(request, answer);
      claims.push(() => answer({ kind: 'claimed', known: false }));
      return 'later';
    };
    const gone = new AbortController();
    const wait = (path: string, type: string, body: string): Promise<unknown> =>
      fetch(front.url + path, {
        method: 'POST',
        headers: { 'content-type': type, 'idempotency-key': 'same' },
        body,
        signal: gone.signal,
      }).catch(() => {});
    const waiting = Array.from({ length: KEY_WAITS_MAX }, (_, i) =>
      i % 2 === 0
        ? wait(BATCH, 'application/json', '[]')
        : wait('/v1/stock/import', 'text/csv', 'sku,location,onHand\nA,x,1\n'),
    );
    await until(
      () => claims.length === KEY_WAITS_MAX,
      2000,
      () => `${claims.length} claims`,
    );
    await isThere();
    // No more can wait, and that is said at once.
    const early = await send('[]', 'application/json', { 'idempotency-key': 'same' });
    expect([early.status, early.body.code]).toEqual([503, 'outcome-unknown']);
    gone.abort();
    await Promise.all(waiting);
    const another = send('[]', 'application/json', { 'idempotency-key': 'same' });
    await until(
      () => claims.length === KEY_WAITS_MAX + 2,
      2000,
      () => 'it does not wait',
    );
    front.asked.length = 0;
    for (const grant of claims.splice(0)) grant();
    expect((await another).status).toBe(200);
    const freed = front.asked.filter((request) => request.kind === 'release' && !request.used);
    expect(freed).toHaveLength(KEY_WAITS_MAX + 1);
  });

  test('is not kept for a client that has gone', async () => {
    front.script = (request, answer) =>
      request.kind === 'hold' ? { kind: 'problem', code: 'overloaded' } : granting(request, answer);
    const gone = new AbortController();
    const sent = fetch(front.url + BATCH, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([wish('A')]),
      signal: gone.signal,
    }).then((response) => response.text());
    await until(
      () => held().length > 1,
      2000,
      () => 'it is not asked again',
    );
    gone.abort();
    await sent.catch(() => {});
    await Bun.sleep(PAUSE_MS_MAX);
    const asked = held().length;
    await Bun.sleep(2 * PAUSE_MS_MAX);
    expect(held().length).toBe(asked);
  });
});

test('what there is no room for is asked for again, as something new, and has its place in the end', async () => {
  const refused: string[] = [];
  front.script = (request, answer) => {
    if (request.kind !== 'hold' || request.lines[0].sku !== 'busy' || refused.length >= 2)
      return granting(request, answer);
    refused.push(request.id);
    return { kind: 'problem', code: 'overloaded' };
  };
  const { body } = await send(JSON.stringify([wish('A'), wish('busy', { idempotencyKey: 'k' }), wish('B')]));
  expect(outcomes(body)).toEqual(['201 A', '201 busy', '201 B']);
  expect(new Set([...refused, body.results[1].reservation.id]).size).toBe(3);
});

describe('each item', () => {
  test('stands for itself', async () => {
    front.script = (request) => {
      if (request.kind !== 'hold') return undefined;
      const [{ sku, line }] = request.lines;
      if (sku === 'out')
        return { kind: 'refused', lines: [{ line, code: 'insufficient-stock', requested: 1, available: 0 }] };
      if (sku === 'new')
        return { kind: 'refused', lines: [{ line, code: 'unknown-sku', requested: 1, available: 0 }] };
      if (sku === 'lost') return { kind: 'problem', code: 'outcome-unknown' };
      return granted(request);
    };
    const { status, body } = await send(
      JSON.stringify([
        wish('A'),
        wish('out'),
        { lines: [] },
        wish('new'),
        null,
        wish('A', { sourcing: { strategy: 'in-order' } }),
        wish('lost'),
        wish('A', { quantitty: 1 }),
        wish('B'),
      ]),
    );
    expect([status, outcomes(body)]).toEqual([
      200,
      [
        '201 A',
        '409 insufficient-stock',
        '422 invalid-request',
        '404 unknown-sku',
        '422 invalid-request',
        '422 invalid-request',
        '503 outcome-unknown',
        '422 invalid-request',
        '201 B',
      ],
    ]);
    expect(body.results[1].problem).toEqual({
      type: '/problems/insufficient-stock',
      title: 'Not enough stock',
      status: 409,
      detail: 'Nothing was held. Line 0: 1 of SKU "out" requested, 0 available.',
      code: 'insufficient-stock',
      errors: [
        {
          line: 0,
          sku: 'out',
          code: 'insufficient-stock',
          requested: 1,
          available: 0,
          detail: '1 of SKU "out" requested, 0 available.',
        },
      ],
    });
    expect(body.results[2].problem.errors[0].pointer).toBe('/lines');
    expect(body.results[5].problem.errors[0].pointer).toBe('/sourcing/locations');
    expect(body.results[7].problem.errors[0]).toMatchObject({ pointer: '/quantitty', code: 'unknown-field' });
  });

  test.each<[string, unknown, boolean]>([
    ['a letter', 'k', true],
    ['255 letters', 'k'.repeat(255), true],
    ['256 letters', 'k'.repeat(256), false],
    ['nothing', '', false],
    ['two lines', 'a\nb', false],
    ['a number', 5, false],
    ['null', null, false],
  ])('may have an idempotency key: %s', async (_name, idempotencyKey, taken) => {
    const { body } = await send(JSON.stringify([wish('A', { idempotencyKey })]));
    expect(outcomes(body)).toEqual([taken ? '201 A' : '422 invalid-request']);
    if (!taken) expect(body.results[0].problem.errors[0].pointer).toBe('/idempotencyKey');
  });

  test('of a worker that goes has the outcome that it would have had alone', async () => {
    const other = await startScriptedFront((request) => (request.kind === 'hold' ? 'later' : undefined));
    const batch = async (): Promise<string[]> => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify([wish('A'), {}, wish('B')]);
      return outcomes(await (await fetch(other.url + BATCH, { method: 'POST', headers, body })).json());
    };
    const sent = batch();
    await until(
      () => other.asked.length === 2,
      5000,
      () => 'the requests do not arrive',
    );
    other.stopWorker();
    expect(await sent).toEqual(['503 outcome-unknown', '422 invalid-request', '503 outcome-unknown']);
    const unavailable = '503 partition-unavailable';
    expect(await batch()).toEqual([unavailable, '422 invalid-request', unavailable]);
    await other.stop();
  }, 15_000);

  test('that meets a defect leaves the others alone', async () => {
    const logged = spyOn(log, 'error').mockImplementation(() => {});
    front.script = (request) =>
      request.kind === 'hold' && request.lines[0].sku === 'odd'
        ? { kind: 'settled', lines: [] }
        : granting(request, () => {});
    const { body } = await send(JSON.stringify([wish('A'), wish('odd'), wish('B')]));
    expect(outcomes(body)).toEqual(['201 A', '500 internal-error', '201 B']);
    expect(logged).toHaveBeenCalledTimes(1);
    logged.mockRestore();
  });
});

describe('many at once', () => {
  /** A worker that keeps what it is asked until it is told to answer. */
  function keeping() {
    const kept: (() => void)[] = [];
    front.script = (request, answer) => {
      if (request.kind !== 'hold') return undefined;
      kept.push(() => answer(granted(request)));
      return 'later';
    };
    return kept;
  }
  /** Waits until so many are kept, and a little longer, for one too many. */
  const keeps = async (kept: unknown[], count: number): Promise<void> => {
    await until(
      () => kept.length >= count,
      10_000,
      () => `${kept.length} of ${count} are asked for`,
    );
    await Bun.sleep(100);
    expect(kept.length).toBe(count);
  };
  const skus = (count: number) => Array.from({ length: count }, (_, i) => `S${i}`);

  test('as many lines as the bound allows, whatever the batches; results in order, whatever the answers', async () => {
    const kept = keeping();
    const wishes = skus(BATCH_RESERVATIONS_MAX).map((sku) => wish(sku));
    const batches = [send(JSON.stringify(wishes)), send(JSON.stringify(wishes.slice(0, 3000)))];
    for (let left = BATCH_RESERVATIONS_MAX + 3000; left > 0; left -= BATCH_LINES_IN_FLIGHT_MAX) {
      await keeps(kept, Math.min(left, BATCH_LINES_IN_FLIGHT_MAX));
      for (const answer of kept.splice(0).reverse()) answer();
    }
    const expected = skus(BATCH_RESERVATIONS_MAX).map((sku) => `201 ${sku}`);
    const [all, some] = await Promise.all(batches);
    expect(outcomes(all.body)).toEqual(expected);
    expect(outcomes(some.body)).toEqual(expected.slice(0, 3000));
  }, 30_000);

  test('a reservation of many lines counts as many', async () => {
    const kept = keeping();
    const lines = Array.from({ length: 100 }, () => ({ sku: 'A', quantity: 1 }));
    const batch = send(JSON.stringify(Array(100).fill({ lines })));
    const together = Math.floor(BATCH_LINES_IN_FLIGHT_MAX / 100);
    for (let left = 100; left > 0; left -= together) {
      await keeps(kept, Math.min(left, together));
      for (const answer of kept.splice(0)) answer();
    }
    expect((await batch).body.results).toHaveLength(100);
  });

  test('one that is still open holds back the results behind it, not the others', async () => {
    let first: (() => void) | undefined;
    front.script = (request, answer) => {
      if (request.kind !== 'hold' || request.lines[0].sku !== 'S0') return granting(request, answer);
      first = () => answer(granted(request));
      return 'later';
    };
    const batch = send(JSON.stringify(skus(2000).map((sku) => wish(sku))));
    await until(
      () => held().length === 2000,
      5000,
      () => `${held().length} are asked for`,
    );
    first!();
    expect(outcomes((await batch).body)).toEqual(skus(2000).map((sku) => `201 ${sku}`));
  });

  test('other requests are answered while a batch begins', async () => {
    const batch = send(JSON.stringify(skus(BATCH_RESERVATIONS_MAX).map((sku) => wish(sku))));
    let most = 0;
    let done = false;
    const others = (async () => {
      while (!done) {
        const started = performance.now();
        await (await fetch(`${front.url}/livez`)).text();
        most = Math.max(most, performance.now() - started);
      }
    })();
    await batch;
    done = true;
    await others;
    // The worker is this same process, and so is the client.
    expect(most).toBeLessThan(1000);
  });

  test('clients that go away make room', async () => {
    const kept = keeping();
    const body = JSON.stringify(skus(300).map((sku) => wish(sku)));
    const bytes = `POST ${BATCH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    await Promise.all(Array.from({ length: BULK_CALLS_MAX }, () => speak(front.port, [{ bytes }], 300)));
    for (const answer of kept.splice(0)) answer();
    front.script = granting;
    await until(
      async () => (await send(JSON.stringify([wish('A')]))).status === 200,
      5000,
      () => 'those that have gone still take room',
    );
    // And nothing of it is still open: all lines may be on their way again.
    const again = keeping();
    const batch = send(JSON.stringify(skus(BATCH_LINES_IN_FLIGHT_MAX).map((sku) => wish(sku))));
    await keeps(again, BATCH_LINES_IN_FLIGHT_MAX);
    for (const answer of again.splice(0)) answer();
    await batch;
  }, 20_000);
});
