/**
 * /swagger as a person uses it, in a real browser: the page works with nothing but this server, and
 * its "Execute" puts stock and makes a reservation.
 */

import { expect, test } from 'bun:test';
import type { Browser, Page } from 'playwright-core';
import { browserIsMissing, launchBrowser, watchPage } from '../helpers/browser.ts';
import { startServer } from '../helpers/server.ts';

/** Where a picture of the page is wanted, for a person to look at. */
const PICTURE = process.env.SWAGGER_PICTURE;

test.skipIf(browserIsMissing)(
  'Swagger UI shows every call and tries calls out, without internet',
  async () => {
    const server = await startServer();
    let browser: Browser | undefined;
    try {
      browser = await launchBrowser();
      const page = await browser.newPage({ viewport: { width: 1200, height: 1600 } });
      const { requested, complaints, elsewhere } = watchPage(page, server.url);

      await page.goto(`${server.url}/swagger`);
      await page.locator('#operations-Stock-putStockLevel').waitFor();
      const { paths } = (await (await fetch(`${server.url}/swagger/json`)).json()) as {
        paths: Record<string, object>;
      };
      const calls = Object.values(paths).flatMap((methods) => Object.keys(methods));
      expect(await page.locator('.opblock').count()).toBe(calls.length);
      expect(await page.locator('.title').first().textContent()).toContain('Holdfast');

      expect(await execute(page, 'operations-Stock-putStockLevel')).toBe('201');
      expect(await execute(page, 'operations-Reservations-createReservation')).toBe('201');
      if (PICTURE) await page.screenshot({ path: PICTURE, fullPage: true });

      expect(elsewhere()).toEqual([]);
      expect(requested.filter((url) => url.includes('/swagger/')).length).toBeGreaterThanOrEqual(4);
      expect(complaints).toEqual([]);

      const stock = await (await fetch(`${server.url}/v1/stock/MUG-BLUE`)).json();
      expect(stock).toMatchObject({ totals: { onHand: 40, reserved: 1 } });
    } finally {
      await browser?.close();
      await server.stop();
    }
  },
  60_000,
);

/** Opens a call, executes it with the example that is filled in, and gives the status that came back. */
async function execute(page: Page, id: string): Promise<string> {
  const call = page.locator(`#${id}`);
  await call.locator('.opblock-summary-control').click();
  await call.locator('button.execute').click();
  const status = call.locator('.live-responses-table .response-col_status').last();
  await status.waitFor();
  return ((await status.textContent()) ?? '').trim().slice(0, 3);
}
