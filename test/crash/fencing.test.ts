/**
 * Invariant I4: two owners of the same partitions, made on purpose. Only the newer one can commit; the
 * older one ends with code 3 as soon as it tries, or within a second or so without work, and nothing that it decided was ever acknowledged.
 */
import { afterEach, expect, test } from 'bun:test';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { type BooksSql, decisionsOf, faultsOf } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { type TestServer, until } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { type Shop, skusOfWorker } from '../helpers/shop.ts';
import { deadline, holdOf, type Intruder, linkTo, startIntruder } from '../helpers/workers.ts';

const SLOW_MS = 60_000;
const EXIT_FENCED = 3;
const UNITS = 30;
const HOLDS = 20;

let server: TestServer;
let shop: Shop;
let sql: BooksSql;
let intruder: Intruder | undefined;

shareServer((shared) => {
  ({ server, shop, sql } = shared);
});

afterEach(async () => {
  await intruder?.stop();
  intruder = undefined;
});

/** How often worker 0 was ended by its fence. */
function fencedEnds(): number {
  const end = `"child":"worker 0","pid":\\d+,"reason":"it ended with code ${EXIT_FENCED}"`;
  return server.output().match(new RegExp(end, 'g'))?.length ?? 0;
}

/** Commands that have come to a partition, whether or not they are decided. */
async function arrivedAt(partition: number): Promise<number> {
  type Table = { partitions: { commands: number; mailboxDepth: number }[] };
  const { body } = await shop.call<Table>('GET', '/admin/partitions');
  const { commands, mailboxDepth } = body.partitions[partition];
  return commands + mailboxDepth;
}

async function servesAgain(sku: string, endsBefore: number): Promise<void> {
  await until(() => fencedEnds() === endsBefore + 1, 10_000, server.output);
  // Through each front: one may have its link back before the other.
  const readable = (): Promise<boolean> => shop.level(sku, 'berlin').then(Boolean, () => false);
  await until(async () => (await readable()) && (await readable()), 10_000, server.output);
}

test(
  'an owner whose place was taken behind its back',
  async () => {
    const [sku] = skusOfWorker(0, 'raised', 1);
    await shop.stockUp([sku], 'berlin', UNITS);
    const ends = fencedEnds();
    const partition = partitionOf(sku, 256);
    const before = await arrivedAt(partition);
    let holding: ReturnType<Shop['hold']>[] = [];
    // Until this ends their commit waits for the row; then there is none.
    await sql.begin(async (transaction) => {
      await transaction`delete from holdfast.owner o using holdfast.partition p
        where p.epoch = o.epoch and p.partition = ${partition}`;
      holding = Array.from({ length: HOLDS }, () =>
        shop.hold([{ sku, quantity: 1 }], { reference: 'behind' }),
      );
      await until(async () => (await arrivedAt(partition)) === before + HOLDS, 5000, server.output);
    });
    const answers = await Promise.all(holding);
    expect([...new Set(answers.map(({ status, code }) => `${status} ${code}`))]).toEqual([
      '503 outcome-unknown',
    ]);
    await servesAgain(sku, ends);
    expect((await shop.level(sku, 'berlin')).reserved).toBe(0);
    expect((await decisionsOf(sql)).filter(({ reference }) => reference === 'behind')).toEqual([]);
    expect((await shop.hold([{ sku, quantity: UNITS }])).status).toBe(201);
    expect(fencedEnds()).toBe(ends + 1);
  },
  SLOW_MS,
);

test(
  'an owner that stood still under load until a second one served: it wakes, ends, is started again, and fences the second one',
  async () => {
    const [sku] = skusOfWorker(0, 'second', 1);
    await shop.stockUp([sku], 'berlin', UNITS);
    const load = new Load(server.port, 'fenced');
    await load.start();
    await Bun.sleep(1000);
    const ends = fencedEnds();
    const [zombie] = server.workerPids();
    process.kill(zombie, 'SIGSTOP');
    intruder = await startIntruder(server);
    const link = await linkTo(server, intruder.socket);
    expect((await link.ask(holdOf(sku, { reference: 'by the second' }))).kind).toBe('granted');
    const wokenAt = performance.now();
    process.kill(zombie, 'SIGCONT');
    await servesAgain(sku, ends);
    const servedAfterMs = Math.round(performance.now() - wokenAt);
    // The second one still believes that it owns the partition, and says so until it tries to commit.
    const late = await link.ask(holdOf(sku, { reference: 'too late' })).catch(() => 'it ended');
    expect(late).toBe('it ended');
    expect(await intruder.exited).toBe(EXIT_FENCED);
    link.close();
    await Bun.sleep(1000);
    await load.stop();
    console.log(`a worker that woke is fenced and serves again after ${servedAfterMs} ms; ${load.summary}`);
    const ofSecond = (await decisionsOf(sql)).filter(({ reference }) =>
      /by the second|too late/.test(`${reference}`),
    );
    expect(ofSecond.map(({ reference, status }) => [reference, status])).toEqual([['by the second', 'held']]);
    await load.check(sql);
    expect(fencedEnds()).toBe(ends + 1);
  },
  SLOW_MS,
);

test(
  'an owner without work hears that it was superseded, and reads nothing out that is no longer so',
  async () => {
    const [sku] = skusOfWorker(0, 'idle', 1);
    await shop.stockUp([sku], 'berlin', UNITS);
    const ends = fencedEnds();
    intruder = await startIntruder(server);
    await servesAgain(sku, ends);
    expect(await intruder.exited).toBe(EXIT_FENCED);
    expect((await shop.hold([{ sku, quantity: UNITS }])).status).toBe(201);
    expect(fencedEnds()).toBe(ends + 1);
  },
  SLOW_MS,
);

test(
  'an owner that stood still while another one sold everything cannot sell it again',
  async () => {
    const [sku] = skusOfWorker(0, 'zombie', 1);
    const [other] = skusOfWorker(1, 'zombie', 1);
    await shop.stockUp([sku, other], 'berlin', UNITS);
    const ends = fencedEnds();
    const [zombie] = server.workerPids();
    process.kill(zombie, 'SIGSTOP');
    const late = Array.from({ length: UNITS }, (_, i) =>
      shop.hold(
        i % 2 === 0 ? [{ sku, quantity: 1 }] : [other, sku].map((one) => ({ sku: one, quantity: 1 })),
        {
          reference: 'late',
        },
      ),
    );
    await Bun.sleep(200);

    intruder = await startIntruder(server);
    const link = await linkTo(server, intruder.socket);
    const sold = holdOf(sku, { lines: [{ line: 0, sku, quantity: UNITS }], reference: 'sold' });
    expect((await link.ask(sold)).kind).toBe('granted');

    process.kill(zombie, 'SIGCONT');
    const answers = await Promise.all(late);
    expect(answers.map(({ status }) => status).filter((status) => status !== 503)).toEqual([]);
    await servesAgain(sku, ends);
    expect((await shop.level(sku, 'berlin')).reserved).toBe(UNITS);
    expect((await shop.hold([{ sku, quantity: 1 }])).status).toBe(409);
    expect((await shop.read(sold.id)).body).toMatchObject({ status: 'held', lines: [{ quantity: UNITS }] });

    // Now the second owner is the zombie.
    const cancel = { kind: 'cancel', partition: sold.partition, deadline: deadline(), id: sold.id } as const;
    expect(await link.ask(cancel).catch(() => 'it ended')).toBe('it ended');
    expect(await intruder.exited).toBe(EXIT_FENCED);
    link.close();
    expect((await shop.read(sold.id)).body.status).toBe('held');

    expect((await decisionsOf(sql)).filter(({ reference }) => reference === 'late')).toEqual([]);
    const isFree = async (): Promise<boolean> => (await shop.level(other, 'berlin')).reserved === 0;
    await until(isFree, 20_000, () => 'units stay reserved for orders that were never made');
    expect(await faultsOf(sql)).toEqual([]);
  },
  SLOW_MS,
);
