/** The document at /swagger/json: gathered from the routes once, when the front starts. */
import { swagger } from '@elysiajs/swagger';
import { type AnyElysia, Elysia } from 'elysia';
import packageJson from '../../package.json' with { type: 'json' };
import { type Document, describeKeys } from './openapi-keys.ts';
import { SCHEMAS } from './schemas.ts';

const SPEC_PATH = '/spec.json';

/** @returns the document as JSON */
export async function openApiOf(routes: AnyElysia): Promise<string> {
  const gathered = new Elysia()
    .use(
      swagger({
        provider: 'swagger-ui',
        path: '/page',
        specPath: SPEC_PATH,
        documentation: {
          info: {
            title: 'Holdfast',
            version: packageJson.version,
            description:
              'Reserves inventory and never promises the same unit twice. Quantities are whole units, times are RFC 3339 in UTC. Every error is `application/problem+json` (RFC 9457) with a stable `code`; [/problems](/problems) explains each of them. A 2xx is sent only after the database has committed what it says. Once there are API keys, every call but the checks of a load balancer needs one (Authorize). Every call takes `X-Request-Id`, which is then in its answer and in the log, and `traceparent` (W3C Trace Context).',
            license: { name: packageJson.license },
          },
          tags: [
            { name: 'Stock', description: 'What is there: one level for each SKU and location.' },
            { name: 'Reservations', description: 'What is promised.' },
            { name: 'Operation', description: 'For the people who run it.' },
          ],
          components: { schemas: JSON.parse(JSON.stringify(SCHEMAS)) },
        },
      }),
    )
    .use(routes);
  const response = await gathered.handle(new Request(`http://holdfast${SPEC_PATH}`));
  const document = (await response.json()) as Document;
  describeKeys(document);
  return JSON.stringify(document);
}
