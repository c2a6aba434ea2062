/** GET /v1/stock/export at a real front, with a worker that answers as the case says. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { Answer } from '../../src/front/backends.ts';
import type { FrontContext } from '../../src/front/context.ts';
import { exportStock } from '../../src/front/export.ts';
import { Gate } from '../../src/front/gate.ts';
import { BULK_CALLS_MAX, BULK_RETRY_MS, EXPORT_LEVELS_PER_PAGE } from '../../src/limits.ts';
import type { StockLevel } from '../../src/reservations/types.ts';
import type { ExportLevelsRequest, Reply } from '../../src/wire/messages.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { until } from '../helpers/server.ts';
import { PARTITIONS, type Script, type ScriptedFront, speak, startScriptedFront } from './scripted-front.ts';

const EXPORT = '/v1/stock/export';
const AT = Date.UTC(2026, 0, 1);
const level = (sku: string): StockLevel => ({
  sku,
  location: 'x, "y"',
  onHand: 5,
  reserved: 2,
  safetyStock: 1,
  backorderLimit: 3,
  version: 7,
  updatedAt: AT,
});

/** Partition 0 has three pages of one level each, the others one page of none. */
const three = ({ partition, from }: ExportLevelsRequest): Reply => ({
  kind: 'levels',
  levels: partition === 0 ? [level(`S${from}`)] : [],
  next: partition === 0 && from < 2 ? from + 1 : undefined,
});
/** A level after the other, without an end. */
const endless = ({ from }: ExportLevelsRequest): Reply => ({
  kind: 'levels',
  levels: Array.from({ length: EXPORT_LEVELS_PER_PAGE }, (_, i) => level(`S${from + i}`)),
  next: from + EXPORT_LEVELS_PER_PAGE,
});
const answering =
  (answer: (request: ExportLevelsRequest) => Reply): Script =>
  (request) =>
    request.kind === 'export-levels' ? answer(request) : undefined;

let front: ScriptedFront;
beforeAll(async () => {
  front = await startScriptedFront();
});
afterEach(() => {
  front.script = () => undefined;
  front.asked.length = 0;
});
afterAll(() => front.stop());

const get = (accept?: string, method = 'GET'): Promise<Response> =>
  fetch(front.url + EXPORT, { method, headers: accept === undefined ? {} : { accept } });

describe('formats', () => {
  test.each([undefined, '*/*', 'application/x-ndjson', 'text/csv;q=0.1, application/*'])(
    'NDJSON for %p',
    async (accept) => {
      front.script = answering(three);
      const response = await get(accept);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
      const text = await response.text();
      expect(text).toEndWith('\n');
      const lines = text.trimEnd().split('\n');
      expect(lines.map((line) => JSON.parse(line))).toEqual(
        [0, 1, 2].map((i) => ({ ...level(`S${i}`), available: 5, updatedAt: '2026-01-01T00:00:00.000Z' })),
      );
    },
  );

  test.each(['text/csv', 'text/*', 'text/csv, application/x-ndjson;q=0.5'])('CSV for %p', async (accept) => {
    front.script = answering(three);
    const response = await get(accept);
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(await response.text()).toBe(
      [
        'sku,location,onHand,safetyStock,backorderLimit',
        ...[0, 1, 2].map((i) => `S${i},"x, ""y""",5,1,3`),
        '',
      ].join('\r\n'),
    );
  });

  test.each(['application/json', 'text/html', 'text/csv;q=0', ''])('%p is not acceptable', async (accept) => {
    const response = await get(accept);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      406,
      'application/problem+json',
    ]);
    expect(await response.json()).toMatchObject({
      code: 'not-acceptable',
      detail: 'Levels are exported as application/x-ndjson or text/csv.',
    });
    expect(front.asked).toEqual([]);
  });

  test('no levels at all', async () => {
    front.script = answering(() => ({ kind: 'levels', levels: [] }));
    expect(await (await get()).text()).toBe('');
    expect(await (await get('text/csv')).text()).toBe('sku,location,onHand,safetyStock,backorderLimit\r\n');
  });

  test('HEAD asks nobody', async () => {
    const response = await get('text/csv', 'HEAD');
    expect(response.headers.get('content-type')).toStartWith('text/csv');
    expect([response.status, await response.text(), front.asked]).toEqual([200, '', []]);
  });
});

test('every partition is asked, page by page, where the one before ended', async () => {
  front.script = answering(three);
  await (await get()).text();
  const asked = front.asked.map(
    (request) => request.kind === 'export-levels' && [request.partition, request.from],
  );
  const others = Array.from({ length: PARTITIONS - 1 }, (_, i) => [i + 1, 0]);
  expect(asked).toEqual([[0, 0], [0, 1], [0, 2], ...others]);
  for (const request of front.asked) expect(request).toMatchObject({ limit: EXPORT_LEVELS_PER_PAGE });
});

describe('a worker that does not answer', () => {
  test.each(['overloaded', 'partition-unavailable'] as const)(
    'the first page: %s',
    async (code) => {
      front.script = answering(() => ({ kind: 'problem', code }));
      const response = await get();
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await response.json()).toMatchObject({ code });
    },
    15_000,
  );

  test('a later one is asked for again', async () => {
    let failing = 4;
    front.script = answering((request) =>
      request.from === 1 && failing-- > 0
        ? { kind: 'problem', code: 'partition-unavailable' }
        : three(request),
    );
    const lines = (await (await get()).text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).sku)).toEqual(['S0', 'S1', 'S2']);
  });

  test('and still does not: the answer breaks off', async () => {
    const clock = new ManualClock();
    const backends = {
      partitions: PARTITIONS,
      ask: async (request: ExportLevelsRequest): Promise<Answer> =>
        request.from === 0 ? three(request) : { kind: 'lost', sent: true },
    };
    const bulkCalls = new Gate(1);
    const context = { backends, clock, bulkCalls, draining: new AbortController().signal };
    const response = await exportStock(context as unknown as FrontContext, new Request('http://holdfast/'));
    let broken: number | undefined;
    const startedAt = clock.now();
    const reading = response.text().catch(() => {
      broken = clock.now() - startedAt;
    });
    await clock.advance(BULK_RETRY_MS - 1000);
    expect([broken, bulkCalls.tryEnter(1)]).toEqual([undefined, false]);
    await clock.advance(2000);
    await reading;
    expect(broken).toBeGreaterThanOrEqual(BULK_RETRY_MS);
    expect(bulkCalls.tryEnter(1)).toBe(true);
  });
});

const REQUEST = `GET ${EXPORT} HTTP/1.1\r\nhost: x\r\n\r\n`;

describe('clients', () => {
  test('that do not read are waited for, and hold nothing up', async () => {
    front.script = answering(endless);
    // Nothing is read from the socket while it is paused.
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: front.port,
      socket: { open: (one) => void one.pause(), data() {}, error() {} },
    });
    socket.write(REQUEST);
    let asked = -1;
    await until(
      async () => {
        const before = asked;
        asked = front.asked.length;
        await Bun.sleep(300);
        return before === asked && asked > 0;
      },
      10_000,
      () => `pages are asked for all the time: ${asked}`,
    );
    expect((await fetch(`${front.url}/livez`)).status).toBe(200);
    socket.terminate();
  }, 15_000);

  test('that go away make room, whenever they go', async () => {
    let later: (() => void)[] = [];
    front.script = (request, answer) => {
      if (request.kind !== 'export-levels') return undefined;
      if (request.partition > 0 || request.from === 0) return endless(request);
      later.push(() => answer(endless(request)));
      return 'later';
    };
    const leaving = (ms: number) =>
      Promise.all(Array.from({ length: BULK_CALLS_MAX }, () => speak(front.port, [{ bytes: REQUEST }], ms)));
    const freed = async (when: string): Promise<void> => {
      const response = await until(
        async () => {
          const answer = await get('text/csv');
          await answer.body?.cancel();
          return answer.status === 200;
        },
        5000,
        () => `those that left ${when} still take room`,
      );
      return response;
    };
    // In the middle of the answer, while a page is waited for.
    await leaving(200);
    for (const answer of later.splice(0)) answer();
    await freed('between pages');
    // Before it has begun.
    later = [];
    front.script = (request, answer) => {
      if (request.kind !== 'export-levels') return undefined;
      later.push(() => answer(endless(request)));
      return 'later';
    };
    await leaving(200);
    for (const answer of later.splice(0)) answer();
    front.script = answering(endless);
    await freed('before the first page');
    // While it is sent.
    await leaving(300);
    await freed('while pages were sent');
    const asked = front.asked.length;
    await Bun.sleep(300);
    expect(front.asked.length - asked).toBeLessThan(BULK_CALLS_MAX);
  }, 20_000);

  test('are so many at once and no more', async () => {
    front.script = (request) => (request.kind === 'export-levels' ? 'later' : undefined);
    const waiting = speak(front.port, [{ bytes: REQUEST }], 1000);
    const others = Array.from({ length: BULK_CALLS_MAX - 1 }, () =>
      speak(front.port, [{ bytes: REQUEST }], 1000),
    );
    await Bun.sleep(200);
    const response = await get();
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'overloaded' });
    await Promise.all([waiting, ...others]);
  });
});

test('a front that drains breaks an export off', async () => {
  const other = await startScriptedFront(answering(endless));
  const response = await fetch(other.url + EXPORT);
  const read = response.text();
  await Bun.sleep(200);
  const started = performance.now();
  const stopped = other.stop();
  await expect(read).rejects.toThrow();
  await stopped;
  expect(performance.now() - started).toBeLessThan(2000);
});
