/** The load generators: what they ask, that they count what they are answered, and that the open loop waits for nobody. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Answer } from '../../bench/ceilings/no-op.ts';
import { Generator, type Tool } from '../../bench/generators/generator.ts';
import { hasWrk } from '../../bench/generators/wrk.ts';
import { Latencies } from '../../bench/latencies.ts';
import { drawnFor, LOADS, requestsOf } from '../../bench/load.ts';
import { sum } from '../../bench/numbers.ts';
import { startService } from '../../bench/service.ts';
import { PARTITIONS_DEFAULT } from '../../src/limits.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';

const PARTS = { processes: {}, postmaster: 0 };
const TOOLS: Tool[] = ['autocannon', 'open loop', ...(hasWrk() ? ['wrk' as const] : [])];

let generator: Generator;
beforeAll(() => {
  generator = new Generator();
});
afterAll(() => generator[Symbol.asyncDispose]());

describe('what is asked', () => {
  test('lines of one reservation lie in partitions of their own', () => {
    for (const { body } of requestsOf(LOADS.multi, 1, 200)) {
      const { lines } = JSON.parse(body) as { lines: { sku: string }[] };
      expect(new Set(lines.map(({ sku }) => partitionOf(sku, PARTITIONS_DEFAULT))).size).toBe(3);
    }
  });

  test('the same seed draws the same, and Zipf draws its first most often', () => {
    expect(requestsOf(LOADS.zipf, 7, 100)).toEqual(requestsOf(LOADS.zipf, 7, 100));
    const first = requestsOf(LOADS.zipf, 7, 10_000).filter(({ body }) => body.includes('SKU-0000000'));
    expect(first.length).toBeGreaterThan(800);
    expect(first.length).toBeLessThan(1300);
  });

  test('every connection has a request of its own', () => {
    expect(drawnFor(LOADS.uniform, 4096, 0.01)).toBe(4096);
    expect(drawnFor(LOADS.batch, 64, 10)).toBe(64);
  });
});

describe('the no-op', () => {
  test('says to the byte what it was taught', async () => {
    await using ceiling = await startService('ceilings/no-op.ts');
    const answer: Answer = {
      status: 409,
      headers: { 'content-type': 'application/problem+json', location: '/x' },
      body: '{"code":"insufficient-stock"}',
    };
    await ceiling.set(answer);
    const response = await fetch(`${ceiling.url}/v1/reservations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: requestsOf(LOADS.hot, 1, 1)[0].body,
    });
    expect(response.status).toBe(answer.status);
    expect(response.headers.toJSON()).toMatchObject(answer.headers);
    expect(await response.text()).toBe(answer.body);
  });
});

describe.each(TOOLS)('by %s', (tool) => {
  const rate = tool === 'open loop' ? 500 : undefined;

  test('answers are counted as the server gave them', async () => {
    const given = { granted: 0, refused: 0 };
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch() {
        const isGranted = (given.granted + given.refused) % 3 > 0;
        given[isGranted ? 'granted' : 'refused']++;
        return Response.json({}, { status: isGranted ? 201 : 409 });
      },
    });
    const job = { url: server.url.origin, load: LOADS.uniform, connections: 6, seconds: 0.3, seed: 1, rate };
    const { effects, statuses, operations, seconds } = await generator.run(job, PARTS, tool);
    expect(seconds).toBeGreaterThan(0.2);
    expect(operations).toBeGreaterThan(10);
    expect(effects.held).toBeLessThanOrEqual(given.granted);
    expect(effects.held + effects.lost).toBeGreaterThanOrEqual(given.granted);
    const refused = (statuses['409'] ?? 0) + (statuses['4xx'] ?? 0);
    expect(refused).toBeLessThanOrEqual(given.refused);
    expect(refused + effects.lost).toBeGreaterThanOrEqual(given.refused);
    if (tool !== 'wrk') expect(effects.lost).toBe(0);
  });
});

test('a sale confirms exactly what was held', async () => {
  const calls: string[] = [];
  using server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const { pathname } = new URL(request.url);
      calls.push(pathname);
      if (pathname !== '/v1/reservations') return Response.json({});
      // Every fourth is refused, and must not be confirmed.
      const number = calls.filter((call) => call === pathname).length;
      return Response.json({ id: `r${number}` }, { status: number % 4 === 0 ? 409 : 201 });
    },
  });
  const job = { url: server.url.origin, load: LOADS.sale, connections: 3, seconds: 0.2, seed: 1 };
  const { effects } = await generator.run(job, PARTS, 'autocannon');
  const holds = calls.filter((call) => call === '/v1/reservations').length;
  const confirmed = calls.filter((call) => call.endsWith('/confirm'));
  expect(effects).toEqual({ held: holds - Math.floor(holds / 4), closed: confirmed.length, lost: 0 });
  expect(confirmed.length).toBeGreaterThan(5);
  expect(new Set(confirmed).size).toBe(confirmed.length);
  expect(confirmed.filter((call) => Number(/r(\d+)/.exec(call)![1]) % 4 === 0)).toEqual([]);
});

test('the open loop measures a stall by all that were due in it', async () => {
  const STALL_MS = 300;
  let stalls = 1;
  using server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch() {
      if (stalls-- === 1) Bun.sleepSync(STALL_MS);
      return Response.json({}, { status: 201 });
    },
  });
  const rate = 1000;
  // One connection: all but the first request wait for it, and would not be seen by who measures from the sending.
  const job = { url: server.url.origin, load: LOADS.uniform, connections: 1, seconds: 0.4, seed: 1, rate };
  const { latencies } = await generator.run(job, PARTS, 'open loop');
  const times = new Latencies(latencies);
  const stalled = rate * (STALL_MS / 1000);
  expect(times.percentileMs(1)).toBeGreaterThan(STALL_MS * 0.9);
  // The last quarter of those that were due in the stall waited less than a quarter of it.
  expect(times.percentileMs(1 - (0.7 * stalled) / (rate * 0.4))).toBeGreaterThan(STALL_MS * 0.2);
}, 20_000);

test('the open loop tells what was held from what was refused, and which refusals did not say when to come again', async () => {
  let asked = 0;
  const refusals = [0, 0];
  using server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch() {
      const kind = asked++ % 4;
      if (kind < 2) return Response.json({}, { status: 201 });
      refusals[kind - 2]++;
      return Response.json({}, { status: 503, headers: kind === 2 ? { 'retry-after': '1' } : {} });
    },
  });
  const job = {
    url: server.url.origin,
    load: LOADS.uniform,
    connections: 4,
    seconds: 0.3,
    seed: 1,
    rate: 400,
  };
  const shot = await generator.run(job, PARTS, 'open loop');
  const counted = (status: string) => sum(shot.byStatus![status].map((count) => count ?? 0));
  expect(counted('201')).toBe(shot.effects.held);
  expect(counted('503')).toBe(refusals[0] + refusals[1]);
  expect(shot.unadvised).toBe(refusals[1]);
  expect(shot.heldInTime).toBeWithin(1, shot.effects.held + 1);
});

describe('latencies', () => {
  test('percentiles are right to one per cent, also of several processes together', () => {
    const [odd, even] = [new Latencies(), new Latencies()];
    for (let ms = 1; ms <= 1000; ms++) (ms % 2 === 0 ? even : odd).record(ms);
    const all = Latencies.sum([odd, even]);
    for (const share of [0.01, 0.5, 0.99, 1])
      expect(Math.abs(all.percentileMs(share) / (share * 1000) - 1)).toBeLessThan(0.01);
    expect(new Latencies().percentileMs(0.5)).toBe(0);
  });
});
