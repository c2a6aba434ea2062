/**
 * One call as OpenAPI sees it, in the few words that differ from call to call. What every call shares,
 * such as the answers to a bad body, is added here, so that no call forgets it.
 */
import type { TObject, TSchema } from '@sinclair/typebox';
import type { DocumentDecoration } from 'elysia';
import { KEY_CHARACTERS_MAX, KEY_HOURS_DEFAULT } from '../limits.ts';
import { type Problem, type ProblemCode, problemOf } from '../reservations/outcomes.ts';
import type { SchemaName } from './schemas.ts';

type OpenApiResponse = NonNullable<DocumentDecoration['responses']>[string];
type OpenApiParameter = NonNullable<DocumentDecoration['parameters']>[number];

/** What is sent as text, by its media type. */
type Texts = Record<string, { description: string; example: string }>;

interface Success {
  description: string;
  schema?: SchemaName;
  example?: unknown;
  texts?: Texts;
  headers?: Record<string, { description: string; example: string; required?: boolean }>;
}

export interface Call {
  id: string;
  tag: string;
  summary: string;
  description: string;
  parameters?: OpenApiParameter[];
  body?: { required: boolean; schema?: SchemaName; examples?: Record<string, unknown>; texts?: Texts };
  success: Record<number, Success>;
  /** Beside those that every call, or every call with a body, has. */
  problems?: ProblemCode[];
  /** It takes an Idempotency-Key. */
  keyed?: true;
}

const WITH_UPLOAD: ProblemCode[] = ['request-timeout', 'unsupported-media-type', 'invalid-request'];
const WITH_JSON: ProblemCode[] = ['invalid-json', 'body-too-large', ...WITH_UPLOAD];

const KEY = headerParameter(
  'Idempotency-Key',
  `1 to ${KEY_CHARACTERS_MAX} printable ASCII characters, quoted or bare. A request that is repeated with its key takes effect once and gets the first answer again; with another payload it is refused. Remembered for ${KEY_HOURS_DEFAULT} h, unless the server is set up otherwise.`,
);
const REPLAYED = {
  'Idempotency-Replayed': {
    description:
      'There, and `true`, where the answer is that of an earlier request with this Idempotency-Key.',
    example: 'true',
    required: false,
  },
};

/** Of what is read from memory. */
export const AGE = {
  Age: {
    description:
      'Only while the database is away: seconds since it was last heard of (RFC 9111). The levels are those that it had committed then.',
    example: '12',
    required: false,
  },
};

/** Every answer has it. */
const REQUEST_ID = {
  'X-Request-Id': {
    description: `The request's id, also in the log of the server: the one that it was sent with, or else a new one.`,
    required: true,
    example: '5f0c2a91-3k',
    schema: { type: 'string' as const },
  },
};

export function describe(call: Call): DocumentDecoration {
  const responses: Record<string, OpenApiResponse> = {};
  for (const [status, success] of Object.entries(call.success)) {
    const headers = call.keyed ? { ...success.headers, ...REPLAYED } : success.headers;
    responses[status] = successResponse({ ...success, headers });
  }
  const withBody = call.body === undefined ? [] : call.body.schema === undefined ? WITH_UPLOAD : WITH_JSON;
  const codes = [
    ...(call.problems ?? []),
    ...(call.keyed ? (['idempotency-key-reused'] as const) : []),
    ...withBody,
    'internal-error' as const,
  ];
  Object.assign(responses, problemResponses(codes));
  return {
    operationId: call.id,
    tags: [call.tag],
    summary: call.summary,
    description: call.description,
    parameters: [...(call.parameters ?? []), ...(call.keyed ? [KEY] : [])],
    responses,
    ...(call.body && {
      requestBody: {
        required: call.body.required,
        content: {
          ...(call.body.schema && {
            'application/json': { schema: reference(call.body.schema), ...named(call.body.examples ?? {}) },
          }),
          ...textContent(call.body.texts),
        },
      },
    }),
  };
}

export function pathParameter(name: string, schema: TSchema, example: string): OpenApiParameter {
  const { description, ...rest } = schema;
  return { name, in: 'path', required: true, description, schema: rest, example };
}

export function headerParameter(name: string, description: string): OpenApiParameter {
  return { name, in: 'header', required: false, description, schema: { type: 'string' } };
}

function textContent(texts: Texts = {}) {
  return mapValues(texts, ({ description, example }) => ({
    schema: { type: 'string' as const, description },
    example,
  }));
}

/** One for each property of the schema, in its order. */
export function queryParameters(schema: TObject, examples: Record<string, unknown>): OpenApiParameter[] {
  return Object.entries(schema.properties).map(([name, property]) => {
    const { description, ...rest } = property;
    return { name, in: 'query', required: false, description, schema: rest, example: examples[name] };
  });
}

function successResponse({ description, schema, example, texts, headers }: Success): OpenApiResponse {
  return {
    description,
    headers: {
      ...mapValues(headers ?? {}, (header) => ({
        required: true,
        ...header,
        schema: { type: 'string' as const },
      })),
      ...REQUEST_ID,
    },
    content: {
      ...(schema && { 'application/json': { schema: reference(schema), example } }),
      ...textContent(texts),
    },
  };
}

/** Codes that share a status share a response, with an example for each. */
export function problemResponses(codes: ProblemCode[]): Record<string, OpenApiResponse> {
  const byStatus = Object.groupBy(codes, (code) => problemOf(code).status);
  return mapValues(byStatus as Record<string, ProblemCode[]>, (sharing) => {
    const problems = sharing.map((code) => problemOf(code) as Problem);
    const examples = Object.fromEntries(problems.map((one) => [one.code, problemExample(one)]));
    const retries = problems.some(({ retryAfter }) => retryAfter !== undefined);
    return {
      description: problems.map(({ code, title }) => `\`${code}\`: ${title}.`).join(' '),
      headers: {
        ...(retries && {
          'Retry-After': {
            description: 'Seconds to wait.',
            required: problems.every(({ retryAfter }) => retryAfter !== undefined),
            schema: { type: 'integer' as const },
          },
        }),
        ...REQUEST_ID,
      },
      content: {
        'application/problem+json': { schema: reference('Problem'), ...named(examples) },
      },
    };
  });
}

const FAULTS: Partial<Record<string, unknown[]>> = {
  'insufficient-stock': [
    {
      line: 0,
      sku: 'MUG-BLUE',
      code: 'insufficient-stock',
      requested: 3,
      available: 1,
      detail: '3 of SKU "MUG-BLUE" requested, 1 available.',
    },
  ],
  'invalid-request': [
    {
      pointer: '/onHand',
      code: 'out-of-range',
      detail: 'must be an integer from 0 to 2147483647, not -1',
    },
  ],
};

function problemExample({ code, title, status, explanation }: Problem): unknown {
  return { type: `/problems/${code}`, title, status, detail: explanation, code, errors: FAULTS[code] };
}

function reference(schema: SchemaName) {
  return { $ref: `#/components/schemas/${schema}` };
}

function named(examples: Record<string, unknown>) {
  return { examples: mapValues(examples, (value) => ({ value })) };
}

function mapValues<From, To>(record: Record<string, From>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
