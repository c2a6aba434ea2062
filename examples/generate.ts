/**
 * Makes examples/stock.csv and examples/orders.ndjson: the stock of a shop with two warehouses and four
 * stores, and the orders of a busy day. From a seed, so that running it again gives the same bytes.
 *
 *   bun examples/generate.ts
 *
 * Demand follows Zipf's law over shuffled products. The shop has ordered in proportion to demand, give
 * or take, as shops do: of some products too much, of others too little, so these sell out.
 */
import { join } from 'node:path';
import { seededRandom, shuffled, zipf } from './random.ts';

const SEED = 20_260_301;
const ORDERS = 10_000;

const CLOTHES_SIZES = ['XS', 'S', 'M', 'L', 'XL', 'XXL'];
const SHOE_SIZES = ['37', '38', '39', '40', '41', '42', '43', '44', '45'];
const ONE_SIZE = [''];
const CATEGORIES: { name: string; colours: string[]; sizes: string[] }[] = [
  {
    name: 'TSHIRT',
    colours: ['BLK', 'WHT', 'NVY', 'GRY', 'RED', 'GRN', 'BLU', 'YEL', 'ORG', 'PNK'],
    sizes: CLOTHES_SIZES,
  },
  { name: 'LONGSLEEVE', colours: ['BLK', 'WHT', 'NVY', 'GRY', 'GRN', 'BLU'], sizes: CLOTHES_SIZES },
  { name: 'POLO', colours: ['BLK', 'WHT', 'NVY', 'GRN', 'RED'], sizes: CLOTHES_SIZES },
  { name: 'SWEATER', colours: ['BLK', 'GRY', 'NVY', 'BEI', 'OLV'], sizes: CLOTHES_SIZES },
  { name: 'DRESS', colours: ['BLK', 'RED', 'NVY', 'FLR', 'GRN'], sizes: CLOTHES_SIZES },
  { name: 'SKIRT', colours: ['BLK', 'NVY', 'BEI', 'FLR'], sizes: CLOTHES_SIZES },
  { name: 'LEGGINGS', colours: ['BLK', 'GRY', 'NVY'], sizes: CLOTHES_SIZES },
  { name: 'HOODIE', colours: ['BLK', 'GRY', 'NVY', 'GRN', 'RED', 'PNK'], sizes: CLOTHES_SIZES },
  { name: 'JACKET', colours: ['BLK', 'NVY', 'OLV', 'GRY'], sizes: CLOTHES_SIZES },
  { name: 'JEANS', colours: ['BLU', 'BLK', 'GRY', 'WHT'], sizes: ['28', '30', '31', '32', '33', '34', '36'] },
  { name: 'SHORTS', colours: ['BLK', 'NVY', 'OLV', 'BEI'], sizes: CLOTHES_SIZES },
  { name: 'SNEAKER', colours: ['WHT', 'BLK', 'RED', 'BLU', 'GRN'], sizes: SHOE_SIZES },
  { name: 'RUNNER', colours: ['WHT', 'BLK', 'ORG', 'BLU'], sizes: SHOE_SIZES },
  { name: 'SANDAL', colours: ['BLK', 'BRN', 'TAN'], sizes: SHOE_SIZES },
  { name: 'BOOT', colours: ['BLK', 'BRN', 'TAN'], sizes: SHOE_SIZES },
  { name: 'SOCKS', colours: ['BLK', 'WHT', 'GRY', 'NVY', 'RED', 'GRN'], sizes: ['S', 'M', 'L'] },
  { name: 'BELT', colours: ['BLK', 'BRN', 'TAN'], sizes: ['85', '95', '105'] },
  { name: 'GLOVES', colours: ['BLK', 'BRN', 'GRY'], sizes: ['S', 'M', 'L'] },
  { name: 'SCARF', colours: ['BLK', 'GRY', 'RED', 'NVY', 'BEI'], sizes: ONE_SIZE },
  { name: 'CAP', colours: ['BLK', 'WHT', 'NVY', 'GRN', 'RED', 'BEI'], sizes: ONE_SIZE },
  { name: 'BEANIE', colours: ['BLK', 'GRY', 'NVY', 'RED', 'OLV', 'YEL'], sizes: ONE_SIZE },
  { name: 'BACKPACK', colours: ['BLK', 'GRY', 'NVY', 'OLV', 'RED'], sizes: ['20L', '30L'] },
  { name: 'TOTE', colours: ['NAT', 'BLK', 'NVY', 'RED'], sizes: ONE_SIZE },
  { name: 'MUG', colours: ['BLU', 'WHT', 'BLK', 'RED', 'GRN', 'YEL'], sizes: ONE_SIZE },
  { name: 'BOTTLE', colours: ['BLK', 'WHT', 'BLU', 'GRN', 'ORG'], sizes: ['05L', '10L'] },
];
/** How much of a product each location takes, and how likely it stocks the product at all. */
const LOCATIONS = [
  { name: 'warehouse-berlin', share: 0.4, stocks: 1 },
  { name: 'warehouse-lyon', share: 0.25, stocks: 0.97 },
  { name: 'store-hamburg', share: 0.1, stocks: 0.75 },
  { name: 'store-munich', share: 0.1, stocks: 0.7 },
  { name: 'store-vienna', share: 0.08, stocks: 0.6 },
  { name: 'store-amsterdam', share: 0.07, stocks: 0.55 },
];
const STORE = /^store-/;

/** Lines of an order and units of a line, with how often each occurs; the frequencies add up to 1. */
const LINES = [0.42, 0.28, 0.16, 0.09, 0.05];
const UNITS = [0.78, 0.15, 0.05, 0.02];
/** Orders of one line or more to be picked up at a store. */
const PICKED_UP = 0.12;
const UNITS_EXPECTED = ORDERS * mean(LINES) * mean(UNITS);

interface Product {
  sku: string;
  /** Stores that stock it. */
  stores: string[];
}

export function generate(): { stock: string; orders: string } {
  const random = seededRandom(SEED);
  const skus = CATEGORIES.flatMap(({ name, colours, sizes }) =>
    colours.flatMap((colour) => sizes.map((size) => [name, colour, size].filter(Boolean).join('-'))),
  );
  const ranked = shuffled(skus, random);
  const rankOf = new Map(ranked.map((sku, rank) => [sku, rank]));
  const products: Product[] = [];
  let stock = 'sku,location,onHand,safetyStock,backorderLimit\n';
  for (const sku of skus) {
    const rank = rankOf.get(sku)!;
    const { rows, stores } = stockOf(sku, expectedDemand(rank, skus.length), random);
    stock += rows;
    products[rank] = { sku, stores };
  }
  return { stock, orders: ordersOf(products, random) };
}

function expectedDemand(rank: number, products: number): number {
  let total = 0;
  for (let other = 1; other <= products; other++) total += 1 / other;
  return UNITS_EXPECTED / (rank + 1) / total;
}

function stockOf(sku: string, demand: number, random: () => number): { rows: string; stores: string[] } {
  // The planner's error: a mean of three draws, most often near 1.2 times the demand.
  const planned = demand * (0.3 + 0.6 * (random() + random() + random()));
  let rows = '';
  const stores: string[] = [];
  for (const { name, share, stocks } of LOCATIONS) {
    if (random() >= stocks) continue;
    const isStore = STORE.test(name);
    const onHand = Math.max(isStore ? 1 : 3, Math.round(planned * share * (0.7 + 0.6 * random())));
    // A store keeps one on display; a warehouse promises what a supplier is known to deliver.
    const safetyStock = isStore && onHand > 3 && random() < 0.3 ? 1 : 0;
    const backorderLimit = !isStore && random() < 0.06 ? 5 * (1 + Math.floor(random() * 4)) : 0;
    rows += `${sku},${name},${onHand},${safetyStock},${backorderLimit}\n`;
    if (isStore) stores.push(name);
  }
  return { rows, stores };
}

function ordersOf(products: Product[], random: () => number): string {
  const draw = zipf(products.length, random);
  let orders = '';
  for (let number = 1; number <= ORDERS; number++) {
    const chosen = new Set<Product>();
    const lines = 1 + pick(LINES, random);
    while (chosen.size < lines) chosen.add(products[draw()]);
    const pickedUp = random() < PICKED_UP;
    const body = {
      lines: [...chosen].map(({ sku, stores }) => {
        const line = { sku, quantity: 1 + pick(UNITS, random) };
        if (!pickedUp || stores.length === 0) return line;
        return { ...line, location: stores[Math.floor(random() * stores.length)] };
      }),
      reference: `order-${String(number).padStart(6, '0')}`,
    };
    orders += `${JSON.stringify(body)}\n`;
  }
  return orders;
}

function pick(frequencies: number[], random: () => number): number {
  let left = random();
  for (let index = 0; index < frequencies.length - 1; index++) {
    left -= frequencies[index];
    if (left < 0) return index;
  }
  return frequencies.length - 1;
}

/** Of counts that start at 1. */
function mean(frequencies: number[]): number {
  return frequencies.reduce((sum, frequency, index) => sum + frequency * (index + 1), 0);
}

if (import.meta.main) {
  const { stock, orders } = generate();
  await Bun.write(join(import.meta.dir, 'stock.csv'), stock);
  await Bun.write(join(import.meta.dir, 'orders.ndjson'), orders);
}
