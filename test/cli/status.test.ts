/** `holdfast status` and `top` of a real server, in a pipe and at a terminal. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { Metrics, quantile, rise } from '../../src/cli/metrics.ts';
import { Holdfast } from '../../src/client/index.ts';
import { atTerminal, holdfast } from '../helpers/cli.ts';
import { freePorts, startServer, type TestServer, until } from '../helpers/server.ts';

const START_MS = 30_000;
const SLOW_MS = 20_000;
let server: TestServer;
let env: Record<string, string>;
beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '1' } });
  env = { PORT: String(server.port) };
}, START_MS);
afterAll(() => server.stop(), START_MS);

/** Holds one unit after the other while the work goes on. @returns what it gave, and how many were held */
async function whileHolding<T>(work: Promise<T>): Promise<{ result: T; held: number }> {
  const { stock, reservations } = new Holdfast({ url: server.url });
  await stock.put('status', 'here', { onHand: 1_000_000 });
  let held = 0;
  let over = false;
  const holding = (async () => {
    for (; !over; held++) await reservations.hold({ lines: [{ sku: 'status', quantity: 1 }] });
  })();
  const result = await work.finally(() => {
    over = true;
  });
  await holding;
  return { result, held };
}

test('status as JSON has the figures, and they are true', async () => {
  const { result, held } = await whileHolding(holdfast(['status', '--json'], { env }));
  expect([result.code, result.stderr]).toEqual([0, '']);
  const status = JSON.parse(result.stdout);
  expect(status).toMatchObject({
    url: server.url,
    ready: true,
    missing: [],
    partitions: { total: 256, serving: 256 },
    levels: 1,
    workers: [
      { worker: 0, up: true, partitions: 128, serving: 128 },
      { worker: 1, up: true, partitions: 128, serving: 128 },
    ],
    fronts: [{ front: 0, up: true }],
  });
  expect(status.rates.granted).toBeGreaterThan(0);
  expect(status.rates.granted * status.overSeconds).toBeLessThanOrEqual(held + 1);
  expect(status.held).toBeLessThanOrEqual(held + 1);
  expect(status.rates.refused).toBe(0);
  expect(status.latency.p50Ms).toBeGreaterThan(0);
  expect(status.latency.p99Ms).toBeGreaterThanOrEqual(status.latency.p50Ms);
  expect(status.fullest).toHaveLength(1);
});

test('status is one screen of text', async () => {
  const { code, stdout, stderr } = await holdfast(['status'], { env });
  expect([code, stderr]).toEqual([0, '']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toBe(`Holdfast 0.1.0 at ${server.url}: ready`);
  expect(lines[1]).toStartWith('256 of 256 partitions serve; 1 stock levels, ');
  expect(lines.length).toBeLessThan(24);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(stdout).toMatch(/^0 +128\/128 /m);
});

test(
  'top is drawn again and again, until q; the terminal is given back',
  async () => {
    const { result } = await whileHolding(
      atTerminal(['top'], env, {
        when: (shown) => (shown.match(/a second/g) ?? []).length >= 2,
        press: 'q',
      }),
    );
    expect(result.code).toBe(0);
    expect(result.shown).toStartWith('\x1b[?1049h\x1b[?25l');
    expect(result.shown).toEndWith('\x1b[?25h\x1b[?1049l');
    expect(result.shown).toContain('128/128');
  },
  SLOW_MS,
);

test(
  'Ctrl-C ends top as q does',
  async () => {
    const { code, shown } = await atTerminal(['top'], env, {
      when: (soFar) => soFar.includes('looking'),
      press: '\x03',
    });
    expect(code).toBe(0);
    expect(shown).toEndWith('\x1b[?25h\x1b[?1049l');
  },
  SLOW_MS,
);

test('top wants a terminal', async () => {
  const { code, stderr } = await holdfast(['top'], { env });
  expect(code).toBe(2);
  expect(stderr).toStartWith('holdfast top: top draws on a terminal, and there is none; use holdfast status');
});

test('no server is one line, at a terminal, too', async () => {
  const nobody = { PORT: String(await freePorts(1)) };
  const { code, stderr } = await holdfast(['status'], { env: nobody });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^holdfast: nothing answers at \S+; start a server with: holdfast serve[^\n]*\n$/);
  const top = await atTerminal(['top'], nobody);
  expect(top.code).toBe(1);
  expect(top.shown).toContain('holdfast: nothing answers at');
  expect(top.shown).not.toContain('\x1b[?1049h');
});

test(
  'a server that is not ready says what is missing, with code 1',
  async () => {
    const stopped = server.workerPids()[0];
    process.kill(stopped, 'SIGSTOP');
    try {
      const { code, stdout } = await holdfast(['status'], { env });
      expect(code).toBe(1);
      expect(stdout).toContain(': NOT READY\n  worker 0 does not answer (128 partitions)\n');
      expect(stdout).toMatch(/^0 down +0\/128 /m);
    } finally {
      process.kill(stopped, 'SIGCONT');
    }
    await until(
      async () => (await fetch(`${server.url}/readyz`)).ok,
      SLOW_MS,
      () => 'not ready',
    );
  },
  SLOW_MS,
);

test('counters that began anew rose from 0, and quantiles lie within their bucket', () => {
  const before = new Metrics(
    'a_total{p="x"} 10\na_total{p="y"} 5\nh_bucket{le="1.0"} 0\nh_bucket{le="2.0"} 0\nh_bucket{le="+Inf"} 0',
  );
  const after = new Metrics(
    'a_total{p="x"} 12\na_total{p="y"} 3\nh_bucket{le="1.0"} 0\nh_bucket{le="2.0"} 4\nh_bucket{le="+Inf"} 5',
  );
  expect(rise(before, after, 'a_total')).toBe(5);
  expect(rise(before, after, 'a_total', ({ p }) => p === 'x')).toBe(2);
  expect(quantile(0.4, before, after, 'h')).toBe(1.5);
  expect(quantile(0.99, before, after, 'h')).toBe(2);
  expect(quantile(0.5, after, after, 'h')).toBeUndefined();
});
