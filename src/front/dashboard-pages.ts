/**
 * /dashboard: a page and its parts, as they are in src/dashboard and node_modules; nothing is built. Types are taken
 * out of the scripts when the front starts, which leaves what a browser reads as it is written.
 */
import { dirname, join } from 'node:path';
import { type Asset, htmlResponse } from './pages.ts';

const FOLDER = join(import.meta.dir, '..', 'dashboard');
const UPLOT_FOLDER = dirname(Bun.resolveSync('uplot/package.json', import.meta.dir));
const JAVASCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

const SCRIPTS = ['page', 'connection', 'overview', 'charts', 'heat-map', 'tables', 'dom', 'format'];
const FILES = { 'dashboard.css': CSS, 'icon.svg': 'image/svg+xml' };
const UPLOT = { 'uPlot.iife.min.js': JAVASCRIPT, 'uPlot.min.css': CSS };

/** Scripts and styles of this server alone, and none within the page. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export async function dashboardPages(): Promise<{ page(): Response; assets: Asset[] }> {
  const { version } = await Bun.file(join(UPLOT_FOLDER, 'package.json')).json();
  const uplot = `/dashboard/uplot/${version}`;
  const html = (await Bun.file(join(FOLDER, 'index.html')).text()).replaceAll('{uplot}', uplot);
  const plain = new Bun.Transpiler({ loader: 'ts', target: 'browser' });
  const assets: Asset[] = [];
  const add = (path: string, body: () => Bun.BunFile | string, type: string, cache = 'no-cache'): void => {
    const headers = { 'content-type': type, 'cache-control': cache, 'x-content-type-options': 'nosniff' };
    assets.push({ path, response: () => new Response(body(), { headers }) });
  };
  for (const name of SCRIPTS) {
    const script = plain.transformSync(await Bun.file(join(FOLDER, `${name}.ts`)).text());
    add(`/dashboard/assets/${name}.ts`, () => script, JAVASCRIPT);
  }
  for (const [name, type] of Object.entries(FILES))
    add(`/dashboard/assets/${name}`, () => Bun.file(join(FOLDER, name)), type);
  // Named with the version of the package, so that they never change under a name.
  for (const [name, type] of Object.entries(UPLOT))
    add(
      `${uplot}/${name}`,
      () => Bun.file(join(UPLOT_FOLDER, 'dist', name)),
      type,
      'public, max-age=31536000, immutable',
    );
  return { page: () => htmlResponse(html, POLICY), assets };
}
