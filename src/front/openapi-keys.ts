/**
 * What the document says of API keys: the same of every call, but for the scope that it needs. So it is added to the
 * whole document, by the rules that the front itself goes by.
 */
import type { ProblemCode } from '../reservations/outcomes.ts';
import { problemResponses } from './describe.ts';
import { needOf } from './needs.ts';

const SCHEME = 'apiKey';
const REFUSALS: ProblemCode[] = ['unauthorized', 'forbidden', 'rate-limited', 'keys-unavailable'];

const header = (description: string, example: string) => ({
  description,
  example,
  schema: { type: 'string' },
});
const CHALLENGE = header(
  'What is missing (RFC 6750); for a scope, which.',
  'Bearer realm="holdfast", error="insufficient_scope", scope="stock"',
);
const HEADERS = {
  RateLimit: header(
    'Where the key has a rate: requests left (`r`), and seconds until all of them are there again (`t`), at this front.',
    '"key";r=499;t=1',
  ),
  'RateLimit-Policy': header(
    'Where the key has a rate: requests (`q`) in so many seconds (`w`) that this front grants: its share of the rate.',
    '"key";q=500;w=1',
  ),
};

/** The part of the document that is changed. */
export interface Document {
  components: Record<string, object>;
  paths: Record<string, Record<string, Operation>>;
}
interface Operation {
  description: string;
  security?: object[];
  responses: Record<string, Answer>;
}
interface Answer {
  description: string;
  headers?: Record<string, object>;
  content?: Record<string, { examples?: object }>;
}

export function describeKeys(document: Document): void {
  document.components.headers = HEADERS;
  document.components.securitySchemes = {
    [SCHEME]: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'hf_<id>_<secret>',
      description:
        'An API key, as `bun run keys create` shows it. Nobody needs one as long as there has never been one.',
    },
  };
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(operations))
      describeNeed(operation, needOf(method.toUpperCase(), path));
}

function describeNeed(operation: Operation, need: string): void {
  if (need === 'nothing') return;
  operation.security = [{ [SCHEME]: [] }];
  operation.description += ` Needs the scope \`${need}\`.`;
  for (const [status, refusal] of Object.entries(problemResponses(REFUSALS) as Record<string, Answer>))
    operation.responses[status] = both(operation.responses[status], refusal);
  for (const [status, answer] of Object.entries(operation.responses)) {
    answer.headers = { ...answer.headers, ...rateHeaders(status) };
    if (status === '401' || status === '403')
      answer.headers['WWW-Authenticate'] = { ...CHALLENGE, required: true };
  }
}

/** Only a key with a rate has them, and only such a key is refused for its rate. */
function rateHeaders(status: string): Record<string, object> {
  return Object.fromEntries(
    Object.entries(HEADERS).map(([name, described]) => [
      name,
      status === '429' ? { ...described, required: true } : { $ref: `#/components/headers/${name}` },
    ]),
  );
}

const PROBLEM = 'application/problem+json';

/** One response for the problems of two that share a status. */
function both(first: Answer | undefined, second: Answer): Answer {
  if (first === undefined) return second;
  const examples = { ...first.content?.[PROBLEM]?.examples, ...second.content?.[PROBLEM]?.examples };
  return {
    description: `${first.description} ${second.description}`,
    headers: { ...first.headers, ...second.headers },
    content: { ...first.content, [PROBLEM]: { ...first.content?.[PROBLEM], examples } },
  };
}
