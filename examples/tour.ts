/**
 * The quick tour: loads a shop's stock into a running server, replays a day of its orders, and checks
 * from what the server then shows that nothing was promised twice. Can be run again at any time: a
 * second replay finds less stock, until the reservations of the first run out.
 */
import { join } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { type Level, type Order, type Placed, ShopClient } from './shop-client.ts';
import { audit, Granted } from './tour-books.ts';

export interface TourOptions {
  url: string;
  key?: string;
  concurrency: number;
  /** How many of them, at most. */
  orders: number;
}

interface Tally {
  granted: Granted;
  counts: Record<Placed['kind'], number>;
  /** What failed or got lost, and how often. */
  reasons: Map<string, number>;
  latenciesMs: number[];
  seconds: number;
}

/** @returns the exit code */
export async function tour({ url, key, concurrency, orders: ordersMax }: TourOptions): Promise<number> {
  const stock = await readStock();
  const orders = (await readOrders()).slice(0, ordersMax);
  const client = new ShopClient(url, key);
  await client.requireServer();
  console.log(`${count(stock.length)} stock levels, then ${count(orders.length)} orders, to ${url}\n`);

  await eachOf('stock ', stock, concurrency, (level) => client.putLevel(level));
  const skus = [...new Set(stock.map(({ sku }) => sku))];
  const before = await client.levels(skus);
  const tally = await replay(client, orders, concurrency);
  const after = await client.levels(skus);
  return report(before, after, tally);
}

async function replay(client: ShopClient, orders: Order[], concurrency: number): Promise<Tally> {
  const tally: Tally = {
    granted: new Granted(),
    counts: { granted: 0, refused: 0, failed: 0, unknown: 0 },
    reasons: new Map(),
    latenciesMs: [],
    seconds: 0,
  };
  const startedAt = performance.now();
  await eachOf('orders', orders, concurrency, async (order) => {
    const sentAt = performance.now();
    const placed = await client.place(order);
    tally.latenciesMs.push(performance.now() - sentAt);
    tally.counts[placed.kind]++;
    tally.granted.add(order, placed);
    if ('reason' in placed) tally.reasons.set(placed.reason, (tally.reasons.get(placed.reason) ?? 0) + 1);
  });
  tally.seconds = (performance.now() - startedAt) / 1000;
  return tally;
}

/** @returns the exit code */
function report(before: Level[], after: Level[], { granted, counts, reasons, latenciesMs, seconds }: Tally) {
  const { oversold, faults, ranOut } = audit(before, after, granted);
  const skus = Map.groupBy(after, ({ sku }) => sku);
  const soldOut = [...skus.values()].filter((levels) =>
    levels.every(({ available }) => available <= 0),
  ).length;
  const sorted = latenciesMs.sort((a, b) => a - b);
  const quantile = (part: number) => `${(sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(1)} ms`;
  const rows: [string, string][] = [
    ['orders granted', count(counts.granted)],
    ['orders refused', `${count(counts.refused)} (sold out)`],
    ['orders failed', count(counts.failed)],
    ['units held', count(granted.units)],
    ['SKUs sold out', `${count(soldOut)} of ${count(skus.size)}`],
    ['oversold', count(oversold)],
    ['books balanced', faults.length === 0 ? 'yes' : `NO, ${count(faults.length)} faults`],
    [
      'speed',
      `${count(Math.round(latenciesMs.length / seconds))} orders/s, p50 ${quantile(0.5)}, p99 ${quantile(0.99)}`,
    ],
  ];
  if (counts.unknown > 0)
    rows.splice(3, 0, ['outcome unknown', `${count(counts.unknown)} (the answer got lost)`]);
  if (ranOut > 0) rows.push(['ran out', `${count(ranOut)} units that were held before this replay`]);
  console.log(`\n${rows.map(([name, value]) => `  ${name.padEnd(16)} ${value}`).join('\n')}`);
  for (const [reason, times] of reasons) console.error(`  ${count(times)} times: ${reason}`);
  for (const fault of faults.slice(0, 10)) console.error(`  ${fault}`);
  return oversold === 0 && faults.length === 0 && counts.failed === 0 ? 0 : 1;
}

/** Runs `work` for every item, at most `concurrency` at a time, in order, with a progress bar. */
async function eachOf<T>(
  title: string,
  items: T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const bar = new SingleBar(
    {
      format: `${title} {bar} {percentage} %  {value} of {total}  {rate}/s  {eta_formatted} left`,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 2000,
    },
    Presets.shades_classic,
  );
  const startedAt = performance.now();
  let next = 0;
  let done = 0;
  const rate = () => count(Math.round(done / Math.max(0.001, (performance.now() - startedAt) / 1000)));
  bar.start(items.length, 0, { rate: 0 });
  const lane = async () => {
    while (next < items.length) {
      await work(items[next++]);
      bar.update(++done, { rate: rate() });
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, lane));
  } finally {
    bar.stop();
  }
}

/** The file is our own and has no quoted fields. */
async function readStock() {
  const [, ...rows] = (await Bun.file(join(import.meta.dir, 'stock.csv')).text()).trimEnd().split('\n');
  return rows.map((row) => {
    const [sku, location, ...counts] = row.split(',');
    const [onHand, safetyStock, backorderLimit] = counts.map(Number);
    return { sku, location, onHand, safetyStock, backorderLimit };
  });
}

async function readOrders(): Promise<Order[]> {
  return Bun.JSONL.parse(await Bun.file(join(import.meta.dir, 'orders.ndjson')).text()) as Order[];
}

function count(number: number): string {
  return number.toLocaleString('en');
}
