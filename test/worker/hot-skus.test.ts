/** The sketch of what is asked for, against exact counts of the same lines. */
import { expect, test } from 'bun:test';
import { HOT_FADE_MS, HOT_SKUS_TOLD } from '../../src/limits.ts';
import { HotSkus } from '../../src/worker/hot-skus.ts';
import { Locations, Snapshot } from '../../src/worker/snapshot.ts';
import { seeded } from '../helpers/shop.ts';

const SKUS = 5000;
const SECONDS = 30;
const LINES_PER_SECOND = 2000;
const START = 1_800_000_000_000;

function stocked(): { partition: number; snapshot: Snapshot } {
  const snapshot = new Snapshot(new Locations());
  for (let sku = 0; sku < SKUS; sku++) {
    const level = snapshot.addLevel(`SKU-${sku}`, 'berlin');
    snapshot.onHand[level] = 100;
  }
  return { partition: 7, snapshot };
}
const line = (sku: number) => ({ line: 0, sku: `SKU-${sku}`, quantity: 1 });

test('the hottest SKUs of a sale are found among thousands, with how often they are asked for and what is left', () => {
  const shelf = stocked();
  const hot = new HotSkus();
  const random = seeded(1);
  // Ten SKUs have 2 to 20 % of the lines each; thousands of others share what is left.
  const shares = [0.2, 0.12, 0.09, 0.07, 0.05, 0.04, 0.03, 0.025, 0.022, 0.02];
  const draw = (): number => {
    let at = random();
    for (const [sku, share] of shares.entries()) {
      if (at < share) return sku;
      at -= share;
    }
    return shares.length + Math.floor(random() * (SKUS - shares.length));
  };
  for (let i = 0; i < SECONDS * LINES_PER_SECOND; i++)
    hot.count(shelf, [line(draw())], START + (i * 1000) / LINES_PER_SECOND);
  const level = shelf.snapshot.levelAt(shelf.snapshot.findSku('SKU-0'), 'berlin');
  shelf.snapshot.reserved[level] = 98;

  const told = hot.hottest(START + SECONDS * 1000, () => shelf.snapshot);
  expect(told.length).toBeLessThanOrEqual(HOT_SKUS_TOLD);
  expect(new Set(told.slice(0, 6).map(({ sku }) => sku))).toEqual(
    new Set([0, 1, 2, 3, 4, 5].map((sku) => `SKU-${sku}`)),
  );
  expect(told[0]).toMatchObject({ partition: 7, sku: 'SKU-0', onHand: 100, reserved: 98, available: 2 });
  expect(told[0].asked / (0.2 * LINES_PER_SECOND)).toBeWithin(0.8, 1.2);
  expect(told[1].asked / (0.12 * LINES_PER_SECOND)).toBeWithin(0.75, 1.25);
});

test('what nobody asks for any more fades, and what was never stocked is not counted', () => {
  const shelf = stocked();
  const hot = new HotSkus();
  const ask = (sku: number, from: number): void => {
    for (let i = 0; i < 5000; i++) hot.count(shelf, [line(sku)], from + i);
  };
  ask(1, START);
  ask(2, START + 5000 + 4 * HOT_FADE_MS);
  ask(SKUS, START + 10_000 + 4 * HOT_FADE_MS);
  const told = hot.hottest(START + 10_000 + 4 * HOT_FADE_MS, () => shelf.snapshot);
  expect(told.map(({ sku }) => sku)).toEqual(['SKU-2', 'SKU-1']);
  expect(told[1].asked).toBeLessThan(told[0].asked / 20);
});

test('every line of a large order counts, and a rhythm hides none', () => {
  const shelf = stocked();
  const hot = new HotSkus();
  const order = Array.from({ length: 96 }, (_, i) => line(i % 8));
  for (let i = 0; i < 1000; i++) hot.count(shelf, order, START + i * 10);
  const told = hot.hottest(START + 10_000, () => shelf.snapshot);
  expect(told.map(({ sku }) => sku).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((sku) => `SKU-${sku}`));
  for (const { asked } of told) expect(asked / 1200).toBeWithin(0.7, 1.1);
});

test('it goes on for days, and survives a clock that is set back', () => {
  const shelf = stocked();
  const hot = new HotSkus();
  for (let day = 0; day < 20; day++)
    for (let i = 0; i < 2000; i++) hot.count(shelf, [line(3)], START + day * 86_400_000 + i * 5);
  for (let i = 0; i < 4000; i++) hot.count(shelf, [line(4)], START + i * 5);
  const told = hot.hottest(START + 20_000, () => shelf.snapshot);
  expect(told.map(({ sku }) => sku)).toContain('SKU-4');
  for (const { asked } of told) expect(asked).toBeLessThan(1e4);
});

test('a partition that has come back and is not loaded yet tells nothing', () => {
  const shelf = stocked();
  const hot = new HotSkus();
  for (let i = 0; i < 1000; i++) hot.count(shelf, [line(3)], START + i);
  const loading = new Snapshot(new Locations());
  expect(hot.hottest(START + 1000, () => loading)).toEqual([]);
  loading.addLevel('SKU-0', 'x');
  expect(hot.hottest(START + 1000, () => loading)).toEqual([]);
});
