/** Invariant I5 for calls that many partitions have a part in: imports and batches with an Idempotency-Key. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { type Answer, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

setDefaultTimeout(60_000);
const HEADER = 'sku,location,onHand\n';
const BATCH = '/v1/reservations/batch';

let server: TestServer;
let shop: Shop;

shareServer((shared) => {
  ({ server, shop } = shared);
}, true);

type BodyInit = ConstructorParameters<typeof Response>[0];
interface Imported {
  status: number;
  replayed: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: a result, or a problem
  body: any;
}

let turn = 0;
async function importWith(
  key: string,
  body: BodyInit | AsyncIterable<Uint8Array>,
  type = 'text/csv',
): Promise<Imported> {
  const response = await fetch(`http://127.0.0.1:${server.port + (turn++ % 2)}/v1/stock/import`, {
    method: 'POST',
    headers: { 'content-type': type, 'idempotency-key': key },
    body: body as BodyInit,
  });
  const replayed = response.headers.get('idempotency-replayed') === 'true';
  return { status: response.status, replayed, body: await response.json() };
}
const newKey = (): string => `"long-${crypto.randomUUID()}"`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const onHandOf = async (sku: string): Promise<number[]> =>
  (await shop.levels([sku])).map(({ onHand }) => onHand);
const REUSED = {
  status: 422,
  replayed: false,
  body: expect.objectContaining({ code: 'idempotency-key-reused' }),
};

async function killWorkers(): Promise<void> {
  const before = server.workerPids();
  for (const pid of before) process.kill(pid, 'SIGKILL');
  const isBack = async (): Promise<boolean> =>
    !server.workerPids().some((pid) => before.includes(pid)) &&
    (await fetch(`${server.url}/readyz`)).status === 200;
  await until(isBack, 20_000, server.output);
}

test('an import counts once, and is answered as the first time', async () => {
  const key = newKey();
  const file = `${HEADER}ONCE,berlin,10\nONCE,hamburg,5\nONCE,"köln\nONCE,bonn,ten\n`;
  const first = await importWith(key, file);
  expect([first.status, first.replayed]).toEqual([200, false]);
  expect(first.body).toMatchObject({
    accepted: 2,
    unchanged: 0,
    rejected: 2,
    errors: [{ line: 4 }, { line: 5 }],
  });
  const { id } = (await shop.hold([{ sku: 'ONCE', location: 'berlin', quantity: 4 }])).body;
  expect((await shop.confirm(id)).status).toBe(200);
  // Whatever the chunks.
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < file.length; at += 20) yield bytes(file).subarray(at, at + 20);
    yield bytes(file).subarray(Math.ceil(file.length / 20) * 20);
  }
  for (const body of [file, chunks()]) {
    expect(await importWith(key, body)).toEqual({ ...first, replayed: true });
  }
  expect(await onHandOf('ONCE')).toEqual([6, 5]);
  expect(await importWith(key, `${file}ONCE,ulm,1\n`)).toEqual(REUSED);
  expect(await importWith(key, '{"sku":"ONCE","location":"ulm","onHand":1}', 'application/x-ndjson')).toEqual(
    REUSED,
  );
  expect((await shop.once('/v1/reservations', { lines: [{ sku: 'ONCE', quantity: 1 }] }, key)).code).toBe(
    'idempotency-key-reused',
  );
  expect(await onHandOf('ONCE')).toEqual([6, 5]);
  expect((await importWith(newKey(), file)).body.accepted).toBe(1);
});

test('while an import runs, those with its key wait for it', async () => {
  const key = newKey();
  const parts = [HEADER, 'WAIT,berlin,10\n', 'WAIT,hamburg,5\n'];
  const goOn = Promise.withResolvers<void>();
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield bytes(parts[0] + parts[1]);
    await goOn.promise;
    yield bytes(parts[2]);
  }
  const first = importWith(key, slowly());
  const hasBegun = async (): Promise<boolean> => (await shop.call('GET', '/v1/stock/WAIT')).status === 200;
  await until(hasBegun, 10_000, server.output);
  expect((await shop.put('WAIT', 'berlin', 3)).status).toBe(200);
  let early = 0;
  const later = [parts.join(''), `${parts.join('')}\n`, parts.join('')].map((file) =>
    importWith(key, file).finally(() => early++),
  );
  await Bun.sleep(200);
  expect(early).toBe(0);
  goOn.resolve();
  const answer = await first;
  expect([answer.status, answer.body.accepted, answer.replayed]).toEqual([200, 2, false]);
  const replay = { ...answer, replayed: true };
  expect(await Promise.all(later)).toEqual([replay, REUSED as never, replay]);
  expect(await onHandOf('WAIT')).toEqual([3, 5]);
});

test('an upload that breaks off, and one that is refused, leave the key free', async () => {
  const key = newKey();
  const cut = await Bun.connect({
    hostname: '127.0.0.1',
    port: server.port,
    socket: { data() {}, error() {} },
  });
  cut.write(
    `POST /v1/stock/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\nidempotency-key: ${key}\r\ncontent-length: 1000\r\n\r\n${HEADER}CUT,berlin,1\n`,
  );
  const hasBegun = async (): Promise<boolean> => (await shop.call('GET', '/v1/stock/CUT')).status === 200;
  await until(hasBegun, 10_000, server.output);
  cut.terminate();
  const file = `${HEADER}CUT,berlin,1\nCUT,hamburg,2\n`;
  const wrong = await importWith(key, 'sku,place,onHand\nCUT,berlin,1\n');
  expect([wrong.status, wrong.body.code]).toEqual([422, 'invalid-request']);
  const whole = await importWith(key, file);
  expect(whole).toMatchObject({ status: 200, replayed: false, body: { accepted: 1, unchanged: 1 } });
  expect(await importWith(key, file)).toEqual({ ...whole, replayed: true });
});

test('an import whose front is killed is gone on with at once, by the one that waits for it', async () => {
  const key = newKey();
  const file = `${HEADER}GONE,berlin,1\nGONE,hamburg,2\n`;
  const goOn = Promise.withResolvers<void>();
  async function* unfinished(): AsyncGenerator<Uint8Array> {
    yield bytes(`${HEADER}GONE,berlin,1\n`);
    await goOn.promise;
  }
  turn = 0;
  const first = importWith(key, unfinished()).catch(() => 'broken');
  const hasBegun = async (): Promise<boolean> => (await shop.call('GET', '/v1/stock/GONE')).status === 200;
  await until(hasBegun, 10_000, server.output);
  const second = importWith(key, file);
  const [pid] = server.frontPids();
  process.kill(pid, 'SIGKILL');
  expect(await first).toBe('broken');
  goOn.resolve();
  const whole = await second;
  expect(whole).toMatchObject({ status: 200, replayed: false, body: { accepted: 1, unchanged: 1 } });
  const isBack = () =>
    fetch(`${server.url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(isBack, 20_000, server.output);
  for (let i = 0; i < 2; i++) expect(await importWith(key, file)).toEqual({ ...whole, replayed: true });
});

test('keys of imports and batches survive kill -9 of the workers', async () => {
  const skus = [0, 1, 0, 1].map((worker, i) => skusOfWorker(worker, `kill-${i}`, 1)[0]);
  const file = HEADER + skus.map((sku) => `${sku},berlin,10\n`).join('');
  const [ofFile, ofBatch] = [newKey(), newKey()];
  const imported = await importWith(ofFile, file);
  expect(imported.body.accepted).toBe(4);
  const order = (sku: string, quantity = 1) => ({ lines: [{ sku, quantity }], expiresInSeconds: 3600 });
  const items = [order(skus[0]), order(skus[1], 99), {}, order('unheard-of'), order(skus[2])];
  type Results = { results: { status: number; replayed?: boolean; reservation?: Reservation }[] };
  const batch = (sent: unknown[]): Promise<Answer<Results>> => shop.once<Results>(BATCH, sent, ofBatch);
  const first = await batch(items);
  expect(first.body.results.map(({ status }) => status)).toEqual([201, 409, 422, 404, 201]);
  // What is invalid was never decided.
  const results = first.body.results.map((one) => (one.status === 422 ? one : { ...one, replayed: true }));
  const reserved = async (): Promise<number[]> => (await shop.levels(skus)).map((level) => level.reserved);
  const others = [[...items, order(skus[3])], [order(skus[3])], items.toReversed()];
  for (let round = 0; round < 2; round++) {
    expect(await batch(items)).toMatchObject({ status: 200, replayed: true, body: { results } });
    for (const other of others) {
      const refused = await batch(other);
      expect([refused.status, refused.code, refused.replayed]).toEqual([
        422,
        'idempotency-key-reused',
        false,
      ]);
    }
    expect(await importWith(ofFile, file)).toEqual({ ...imported, replayed: true });
    expect(await importWith(ofFile, file.replace(',10', ',11'))).toEqual(REUSED);
    expect(await reserved()).toEqual([1, 0, 1, 0]);
    expect((await shop.levels(skus)).map(({ onHand }) => onHand)).toEqual([10, 10, 10, 10]);
    if (round === 0) await killWorkers();
  }
});
