/** The two calls that search: what they refuse, what they ask a worker, and how one page leads to the next. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { cursorOf } from '../../src/front/paging.ts';
import {
  ENTRIES_PER_PAGE_DEFAULT,
  FAULTS_MAX,
  LEVELS_PER_SKU_MAX,
  RESERVATIONS_PER_PAGE_DEFAULT,
} from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { LedgerEntry, Reservation } from '../../src/reservations/types.ts';
import type { SearchRequest } from '../../src/wire/messages.ts';
import { type ScriptedFront, startScriptedFront } from './scripted-front.ts';

let front: ScriptedFront;
beforeAll(async () => {
  front = await startScriptedFront();
});
afterEach(() => {
  front.script = () => undefined;
  front.asked.length = 0;
});
afterAll(() => front.stop());

type Json = ReturnType<typeof JSON.parse>;
const FIND = '/v1/reservations';
const LEDGER = '/v1/stock/A%2FB/ledger';
const NOW = Date.UTC(2026, 0, 1);
const TIME = '2026-01-01T00:00:00.000Z';
const ids = new ReservationIds();

async function get(path: string): Promise<{ status: number; link: string | null; body: Json }> {
  const response = await fetch(front.url + path);
  return { status: response.status, link: response.headers.get('link'), body: await response.json() };
}

function reservation(id = ids.next(NOW, 3)): Reservation {
  return {
    id,
    status: 'held',
    lines: [{ line: 0, sku: 'A', quantity: 1, allocations: [{ location: 'x', quantity: 1 }] }],
    createdAt: NOW,
    expiresAt: NOW,
  };
}

const entry: LedgerEntry = {
  seq: 7,
  location: 'x "y"',
  kind: 'held',
  onHandDelta: 0,
  reservedDelta: 1,
  at: NOW,
};

const asked = (): SearchRequest => front.asked.at(-1) as SearchRequest;

describe('refused, and no worker is asked:', () => {
  test.each<[string, string, string[]]>([
    ['a misspelt filter', `${FIND}?refrence=order-1`, ['refrence unknown-parameter']],
    [
      'a name that every object has',
      `${FIND}?__proto__=1&constructor=2`,
      ['__proto__', 'constructor'].map((n) => `${n} unknown-parameter`),
    ],
    ['a name in capitals', `${FIND}?SKU=A`, ['SKU unknown-parameter']],
    ['a filter of the other call', `${FIND}?location=x`, ['location unknown-parameter']],
    ['a filter of the other call', `${LEDGER}?status=held`, ['status unknown-parameter']],
    ['a filter twice', `${FIND}?sku=A&sku=B`, ['sku repeated']],
    [
      'a filter three times, the same',
      `${FIND}?status=held&status=held&status=held`,
      ['status repeated', 'status repeated'],
    ],
    ['an unknown status', `${FIND}?status=open`, ['status not-allowed']],
    ['a status in capitals', `${FIND}?status=HELD`, ['status not-allowed']],
    ['what no reservation shows', `${FIND}?status=never`, ['status not-allowed']],
    [
      'empty filters',
      `${FIND}?status=&reference=&sku=`,
      ['reference not-allowed', 'status not-allowed', 'sku not-allowed'],
    ],
    ['a parameter without a value', `${FIND}?sku`, ['sku not-allowed']],
    ['a SKU of 129 bytes', `${FIND}?sku=${'a'.repeat(129)}`, ['sku not-allowed']],
    ['a reference of 256 bytes', `${FIND}?reference=${'%C3%A9'.repeat(128)}`, ['reference not-allowed']],
    ['a control character', `${FIND}?reference=a%0Ab`, ['reference not-allowed']],
    ['what is not UTF-8', `${FIND}?reference=%ff`, ['reference not-allowed']],
    ['limit 0', `${FIND}?limit=0`, ['limit out-of-range']],
    ['limit 101', `${FIND}?limit=101`, ['limit out-of-range']],
    ['limit -1', `${FIND}?limit=-1`, ['limit out-of-range']],
    ['limit 1001', `${LEDGER}?limit=1001`, ['limit out-of-range']],
    ['limit 1.5', `${FIND}?limit=1.5`, ['limit wrong-type']],
    ['limit 1e1', `${FIND}?limit=1e1`, ['limit wrong-type']],
    ['limit ten', `${LEDGER}?limit=ten`, ['limit wrong-type']],
    ['an empty limit', `${FIND}?limit=`, ['limit wrong-type']],
    ['a limit of many digits', `${FIND}?limit=${'9'.repeat(400)}`, ['limit wrong-type']],
    ['a location that is none', `${LEDGER}?location=`, ['location not-allowed']],
    ['a SKU that is none', `/v1/stock/a%00/ledger`, ['sku not-allowed']],
    ['an empty cursor', `${FIND}?cursor=`, ['cursor not-allowed']],
    ['a cursor that is none', `${FIND}?cursor=abc`, ['cursor not-allowed']],
    ['a cursor that is none', `${LEDGER}?cursor=%00`, ['cursor not-allowed']],
    ['a cursor twice', `${FIND}?cursor=abc&cursor=abc`, ['cursor repeated']],
    [
      'several faults',
      `${FIND}?limit=x&stat=held&sku=A&sku=B`,
      ['stat unknown-parameter', 'sku repeated', 'limit wrong-type'],
    ],
  ])('%s', async (_name, path, faults) => {
    const { status, body } = await get(path);
    expect([status, body.code]).toEqual([422, 'invalid-request']);
    expect(body.errors.map((one: Json) => `${one.parameter} ${one.code}`)).toEqual(faults);
    expect(body.detail).toContain(body.errors[0].parameter);
    expect(front.asked).toEqual([]);
  });

  test('many faults, of which so many are named', async () => {
    const { body } = await get(`${FIND}?${'x=1&'.repeat(1000)}`);
    expect(body.errors).toHaveLength(FAULTS_MAX);
  });
});

describe('a worker is asked', () => {
  test('for everything, where nothing is said', async () => {
    front.script = () => ({ kind: 'found', reservations: [] });
    expect(await get(FIND)).toEqual({ status: 200, link: null, body: { items: [] } });
    const { deadline: _deadline, ...request } = asked();
    expect(request).toEqual({ kind: 'find-reservations', limit: RESERVATIONS_PER_PAGE_DEFAULT });
    front.script = () => ({ kind: 'entries', entries: [] });
    expect(await get(`${LEDGER}?`)).toEqual({ status: 200, link: null, body: { items: [] } });
    expect(asked()).toMatchObject({ kind: 'read-ledger', sku: 'A/B', limit: ENTRIES_PER_PAGE_DEFAULT });
  });

  test('for what all the filters say, whatever their order and characters', async () => {
    front.script = () => ({ kind: 'found', reservations: [reservation()] });
    const reference = 'Bestellung 7/8 + "ü" & ?#=%';
    const query = new URLSearchParams({ limit: '100', sku: '😀', status: 'expired', reference });
    expect((await get(`${FIND}?${query}`)).status).toBe(200);
    expect(asked()).toMatchObject({ sku: '😀', status: 'expired', reference, limit: 100 });
  });

  test('and its answer is shown', async () => {
    const found = [reservation(), reservation()];
    front.script = () => ({ kind: 'found', reservations: found });
    const { body } = await get(FIND);
    expect(body.items).toEqual(
      found.map(({ id }) => ({
        id,
        status: 'held',
        lines: [{ sku: 'A', quantity: 1, allocations: [{ location: 'x', quantity: 1 }] }],
        createdAt: TIME,
        expiresAt: TIME,
      })),
    );
    const { id } = found[0];
    const adjusted = { ...entry, kind: 'adjusted' as const, onHandDelta: -2, reservedDelta: 0 };
    front.script = () => ({
      kind: 'entries',
      entries: [
        { ...entry, reservation: id },
        { ...adjusted, reason: 'a\\b', reference: 'r' },
      ],
    });
    expect((await get(LEDGER)).body.items).toEqual([
      { ...entry, reservation: id, at: TIME },
      { ...adjusted, reason: 'a\\b', reference: 'r', at: TIME },
    ]);
  });
});

describe('a page leads to the next', () => {
  const filters = 'reference=o+1%261&sku=A%2FB';

  test('by nextCursor and by Link, with the same filters and limit', async () => {
    const next = ids.next(NOW, 4095);
    front.script = () => ({ kind: 'found', reservations: [reservation()], next });
    const { body, link } = await get(`${FIND}?${filters}&limit=1`);
    expect(body.nextCursor).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(link).toBe(`<${FIND}?${filters}&cursor=${body.nextCursor}&limit=1>; rel="next"`);
    await get(/^<(.*)>/.exec(link!)![1]);
    expect(asked()).toMatchObject({ below: next, reference: 'o 1&1', sku: 'A/B', limit: 1 });
    // Another size of page is still the same list.
    await get(`${FIND}?limit=50&cursor=${body.nextCursor}&${filters}`);
    expect(asked()).toMatchObject({ below: next, limit: 50 });
  });

  test('of a ledger, wherever each of its levels goes on', async () => {
    const number = fc.oneof(fc.nat(300), fc.nat(2 ** 31), fc.maxSafeNat());
    const pages = fc
      .array(number, { minLength: 1, maxLength: 40 })
      .filter((some) => some.some((one) => one > 0));
    await fc.assert(
      fc.asyncProperty(fc.tuple(number, pages), async ([shown, places]) => {
        const next = [shown, ...places];
        front.script = () => ({ kind: 'entries', entries: [entry], next });
        const { link } = await get(`${LEDGER}?location=x+y&limit=1`);
        expect(link).toStartWith(`<${LEDGER}?location=x+y&cursor=`);
        await get(/^<(.*)>/.exec(link!)![1]);
        expect(asked()).toMatchObject({ from: next, location: 'x y', sku: 'A/B', limit: 1 });
      }),
      { numRuns: 100 },
    );
  });

  test('of a ledger of the most levels, in a URL that any proxy takes', async () => {
    const year = 365 * 86_400_000;
    const pages = Array.from({ length: LEVELS_PER_SKU_MAX }, (_, i) =>
      i % 7 === 0 ? 0 : NOW - (i % 30) * year,
    );
    const next = [2 ** 40, ...pages];
    front.script = () => ({ kind: 'entries', entries: [entry], next });
    const { body } = await get(LEDGER);
    expect(body.nextCursor.length).toBeLessThan(7000);
    await get(`${LEDGER}?cursor=${body.nextCursor}`);
    expect(asked()).toMatchObject({ from: next });
  });

  test('a cursor is refused with other filters, by the other call, and when any of it is changed', async () => {
    front.script = () => ({ kind: 'found', reservations: [], next: ids.next(NOW, 1) });
    const cursor: string = (await get(`${FIND}?${filters}`)).body.nextCursor;
    front.script = () => ({ kind: 'entries', entries: [entry], next: [7, 5, 6] });
    const ofLedger: string = (await get(`${LEDGER}?location=x`)).body.nextCursor;
    front.asked.length = 0;
    const changed = [...cursor].map((character, i) => {
      const other = character === 'A' ? 'B' : 'A';
      return cursor.slice(0, i) + other + cursor.slice(i + 1);
    });
    const paths = [
      `${FIND}?cursor=${cursor}`,
      `${FIND}?${filters}&status=held&cursor=${cursor}`,
      `${FIND}?reference=o+1%261&cursor=${cursor}`,
      `${FIND}?reference=A/B&sku=o+1%261&cursor=${cursor}`,
      `${FIND}?${filters}&cursor=${ofLedger}`,
      `${LEDGER}?location=x&cursor=${cursor}`,
      `${LEDGER}?cursor=${ofLedger}`,
      `${LEDGER}?location=y&cursor=${ofLedger}`,
      `/v1/stock/A/ledger?location=x&cursor=${ofLedger}`,
      ...changed.map((one) => `${FIND}?${filters}&cursor=${one}`),
      ...[0, 4, 10, cursor.length - 1].map(
        (length) => `${FIND}?${filters}&cursor=${cursor.slice(0, length)}`,
      ),
      `${FIND}?${filters}&cursor=${cursor}A`,
      `${FIND}?${filters}&cursor=${cursor}%3D`,
      `${FIND}?${filters}&cursor=%20${cursor}`,
    ];
    for (const path of paths) {
      const { status, body } = await get(path);
      expect([path, status, body.code]).toEqual([path, 422, 'invalid-request']);
      expect(body.errors.map((one: Json) => one.parameter)).toEqual(['cursor']);
    }
    expect(front.asked).toEqual([]);
  });

  test('a cursor of a ledger that only looks like one is refused', async () => {
    const listing = { path: LEDGER, filters: { location: undefined } };
    const numbers = new Array(14).fill(1);
    for (const bytes of [
      [1],
      numbers,
      [0, ...numbers, 1],
      [8, ...numbers, 1],
      [5, ...numbers],
      [2, ...numbers, 1, 1, 1],
    ]) {
      const { status, body } = await get(`${LEDGER}?cursor=${cursorOf(listing, Uint8Array.from(bytes))}`);
      expect([bytes, status, body.errors?.[0].parameter]).toEqual([bytes, 422, 'cursor']);
    }
    expect(front.asked).toEqual([]);
    front.script = () => ({ kind: 'entries', entries: [entry] });
    expect(
      (await get(`${LEDGER}?cursor=${cursorOf(listing, Uint8Array.from([1, ...numbers, 1]))}`)).status,
    ).toBe(200);
  });
});
