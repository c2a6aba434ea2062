/**
 * Imports, exports and batches with real processes: a file far larger than what the front may take of memory,
 * uploads that break off, workers that die in the middle, and the books afterwards.
 */
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { type BooksSql, faultsOf } from '../helpers/books.ts';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { type Level, type Shop, seeded } from '../helpers/shop.ts';

const SLOW_MS = 240_000;
const LEVELS = 200_000;
const LOCATIONS = ['berlin', 'hamburg', 'köln', 'a, "b"'];
/** Bytes of a line, most of them spaces: together many times what the front may take. */
const LINE_BYTES = 2000;
const FRONT_GROWTH_MIB_MAX = 150;
const IN_TIME_MS = 5000;

interface ImportResult {
  accepted: number;
  unchanged: number;
  rejected: number;
  errors: { line: number; code: string; detail: string }[];
}

let server: TestServer;
let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ server, shop, sql } = shared);
});

type BodyInit = ConstructorParameters<typeof Response>[0];

async function importFile(
  body: BodyInit | AsyncIterable<Uint8Array>,
  type = 'text/csv',
  front = 0,
): Promise<ImportResult> {
  const response = await fetch(`http://127.0.0.1:${server.port + front}/v1/stock/import`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: body as BodyInit,
    signal: AbortSignal.timeout(SLOW_MS),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as ImportResult;
}

async function levelsInDatabase(prefix: string): Promise<{ count: number; sum: number }> {
  const [row] = await sql`
    select count(*)::float8 as count, coalesce(sum(on_hand), 0)::float8 as sum
      from holdfast.stock_level where sku like ${`${prefix}%`}`;
  return { count: row.count, sum: row.sum };
}

function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

const onHandOf = (i: number): number => 10 + (i % 1000);
const lineOf = (i: number): string => {
  const row = { sku: `BULK-${i >> 2}`, location: LOCATIONS[i & 3], onHand: onHandOf(i), safetyStock: i % 7 };
  return `${JSON.stringify(row).padEnd(LINE_BYTES)}\n`;
};

async function* manyLines(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < LEVELS; at += 500) {
    let text = '';
    for (let i = at; i < at + 500; i++) text += lineOf(i);
    yield new TextEncoder().encode(text);
  }
}

test(
  'a file far larger than the memory of the front is imported, exported, and imported again without a write',
  async () => {
    const pid = server.frontPids()[0];
    const before = process.platform === 'linux' ? rssMib(pid) : 0;
    let most = before;
    const watching = setInterval(() => {
      if (process.platform === 'linux') most = Math.max(most, rssMib(pid));
    }, 50);
    const first = await importFile(manyLines(), 'application/x-ndjson');
    clearInterval(watching);
    expect(first).toEqual({ accepted: LEVELS, unchanged: 0, rejected: 0, errors: [] });
    expect(most - before).toBeLessThan(FRONT_GROWTH_MIB_MAX);
    let sum = 0;
    for (let i = 0; i < LEVELS; i++) sum += onHandOf(i);
    expect(await levelsInDatabase('BULK-')).toEqual({ count: LEVELS, sum });

    const exported = await fetch(`${server.url}/v1/stock/export`, { headers: { accept: 'text/csv' } });
    const csv = await exported.text();
    expect(csv.split('\r\n')).toHaveLength(LEVELS + 2);
    const entries = async (): Promise<number> =>
      Number((await sql`select count(*) as entries from holdfast.ledger`)[0].entries);
    const written = await entries();
    expect(written).toBe(LEVELS);
    expect(await importFile(csv, 'text/csv', 1)).toEqual({
      accepted: 0,
      unchanged: LEVELS,
      rejected: 0,
      errors: [],
    });
    expect(await entries()).toBe(written);

    const ndjson = await (await fetch(`http://127.0.0.1:${server.port + 1}/v1/stock/export`)).text();
    const levels: Level[] = ndjson
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(new Set(levels.map(({ sku, location }) => `${sku}@${location}`)).size).toBe(LEVELS);
    const [sample] = await shop.levels(['BULK-77']);
    expect(levels.find(({ sku, location }) => sku === 'BULK-77' && location === sample.location)).toEqual(
      sample,
    );
  },
  SLOW_MS,
);

test(
  'an upload that is cut has set its whole lines and nothing else; sent again, it sets the others',
  async () => {
    const ON_HAND = 1_234_567;
    const COUNT = 20_000;
    const lines = Array.from({ length: COUNT }, (_, i) => `CUT-${i},berlin,${ON_HAND}`);
    const file = Buffer.from(`sku,location,onHand\n${lines.join('\n')}\n`);
    // In the middle of a number.
    const half = file.indexOf(`CUT-${COUNT / 2},`) + `CUT-${COUNT / 2},berlin,123`.length;
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: server.port,
      socket: { data() {}, error() {} },
    });
    const head = `POST /v1/stock/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: ${file.length}\r\n\r\n`;
    let rest = Buffer.concat([Buffer.from(head), file.subarray(0, half)]);
    while (rest.length > 0) {
      rest = rest.subarray(Math.max(0, socket.write(rest)));
      await Bun.sleep(1);
    }
    await until(
      async () => (await levelsInDatabase('CUT-')).count > 0,
      20_000,
      () => 'nothing arrives',
    );
    socket.terminate();
    let count = -1;
    await until(
      async () => {
        const now = (await levelsInDatabase('CUT-')).count;
        const same = now === count;
        count = now;
        await Bun.sleep(300);
        return same;
      },
      20_000,
      () => 'it goes on',
    );
    expect(count).toBeLessThanOrEqual(COUNT / 2);
    expect((await levelsInDatabase('CUT-')).sum).toBe(count * ON_HAND);

    const again = await importFile(file);
    expect(again).toEqual({ accepted: COUNT - count, unchanged: count, rejected: 0, errors: [] });
    expect(await levelsInDatabase('CUT-')).toEqual({ count: COUNT, sum: COUNT * ON_HAND });
  },
  SLOW_MS,
);

test(
  'workers that die in the middle of an import take nothing from it',
  async () => {
    const COUNT = 60_000;
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield new TextEncoder().encode('location,onHand,sku\r\n');
      for (let at = 0; at < COUNT; at += 2000) {
        const rows = Array.from({ length: 2000 }, (_, i) => `berlin,${at + i},"DIE-${at + i}"\r\n`);
        yield new TextEncoder().encode(rows.join(''));
        await Bun.sleep(50);
        const [zero, one] = server.workerPids();
        if (at === 10_000) process.kill(zero, 'SIGKILL');
        if (at === 30_000) process.kill(one, 'SIGKILL');
      }
    }
    const { accepted, unchanged, rejected, errors } = await importFile(slowly());
    expect([rejected, errors]).toEqual([0, []]);
    // What was committed and not answered was found unchanged when it was sent again.
    expect(accepted + unchanged).toBe(COUNT);
    expect(accepted).toBeGreaterThan(COUNT - 20_000);
    expect(await levelsInDatabase('DIE-')).toEqual({ count: COUNT, sum: (COUNT * (COUNT - 1)) / 2 });
  },
  SLOW_MS,
);

test(
  'reservations are answered while an import runs, and see its counts',
  async () => {
    await shop.stockUp(['ASIDE'], 'berlin', 1_000_000);
    let done = false;
    let most = 0;
    let held = 0;
    const client = async (): Promise<void> => {
      while (!done) {
        const started = performance.now();
        expect((await shop.hold([{ sku: 'ASIDE', quantity: 1 }])).status).toBe(201);
        most = Math.max(most, performance.now() - started);
        held++;
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    const rows = Array.from({ length: 100_000 }, (_, i) => `ASIDE-${i},berlin,1\n`);
    const last = 'ASIDE,berlin,500000\nASIDE,hamburg,7\n';
    const result = await importFile(`sku,location,onHand\n${rows.join('')}${last}`);
    expect(result).toMatchObject({ accepted: rows.length + 2, rejected: 0 });
    expect((await shop.levels(['ASIDE'])).map(({ onHand }) => onHand)).toEqual([500_000, 7]);
    done = true;
    await clients;
    expect(held).toBeGreaterThan(20);
    expect(most).toBeLessThan(IN_TIME_MS);
    expect((await shop.level('ASIDE', 'berlin')).reserved).toBe(held);
  },
  SLOW_MS,
);

test(
  'ten thousand reservations in one request: each has its result, in order, and the books balance',
  async () => {
    const random = seeded(20_261_124);
    const skus = Array.from({ length: 500 }, (_, i) => `MANY-${i}`);
    const UNITS = 25;
    await importFile(`sku,location,onHand\n${skus.map((sku) => `${sku},berlin,${UNITS}\n`).join('')}`);
    const any = (): string => skus[Math.floor(random() * skus.length)];
    const wishes = Array.from({ length: 10_000 }, (_, i): { wish: unknown; kind: string } => {
      if (i % 100 === 17) return { wish: { lines: [{ sku: `NONE-${i}`, quantity: 1 }] }, kind: 'unknown' };
      if (i % 100 === 42) return { wish: { lines: [{ sku: any(), quantity: 0 }] }, kind: 'invalid' };
      const lines = Array.from({ length: 1 + (i % 3) }, () => ({ sku: any(), quantity: 1 }));
      return { wish: { lines, reference: `many-${i}`, expiresInSeconds: 3600 }, kind: 'order' };
    });
    const batch = async (body: string, type: string, front: number) => {
      const response = await fetch(`http://127.0.0.1:${server.port + front}/v1/reservations/batch`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
      });
      expect(response.status).toBe(200);
      return (await response.json()) as {
        results: {
          status: number;
          reservation?: { id: string; reference: string };
          problem?: { code: string };
        }[];
      };
    };
    const { results } = await batch(JSON.stringify(wishes.map(({ wish }) => wish)), 'application/json', 0);
    expect(results).toHaveLength(wishes.length);
    let granted = 0;
    let refused = 0;
    for (const [i, { status, reservation, problem }] of results.entries()) {
      const { kind } = wishes[i];
      if (kind === 'unknown') expect([status, problem?.code]).toEqual([404, 'unknown-sku']);
      if (kind === 'invalid') expect([status, problem?.code]).toEqual([422, 'invalid-request']);
      if (kind !== 'order') continue;
      if (status === 201) expect(reservation?.reference).toBe(`many-${i}`);
      else expect([status, problem?.code]).toEqual([409, 'insufficient-stock']);
      if (status === 201) granted++;
      else refused++;
    }
    expect(granted).toBeGreaterThan(1000);
    expect(refused).toBeGreaterThan(1000);
    const { reservation } = results.find(({ status }) => status === 201)!;
    expect((await shop.read(reservation!.id)).body).toMatchObject({ status: 'held', ...reservation });

    const ndjson = wishes.map(({ wish }) => JSON.stringify(wish)).join('\n');
    const again = await batch(ndjson, 'application/x-ndjson', 1);
    expect(again.results).toHaveLength(wishes.length);
    const levels = await shop.levels(skus);
    for (const level of levels) expect(level.reserved).toBeLessThanOrEqual(UNITS);
    expect(await faultsOf(sql, { settled: false })).toEqual([]);
  },
  SLOW_MS,
);
