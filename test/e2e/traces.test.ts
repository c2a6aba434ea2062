/**
 * A caller's trace goes through the front, the worker and the commit, to the statement in the database; and, where
 * a collector is there, comes out of each of them as spans of one tree.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { type CollectedSpan, OtlpCollector } from '../helpers/otlp-collector.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const PARTITIONS = 256;
const CALLER = 'b7ad6b7169203331';

function send(server: TestServer, path: string, body: object, headers: Record<string, string> = {}) {
  return fetch(server.url + path, {
    method: path.startsWith('/v1/stock') ? 'PUT' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

const newTraceId = (): string => crypto.randomUUID().replaceAll('-', '');
const sampled = (traceId: string) => ({ traceparent: `00-${traceId}-${CALLER}-01` });

describe('without a collector', () => {
  let server: TestServer;
  let sql: BooksSql;
  beforeAll(async () => {
    server = await startServer({ env: { HOLDFAST_LOG_LEVEL: 'debug', HOLDFAST_WORKERS: '1' } });
    sql = openBooks(server);
    expect((await send(server, '/v1/stock/A/x', { onHand: 100 })).status).toBe(201);
  }, SLOW_MS);
  afterAll(async () => {
    await sql.end();
    await server.stop();
  }, SLOW_MS);

  /** What the database shows of the commit that such a request causes. */
  async function statementOf(headers: Record<string, string>): Promise<string> {
    let statement = '';
    let answered: Promise<Response> | undefined;
    await sql.begin(async (transaction) => {
      await transaction`select * from holdfast.owner for update`;
      answered = send(server, '/v1/reservations', { lines: [{ sku: 'A', quantity: 1 }] }, headers);
      const shown = async (): Promise<boolean> => {
        await transaction`select pg_stat_clear_snapshot()`;
        const rows = await transaction<{ query: string }[]>`
          select query from pg_stat_activity
           where application_name = 'holdfast worker 0 lane 0' and wait_event_type = 'Lock'`;
        statement = rows[0]?.query ?? '';
        return rows.length > 0;
      };
      await until(shown, 4000, () => 'the commit does not wait for the lock');
    });
    expect((await answered!).status).toBe(201);
    return statement;
  }

  test("a traced request's commit says so where the database is looked at, and no other does", async () => {
    const traceId = newTraceId();
    expect(await statementOf({})).toStartWith('with fence as');
    expect(await statementOf(sampled(traceId))).toStartWith(
      `/*traceparent='00-${traceId}-${CALLER}-01'*/ with fence as`,
    );
    expect(await statementOf({ traceparent: `00-${traceId}-${CALLER}-00` })).toStartWith('with fence as');
    expect(await statementOf({ traceparent: `'; drop table holdfast.owner; --` })).toStartWith('with fence');
    expect(await statementOf({})).toStartWith('with fence as');
  });

  test('the log knows the trace of a request', async () => {
    const traceId = newTraceId();
    const headers = { ...sampled(traceId), 'x-request-id': 'order-77' };
    const response = await send(server, '/v1/reservations', { lines: [{ sku: 'A', quantity: 1 }] }, headers);
    expect(response.headers.get('x-request-id')).toBe('order-77');
    await until(() => server.output().includes('order-77'), 2000, server.output);
    const line = server
      .output()
      .split('\n')
      .find((one) => one.includes('"requestId":"order-77"'))!;
    expect(JSON.parse(line)).toMatchObject({
      level: 'debug',
      event: 'request.served',
      process: 'front 0',
      requestId: 'order-77',
      traceId,
      method: 'POST',
      path: '/v1/reservations',
      route: '/v1/reservations',
      status: 201,
      durationMs: expect.any(Number),
    });
  });
});

describe('with a collector', () => {
  const collector = new OtlpCollector();
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      env: {
        HOLDFAST_WORKERS: '2',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_SERVICE_NAME: 'shop-stock',
        OTEL_TRACES_SAMPLER: 'parentbased_always_off',
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
    });
  }, SLOW_MS);
  afterAll(async () => {
    collector[Symbol.dispose]();
    await server.stop();
  }, SLOW_MS);

  const spansOf = async (traceId: string, count: number): Promise<CollectedSpan[]> => {
    const found = (): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId);
    await until(
      () => found().length >= count,
      5000,
      () => `${JSON.stringify(found(), (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
    );
    await Bun.sleep(100);
    return found();
  };

  test('one request is one tree: front, worker, commit', async () => {
    const traceId = newTraceId();
    await send(server, '/v1/stock/A/x', { onHand: 100 });
    const made = await send(
      server,
      '/v1/reservations',
      { lines: [{ sku: 'A', quantity: 1 }] },
      sampled(traceId),
    );
    expect(made.status).toBe(201);
    const spans = await spansOf(traceId, 3);
    expect(spans).toHaveLength(3);
    const [front, worker, commit] = ['POST /v1/reservations', 'hold', 'commit'].map(
      (name) => spans.find((span) => span.name === name)!,
    );
    expect(spans.map(({ service }) => service)).toEqual(Array(3).fill('shop-stock'));
    expect(front).toMatchObject({
      parentSpanId: CALLER,
      kind: 2,
      instance: 'front 0',
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/reservations',
        'url.path': '/v1/reservations',
        'http.response.status_code': 201,
        'holdfast.request_id': made.headers.get('x-request-id')!,
      },
    });
    expect(worker).toMatchObject({
      parentSpanId: front.spanId,
      instance: expect.stringMatching(/^worker [01]$/),
      attributes: { 'holdfast.partition': partitionOf('A', PARTITIONS), 'holdfast.reply': 'granted' },
      events: ['decided'],
    });
    expect(commit).toMatchObject({
      parentSpanId: worker.spanId,
      kind: 3,
      instance: worker.instance,
      attributes: { 'db.system.name': 'postgresql', 'holdfast.batch.rows': 3 },
    });
    expect(commit.start >= worker.start && commit.end <= front.end).toBe(true);
  });

  test('over several partitions, each worker is in the tree', async () => {
    const traceId = newTraceId();
    const skus = ['A', 'B', 'C', 'D'];
    expect(new Set(skus.map((sku) => partitionOf(sku, PARTITIONS))).size).toBe(4);
    for (const sku of skus) await send(server, `/v1/stock/${sku}/x`, { onHand: 10 });
    const lines = skus.map((sku) => ({ sku, quantity: 1 }));
    expect((await send(server, '/v1/reservations', { lines }, sampled(traceId))).status).toBe(201);
    const spans = await spansOf(traceId, 9);
    const [front] = spans.filter(({ name }) => name === 'POST /v1/reservations');
    const holds = spans.filter(({ name }) => name === 'hold');
    expect(holds.map(({ attributes }) => attributes['holdfast.partition']).sort()).toEqual(
      skus.map((sku) => partitionOf(sku, PARTITIONS)).sort(),
    );
    for (const { parentSpanId } of holds) expect(parentSpanId).toBe(front.spanId);
    const commits = spans.filter(({ name }) => name === 'commit');
    expect(commits.map(({ parentSpanId }) => parentSpanId).sort()).toEqual(
      holds.map(({ spanId }) => spanId).sort(),
    );
    expect(spans).toHaveLength(9);
  });

  test('what the caller does not record, and what the sampler leaves out, is not exported', async () => {
    const traceId = newTraceId();
    const before = collector.spans.length;
    const body = { lines: [{ sku: 'A', quantity: 1 }] };
    await send(server, '/v1/reservations', body, { traceparent: `00-${traceId}-${CALLER}-00` });
    await send(server, '/v1/reservations', body);
    await Bun.sleep(300);
    expect(collector.spans.length).toBe(before);
  });
});

test(
  'a collector that is not there costs nothing but spans, and the last spans are sent at the end',
  async () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    };
    const lost = await startServer({ env });
    expect((await send(lost, '/v1/stock/A/x', { onHand: 1 })).status).toBe(201);
    await until(() => lost.output().includes('"event":"traces.not-exported"'), 20_000, lost.output);
    await lost.stop();

    using collector = new OtlpCollector();
    const late = await startServer({
      env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces` },
    });
    expect((await send(late, '/v1/stock/A/x', { onHand: 1 })).status).toBe(201);
    await late.stop();
    const names = collector.spans.map(({ name }) => name);
    expect(names).toContain('PUT /v1/stock/{sku}/{location}');
    expect(names).toContain('commit');
  },
  SLOW_MS,
);
