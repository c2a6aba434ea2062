/**
 * A real Chromium for the tests of pages, and what it must not do: ask another machine, or complain. Where there is
 * none, these tests are skipped; with CI set, they fail.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const present = existsSync(CHROMIUM);
export const browserIsMissing = !present && !process.env.CI;
if (browserIsMissing) console.log(`skipped: there is no browser at ${CHROMIUM} (CHROMIUM names another)`);

export async function launchBrowser(): Promise<Browser> {
  if (!present) throw new Error(`there is no browser at ${CHROMIUM}; install Debian's package chromium`);
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** What a page asks for and complains about from now on. @param origin of the only server that it may ask */
export function watchPage(page: Page, origin: string) {
  const requested: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requested.push(request.url()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`));
  const elsewhere = (): string[] =>
    requested.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith('data:'));
  return { requested, complaints, elsewhere };
}
