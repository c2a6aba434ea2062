/**
 * The pictures of the README: `bun run screenshots` starts a server, lets the shop of examples/ sell for some
 * minutes, and writes docs/images/. The load is real, and rises and falls so that curves can be told from lines.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { type Order, ShopClient } from '../../examples/shop-client.ts';
import { launchBrowser } from '../helpers/browser.ts';
import { REPOSITORY, startServer } from '../helpers/server.ts';

const FOLDER = join(REPOSITORY, 'docs', 'images');
const LOAD_SECONDS = 118;
const CLIENTS = 24;
/** So many times the shop's stock, for its orders to come so many times. */
const STOCK_FACTOR = 3;
const WAVE_SECONDS = 70;

mkdirSync(FOLDER, { recursive: true });
const server = await startServer({ env: { HOLDFAST_FRONTS: '1', HOLDFAST_WORKERS: '2' } });
const browser = await launchBrowser();
try {
  await stockUp();
  const wide = await open(
    browser,
    { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
    '/dashboard',
  );
  const phone = await open(
    browser,
    { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2 },
    '/dashboard',
  );
  const selling = sell(LOAD_SECONDS);
  await Bun.sleep((LOAD_SECONDS - 6) * 1000);
  await wide.screenshot({ path: join(FOLDER, 'dashboard-light.png'), fullPage: true });
  await wide.emulateMedia({ colorScheme: 'dark' });
  await Bun.sleep(1000);
  await wide.screenshot({ path: join(FOLDER, 'dashboard-dark.png'), fullPage: true });
  await phone.screenshot({ path: join(FOLDER, 'dashboard-phone.png') });
  await selling;
  const swagger = await open(browser, { viewport: { width: 1200, height: 900 } }, '/swagger');
  await swagger.locator('.opblock').last().waitFor();
  await swagger.screenshot({ path: join(FOLDER, 'swagger.png') });
} finally {
  await browser.close();
  await server.stop();
}

async function open(within: Browser, options: BrowserContextOptions, path: string) {
  const page = await (await within.newContext({ timezoneId: 'UTC', ...options })).newPage();
  await page.goto(`${server.url}${path}`);
  return page;
}

async function stockUp(): Promise<void> {
  const csv = await Bun.file(join(REPOSITORY, 'examples', 'stock.csv')).text();
  const [header, ...lines] = csv.trim().split('\n');
  const onHand = header.split(',').indexOf('onHand');
  const more = lines.map((line) => {
    const cells = line.split(',');
    cells[onHand] = String(Number(cells[onHand]) * STOCK_FACTOR);
    return cells.join(',');
  });
  const body = [header, ...more].join('\n');
  const headers = { 'content-type': 'text/csv' };
  await fetch(`${server.url}/v1/stock/import`, { method: 'POST', headers, body });
}

async function sell(seconds: number): Promise<void> {
  const lines = (await Bun.file(join(REPOSITORY, 'examples', 'orders.ndjson')).text()).trim().split('\n');
  const orders = lines.map((line) => JSON.parse(line) as Order);
  const client = new ShopClient(server.url);
  const startedAt = Date.now();
  let next = 0;
  const buy = async (number: number): Promise<void> => {
    for (;;) {
      const second = (Date.now() - startedAt) / 1000;
      if (second > seconds) return;
      const wanted = CLIENTS * (0.6 - 0.4 * Math.cos((2 * Math.PI * second) / WAVE_SECONDS));
      if (number < wanted) await client.place(orders[next++ % orders.length]);
      await Bun.sleep(number < wanted ? 30 : 200);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => buy(number)));
}
