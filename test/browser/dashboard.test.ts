/**
 * /dashboard as an operator sees it, in a real browser, over a real server: what moves under load, what a killed
 * worker and a killed front look like, and that it can be read on a phone, in the dark, and by keyboard.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { browserIsMissing, launchBrowser, watchPage } from '../helpers/browser.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';

const HOT = 'SNEAKER-RED-42';
const OTHERS = 40;
const UNITS = 60;
const BUYERS = 4;
const MOVES_WITHIN_MS = 15_000;

let server: TestServer;
let browser: Browser;
let page: Page;
let watched: ReturnType<typeof watchPage>;

describe.skipIf(browserIsMissing)('the dashboard', () => {
  beforeAll(async () => {
    server = await startServer({ env: { HOLDFAST_FRONTS: '1', HOLDFAST_WORKERS: '2' } });
    browser = await launchBrowser();
    page = await open({ viewport: { width: 1440, height: 900 } });
  }, 60_000);
  afterAll(async () => {
    // With pages open, whose streams must not hold up the stop.
    await server?.stop();
    await browser?.close();
  }, 60_000);

  test('says so where there is nothing to show yet', async () => {
    await reads('#connection', /^Live$/);
    await reads('#verdict-text', /^Healthy/);
    await reads('#charts', /No traffic yet/);
    await reads('#facts', /256 of 256.*answers/);
    const empty = page.locator('.empty:visible');
    expect((await empty.allTextContents()).sort()).toEqual([
      'No commits yet',
      'No traffic yet',
      'No traffic yet',
      'No traffic yet',
      'Nothing was refused yet',
    ]);
  }, 30_000);

  test('moves under load: rates, curves, the hottest SKU with its stock, and why orders are refused', async () => {
    await stockUp();
    const stopBuying = startBuying();
    try {
      await until(
        async () => (await tile('Requests')) > 20 && (await tile('Out of stock')) > 5,
        MOVES_WITHIN_MS,
        () => 'requests do not show',
      );
      await reads('#hottest tbody tr:first-child', new RegExp(`^${HOT}.*sold out`));
      await reads('#problems tbody', /Not enough stock/);
      expect(await page.locator('#problems a').first().getAttribute('href')).toBe(
        '/problems/insufficient-stock',
      );
      expect(await tile('Open reservations')).toBeGreaterThan(UNITS - 1);
      expect(await page.locator('#charts canvas:visible').count()).toBe(4);
      await until(
        async () => /requests [\d,.]+\/s/.test((await labels()).join()),
        MOVES_WITHIN_MS,
        () => 'the curves have no words',
      );
      await page.locator('#figures summary').click();
      await reads('#points tbody tr:first-child', /^\d\d:\d\d:\d\d.*ms/);
    } finally {
      await stopBuying();
    }
    await until(
      async () => (await tile('Requests')) === 0,
      MOVES_WITHIN_MS,
      () => 'requests do not end',
    );
  }, 60_000);

  test('the partitions can be walked by keyboard and by pointer', async () => {
    const first = page.locator('[role="listbox"]').first();
    await page.mouse.move(0, 0);
    await first.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await reads(
      '#partition-detail',
      /^partition 33 · worker 0 · epoch \d+ · \d+ levels? · \d+ held · 0 waiting/,
    );
    expect(await first.getAttribute('aria-activedescendant')).toBe('partition-33');
    await page.locator('#partition-200').hover();
    await reads('#partition-detail', /^partition 200 · worker 1/);
    await page.getByLabel('levels', { exact: true }).check();
    await reads('#heat-scale', /^0 to \d+ levels$/);
  }, 30_000);

  test('a worker that was killed is seen to have come back', async () => {
    process.kill(server.workerPids()[0], 'SIGKILL');
    await until(
      async () => (await cellsOf('worker 0'))[3] === '1',
      MOVES_WITHIN_MS,
      () => 'the restart does not show',
    );
    await reads('#facts', /256 of 256/);
    await reads('#verdict-text', /^Healthy/);
    await reads('#processes', new RegExp(`worker 0${server.workerPids()[0]}`));
    expect(await page.locator('#connection').textContent()).toBe('Live');
  }, 30_000);

  test('asks no other machine, and has nothing to complain about', () => {
    expect(watched.elsewhere()).toEqual([]);
    expect(watched.requested.filter((url) => url.includes('/dashboard')).length).toBeGreaterThan(8);
    expect(watched.complaints).toEqual([]);
  });

  test('a front that was killed is said to be lost, and its return as well; the curves go on', async () => {
    const points = await page.locator('#points tbody tr').count();
    process.kill(server.frontPids()[0], 'SIGKILL');
    await reads('#connection', /^Connection lost at \d\d:\d\d:\d\d: .+ Trying again …$/);
    expect(await page.getAttribute('body', 'data-connection')).toBe('lost');
    await reads('#connection', /^Live: connected again after \d+ s$/);
    await reads('#verdict-text', /^Healthy/);
    expect(await page.title()).toBe('✓ Holdfast: healthy');
    await until(
      async () => (await cellsOf('front 0'))[3] === '1',
      MOVES_WITHIN_MS,
      () => 'the restart does not show',
    );
    expect(await page.locator('#points tbody tr').count()).toBeGreaterThanOrEqual(points);
    expect(watched.elsewhere()).toEqual([]);
  }, 30_000);

  test('asks for a key when the server does, sends it, and keeps it for the tab', async () => {
    const asked = await open({}, async (page) => {
      await page.route('**/dashboard/events', (route) => {
        const isRight = route.request().headers().authorization === 'Bearer right';
        return isRight ? route.continue() : route.fulfill({ status: 401 });
      });
    });
    await asked.locator('#key').fill('wrong');
    await asked.keyboard.press('Enter');
    await asked.getByText('This key is not good for it.').waitFor();
    expect(await asked.locator('#live').isVisible()).toBe(false);
    await asked.locator('#key').fill('right');
    await asked.keyboard.press('Enter');
    await reads('#connection', /^Live$/, asked);
    await asked.reload();
    await reads('#connection', /^Live$/, asked);
    expect(await asked.locator('#key-form').isVisible()).toBe(false);
  }, 30_000);

  test.each(['light', 'dark'] as const)(
    'can be read on a phone, %s: no sideways scrolling, contrast of 4.5',
    async (colorScheme) => {
      const phone = await open({ viewport: { width: 375, height: 812 }, colorScheme });
      const { complaints } = watchPage(phone, server.url);
      await reads('#processes', /worker 1/, phone);
      for (const summary of await phone.locator('summary').all()) await summary.click();
      await reads('#points', /\d\d:\d\d/, phone);
      expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(375);
      expect(await phone.evaluate(FAINT_TEXTS)).toEqual([]);
      const isDark =
        (await phone.evaluate('getComputedStyle(document.body).backgroundColor')) === 'rgb(13, 17, 23)';
      expect(isDark).toBe(colorScheme === 'dark');
      expect(complaints).toEqual([]);
    },
    30_000,
  );
});

async function open(
  options: BrowserContextOptions,
  prepare = async (_page: Page): Promise<void> => {},
): Promise<Page> {
  const opened = await (await browser.newContext(options)).newPage();
  await prepare(opened);
  watched ??= watchPage(opened, server.url);
  await opened.goto(`${server.url}/dashboard`);
  return opened;
}

/** Waits until an element reads like that. */
async function reads(selector: string, like: RegExp, on = page): Promise<void> {
  let text = '';
  await until(
    async () => {
      text = (await on.locator(selector).first().textContent()) ?? '';
      return like.test(text);
    },
    MOVES_WITHIN_MS,
    () => `${selector} reads ${JSON.stringify(text)}, which is not ${like}`,
  );
}

async function tile(name: string): Promise<number> {
  const text = await page.locator('#tiles > div', { hasText: name }).locator('dd').textContent();
  return Number.parseFloat((text ?? '').replaceAll(',', ''));
}

function labels(): Promise<string[]> {
  return page.locator('[role="img"]').evaluateAll((charts) => charts.map((chart) => chart.ariaLabel ?? ''));
}

async function cellsOf(process: string): Promise<string[]> {
  return page.locator('#processes tbody tr', { hasText: process }).locator('td').allTextContents();
}

async function stockUp(): Promise<void> {
  const skus = [HOT, ...Array.from({ length: OTHERS }, (_, i) => `SOCKS-${i}`)];
  const rows = skus.map((sku) => `${sku},berlin,${sku === HOT ? UNITS : 1_000_000}`);
  const body = ['sku,location,onHand', ...rows].join('\n');
  const headers = { 'content-type': 'text/csv' };
  const response = await fetch(`${server.url}/v1/stock/import`, { method: 'POST', headers, body });
  expect(response.status).toBe(200);
}

/** Half of the orders are for the hot one. @returns what ends it */
function startBuying(): () => Promise<unknown> {
  let buying = true;
  const buy = async (): Promise<void> => {
    for (let i = 0; buying; i++) {
      const sku = i % 2 === 0 ? HOT : `SOCKS-${i % OTHERS}`;
      const response = await fetch(`${server.url}/v1/reservations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ lines: [{ sku, quantity: 1 }] }),
      });
      expect([201, 409]).toContain(response.status);
      await Bun.sleep(5);
    }
  };
  const buyers = Promise.all(Array.from({ length: BUYERS }, buy));
  return () => {
    buying = false;
    return buyers;
  };
}

/** In the page: every text whose contrast to what is behind it is below 4.5 (WCAG 2.2, 1.4.3). */
const FAINT_TEXTS = `(() => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (rgb) => rgb.slice(0, 3)
    .map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { textContent, parentElement } = texts.currentNode;
    if (textContent.trim() === '' || !parentElement.checkVisibility()) continue;
    const [a, b] = [light(channels(getComputedStyle(parentElement).color)), light(behind(parentElement))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(textContent.trim() + ': ' + contrast.toFixed(2));
  }
  return faint;
})()`;
