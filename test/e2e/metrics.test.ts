/** /metrics of a real server: valid, the same at every front, and the counts are what was done. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { routes } from '../../src/front/routes.ts';
import { type Family, scrape, total } from '../helpers/open-metrics.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';
import { type Reservation, Shop } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
const FRONTS = 2;
const PROCESSES = ['front 0', 'front 1', 'supervisor', 'worker 0', 'worker 1'];
const RESERVE = { route: '/v1/reservations', method: 'POST' };

let server: TestServer;
let shop: Shop;
beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_FRONTS: String(FRONTS), HOLDFAST_WORKERS: '2' } });
  shop = new Shop(server, FRONTS);
}, SLOW_MS);
afterAll(() => server.stop(), SLOW_MS);

const front = (index: number): string => `http://127.0.0.1:${server.port + index}`;
const at = (index = 0): Promise<Map<string, Family>> => scrape(front(index));

/** How much each of these has gone up while `run` ran, whichever process it was in. */
async function gained(
  names: [name: string, labels?: Record<string, string>][],
  run: () => Promise<void>,
): Promise<number[]> {
  const before = await at(0);
  await run();
  const after = await at(1);
  return names.map(([name, labels]) => total(after, name, labels) - total(before, name, labels));
}

test('every front shows every process, alike', async () => {
  for (let index = 0; index < FRONTS; index++) {
    const families = await at(index);
    const up = families.get('holdfast_process_up')!.samples;
    expect(up.map(({ labels }) => labels.process).sort()).toEqual(PROCESSES);
    expect(up.every(({ value }) => value === 1)).toBe(true);
    for (const name of ['process_resident_memory_bytes', 'process_start_time_seconds'])
      expect(
        families
          .get(name)!
          .samples.map(({ labels }) => labels.process)
          .sort(),
      ).toEqual(PROCESSES);
    for (const process of PROCESSES) {
      expect(total(families, 'process_resident_memory_bytes', { process })).toBeGreaterThan(10_000_000);
      expect(total(families, 'process_cpu_seconds_total', { process })).toBeGreaterThan(0);
      expect(total(families, 'holdfast_event_loop_lag_seconds_count', { process })).toBeGreaterThan(0);
    }
    expect(total(families, 'holdfast_partitions', { state: 'serving' })).toBe(256);
    expect(total(families, 'holdfast_partitions_taken_total')).toBe(256);
    expect(total(families, 'holdfast_database_up')).toBe(2);
    expect(families.get('holdfast_worker_overloaded')!.samples.map(({ value }) => value)).toEqual([0, 0]);
    expect(total(families, 'holdfast_link_up')).toBe(4);
  }
  expect([...(await at(0)).keys()].sort()).toEqual([...(await at(1)).keys()].sort());
});

test('names are by the conventions, and labels are few', async () => {
  const families = await at();
  for (const { name, type, samples } of families.values()) {
    expect(name).toMatch(/^(holdfast|process)_[a-z_]+$/);
    if (/duration|wait|lag|time/.test(name)) expect(name).toEndWith('_seconds');
    expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|kilobytes|percent)$/);
    if (type === 'gauge') expect(name).not.toEndWith('_count');
    expect(samples.length).toBeLessThan(1000);
  }
});

test('what was asked and refused is counted by route, status and reason', async () => {
  const counts = await gained(
    [
      ['holdfast_http_requests_total', { ...RESERVE, status: '201' }],
      ['holdfast_http_requests_total', { ...RESERVE, status: '409' }],
      ['holdfast_http_requests_total', { ...RESERVE, status: '404' }],
      ['holdfast_http_requests_total', { ...RESERVE, status: '422' }],
      ['holdfast_http_request_duration_seconds_count', RESERVE],
      ['holdfast_http_requests_total', { route: '/v1/stock/{sku}/{location}', method: 'PUT', status: '201' }],
      ['holdfast_http_requests_total', { route: 'unmatched', status: '404' }],
      ['holdfast_http_requests_total', { route: 'unmatched', status: '405' }],
      ['holdfast_http_problems_total', { code: 'insufficient-stock' }],
      ['holdfast_http_problems_total', { code: 'unknown-sku' }],
      ['holdfast_http_problems_total', { code: 'invalid-request' }],
    ],
    async () => {
      await shop.put('counted', 'x', 4);
      const reserve = (body: unknown) => shop.call('POST', '/v1/reservations', body);
      const lines = [{ sku: 'counted', quantity: 1 }];
      for (let i = 0; i < 7; i++) await reserve({ lines });
      await reserve({ lines: [{ sku: 'never seen', quantity: 1 }] });
      await reserve({ lines: [] });
      await fetch(`${front(0)}/no/such/path`);
      await fetch(`${front(1)}/v1/reservations/1/2/3/4`);
      await fetch(`${front(1)}/v1/reservations`, { method: 'DELETE' });
    },
  );
  expect(counts).toEqual([4, 3, 1, 1, 9, 1, 2, 1, 3, 1, 1]);
});

test('what became of reservations is counted', async () => {
  const counts = await gained(
    [
      ['holdfast_reservations_granted_total'],
      ['holdfast_reservations_closed_total', { outcome: 'confirmed' }],
      ['holdfast_reservations_closed_total', { outcome: 'cancelled' }],
      ['holdfast_reservations_closed_total', { outcome: 'expired' }],
      ['holdfast_reservations_held'],
      ['holdfast_stock_levels'],
      ['holdfast_idempotency_keys'],
      ['holdfast_idempotency_replays_total'],
    ],
    async () => {
      const skus = ['one', 'two', 'three'];
      await shop.stockUp(skus, 'x', 100);
      const lines = skus.map((sku) => ({ sku, quantity: 1 }));
      const hold = async (more: object = {}) =>
        (await shop.call<Reservation>('POST', '/v1/reservations', { lines, ...more })).body.id;
      const ids = [await hold(), await hold(), await hold(), await hold({ expiresInSeconds: 1 })];
      await shop.call('POST', `/v1/reservations/${ids[0]}/confirm`);
      await shop.call('POST', `/v1/reservations/${ids[1]}/cancel`);
      // Again: nothing more has happened.
      await shop.call('POST', `/v1/reservations/${ids[1]}/cancel`);
      for (let i = 0; i < 3; i++) await shop.once('/v1/reservations', { lines }, 'a-key');
      await until(
        async () => total(await at(), 'holdfast_reservations_closed_total', { outcome: 'expired' }) > 0,
        5000,
        () => 'nothing expires',
      );
    },
  );
  expect(counts).toEqual([5, 1, 1, 1, 2, 3, 1, 2]);
});

test('batches, commits and waiting are measured', async () => {
  const names = [
    'batch_commands_count',
    'batch_rows_count',
    'commits_total',
    'commit_duration_seconds_count',
  ];
  const [batches, rows, commits, timed, decided, waits] = await gained(
    [...names, 'commands_total', 'mailbox_wait_seconds_count'].map((name) => [`holdfast_${name}`]),
    async () => {
      await shop.put('busy', 'x', 1000);
      const one = { lines: [{ sku: 'busy', quantity: 1 }] };
      await Promise.all(Array.from({ length: 100 }, () => shop.call('POST', '/v1/reservations', one)));
    },
  );
  expect([decided, waits]).toEqual([101, 101]);
  expect(commits).toBeGreaterThan(0);
  expect(commits).toBeLessThanOrEqual(101);
  expect([batches, rows, timed]).toEqual([commits, commits, commits]);
  const families = await at();
  const mean = (name: string): number => total(families, `${name}_sum`) / total(families, `${name}_count`);
  expect(mean('holdfast_commit_duration_seconds')).toBeWithin(0.00005, 5);
  expect(mean('holdfast_mailbox_wait_seconds')).toBeWithin(0.000001, 5);
  expect(total(families, 'holdfast_commit_failures_total')).toBe(0);
});

describe('requests', () => {
  test('on every route are counted under its pattern', async () => {
    const served = routes(undefined as never).routes;
    const before = await at();
    for (const { method, path } of served)
      await fetch(front(0) + path.replace(/:\w+/g, 'x'), {
        method,
        body: method === 'GET' ? undefined : '{}',
      });
    const after = await at();
    const missing = served.filter(({ method, path }) => {
      const labels = { method, route: path.replace(/:(\w+)/g, '{$1}') };
      const name = 'holdfast_http_requests_total';
      return total(after, name, labels) === total(before, name, labels);
    });
    expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    const shown = after.get('holdfast_http_requests')!.samples.map(({ labels }) => labels.route);
    expect(shown.filter((route) => route.includes('/x'))).toEqual([]);
  });

  test('have an id in their answer: their own if it is sane, or else a new one', async () => {
    const idOf = async (path: string, given?: string): Promise<string | null> => {
      const headers: Record<string, string> = given === undefined ? {} : { 'x-request-id': given };
      return (await fetch(front(0) + path, { headers })).headers.get('x-request-id');
    };
    for (const sane of ['order-77', '0192aa3d-7b40-7c1e-9f2a-5d0c8b1e002a', 'a:b/c=d+e@f.g', 'x'.repeat(128)])
      expect(await idOf('/livez', sane)).toBe(sane);
    const made = new Set<string | null>();
    for (const path of ['/livez', '/no/such/path', '/v1/stock/nothing', '/swagger/json', '/problems'])
      for (const given of [undefined, '', 'a b', '"x"', '{}', 'x'.repeat(129)])
        made.add(await idOf(path, given));
    expect(made.size).toBe(30);
    for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-z]+$/);
  });
});

test(
  'a worker that was killed is shown as down, then as restarted, and its partitions as taken anew',
  async () => {
    const before = await at();
    const [pid] = server.workerPids();
    process.kill(pid, 'SIGKILL');
    await until(
      async () => total(await at(1), 'holdfast_process_up', { process: 'worker 0' }) === 0,
      5000,
      () => 'the worker is not shown as down',
    );
    await until(
      async () => total(await at(1), 'holdfast_partitions', { state: 'serving' }) === 256,
      20_000,
      () => 'its partitions are not served again',
    );
    const after = await at(0);
    const ofWorker = (families: Map<string, Family>, name: string): number =>
      total(families, name, { process: 'worker 0' });
    expect(total(after, 'holdfast_child_restarts_total', { child: 'worker 0' })).toBe(1);
    expect(total(after, 'holdfast_child_restarts_total', { child: 'worker 1' })).toBe(0);
    expect(ofWorker(after, 'holdfast_owner_epoch')).toBeGreaterThan(ofWorker(before, 'holdfast_owner_epoch'));
    expect(total(after, 'holdfast_reservations_held')).toBe(total(before, 'holdfast_reservations_held'));
    expect(total(after, 'holdfast_stock_levels')).toBe(total(before, 'holdfast_stock_levels'));
  },
  SLOW_MS,
);

test('a worker that does not answer costs a second, and the others are shown', async () => {
  const [pid] = server.workerPids();
  process.kill(pid, 'SIGSTOP');
  try {
    const started = performance.now();
    const families = await at(1);
    expect(performance.now() - started).toBeLessThan(2500);
    const up = families.get('holdfast_process_up')!.samples.filter(({ value }) => value === 0);
    expect(up.map(({ labels }) => labels.process)).toEqual(['worker 0']);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});
