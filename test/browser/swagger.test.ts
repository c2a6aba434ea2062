/**
 * /swagger as a person uses it, in a real browser: the page works with nothing but this server, and
 * its "Execute" puts stock and makes a reservation, and goes on with a key when one is needed.
 */

import { expect, test } from 'bun:test';
import type { Browser, Page } from 'playwright-core';
import { bearer, createKey } from '../helpers/api-keys.ts';
import { browserIsMissing, launchBrowser, watchPage } from '../helpers/browser.ts';
import { startServer, type TestServer, until } from '../helpers/server.ts';

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
      const key = await createKey(server.home, '--scope', 'read');
      await authorize(page, server, key);
      expect(await execute(page, 'operations-Stock-getStock')).toBe('200');
      if (PICTURE) await page.screenshot({ path: PICTURE, fullPage: true });

      expect(elsewhere()).toEqual([]);
      expect(requested.filter((url) => url.includes('/swagger/')).length).toBeGreaterThanOrEqual(4);
      expect(complaints).toEqual([]);

      const stock = await (await fetch(`${server.url}/v1/stock/MUG-BLUE`, { headers: bearer(key) })).json();
      expect(stock).toMatchObject({ totals: { onHand: 40, reserved: 1 } });
    } finally {
      await browser?.close();
      await server.stop();
    }
  },
  60_000,
);

/** From the first key on everybody needs one: gives it to the page. */
async function authorize(page: Page, server: TestServer, key: string): Promise<void> {
  const isClosed = async (): Promise<boolean> =>
    (await fetch(`${server.url}/v1/stock/MUG-BLUE`)).status === 401;
  await until(isClosed, 2000, () => 'nobody needs a key yet');
  await page.locator('.auth-wrapper button.authorize').first().click();
  await page.locator('.modal-ux input').fill(key);
  await page.locator('.modal-ux button.authorize').click();
  await page.locator('.modal-ux button.btn-done').click();
}

/** Opens a call, executes it with the example that is filled in, and gives the status that came back. */
async function execute(page: Page, id: string): Promise<string> {
  const call = page.locator(`#${id}`);
  await call.locator('.opblock-summary-control').click();
  await call.locator('button.execute').click();
  const status = call.locator('.live-responses-table .response-col_status').last();
  await status.waitFor();
  return ((await status.textContent()) ?? '').trim().slice(0, 3);
}
