/**
 * Pages for people: Swagger UI, served whole from this server because it must work without internet,
 * and one page for each problem code, where the `type` of a problem points.
 */
import { dirname, join } from 'node:path';
import { PROBLEMS, type Problem } from '../reservations/outcomes.ts';

const ASSET_FOLDER = dirname(Bun.resolveSync('swagger-ui-dist/package.json', import.meta.dir));
/** Named with the version of the package, so that they never change under a name and may be cached for good. */
const ASSETS = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

/** Everything on these pages comes from this server; the styles that Swagger UI sets itself are allowed. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface Asset {
  path: string;
  response(): Response;
}

export async function swaggerPages(): Promise<{ page(): Response; assets: Asset[] }> {
  const { version } = await Bun.file(join(ASSET_FOLDER, 'package.json')).json();
  const folder = `/swagger/assets/${version}`;
  const assets: Asset[] = Object.entries(ASSETS).map(([name, type]) => ({
    path: `${folder}/${name}`,
    response: () =>
      new Response(Bun.file(join(ASSET_FOLDER, name)), {
        headers: { 'content-type': type, 'cache-control': 'public, max-age=31536000, immutable' },
      }),
  }));
  assets.push({
    path: '/swagger/start.js',
    response: () =>
      new Response(START_SWAGGER, {
        headers: { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache' },
      }),
  });
  const page = html(
    'Holdfast API',
    `<link rel="stylesheet" href="${folder}/swagger-ui.css"><link rel="icon" href="${folder}/favicon-32x32.png">`,
    `<div id="swagger-ui"></div><noscript>The document is at <a href="/swagger/json">/swagger/json</a>.</noscript>
<script src="${folder}/swagger-ui-bundle.js"></script><script src="/swagger/start.js"></script>`,
  );
  return { page: () => htmlResponse(page), assets };
}

const START_SWAGGER = `SwaggerUIBundle({
  url: '/swagger/json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;

const PROBLEM_STYLE =
  '<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1b1f24}code{background:#eef1f4;padding:.1em .3em;border-radius:3px}dt{font-weight:600}dd{margin:0 0 .8rem}</style>';

export function problemPage({ code, title, status, explanation, retryAfter }: Problem): Response {
  const retry =
    retryAfter === undefined
      ? ''
      : `<p>The answer carries <code>Retry-After: ${retryAfter}</code>, in seconds.</p>`;
  return htmlResponse(
    html(
      title,
      PROBLEM_STYLE,
      `<h1>${escaped(title)}</h1><p><code>${code}</code>, HTTP status ${status}</p><p>${escaped(explanation).replace(/`([^`]+)`/g, '<code>$1</code>')}</p>${retry}<p><a href="/problems">All problems</a> · <a href="/swagger">API</a></p>`,
    ),
  );
}

export function problemIndex(): Response {
  const entries = PROBLEMS.map(
    ({ code, title, status }) =>
      `<dt><a href="/problems/${code}"><code>${code}</code></a></dt><dd>${status} · ${escaped(title)}</dd>`,
  );
  return htmlResponse(
    html('Problems', PROBLEM_STYLE, `<h1>Problems that Holdfast answers</h1><dl>${entries.join('')}</dl>`),
  );
}

function html(title: string, head: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>${head}</head>
<body>${body}</body></html>
`;
}

export function htmlResponse(page: string, policy = POLICY): Response {
  return new Response(page, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
    },
  });
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
