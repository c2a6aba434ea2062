/**
 * The published OpenAPI document as a check of answers: is this status listed for this call, this media
 * type for this status, is the body as its schema says, are the promised headers there? It is stricter
 * than the schemas where they are open: a field that the document does not list is a fault as well.
 *
 * Each schema is compiled once, when the first answer needs it.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

type Json = ReturnType<typeof JSON.parse>;

export interface Answered {
  method: string;
  /** As it was asked for, percent-encoded, without a query. */
  path: string;
  status: number;
  headers: Headers;
  /** Absent: not to be read, as of a stream. */
  body?: string;
}

interface Described {
  headers?: Record<string, { required?: boolean }>;
  content?: Record<string, { schema: Json; examples?: Record<string, Json> }>;
}

interface Operation {
  method: string;
  segments: string[];
  /** Where it stands in the document, as a JSON pointer. */
  pointer: string;
  responses: Record<string, Described>;
}

const FAULTS_SHOWN = 5;
const BODY_SHOWN = 200;
const PROBLEM = 'application/problem+json';
/** Times are more than the format date-time asks for: UTC, with milliseconds. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Calls that the document leaves out on purpose: pages for people and what they load. */
const PAGES = /^\/(swagger|problems|dashboard)(\/|$)/;
/** Bun refuses a request whose head is too large before it is ours to answer. */
const BEFORE_US = 431;
/** What any other call that is not in the document is answered with. */
const NOT_A_CALL: Record<number, string> = {
  401: 'unauthorized',
  404: 'not-found',
  405: 'method-not-allowed',
  429: 'rate-limited',
  503: 'keys-unavailable',
};

const UNDOCUMENTED_HEADER: Record<number, string> = {
  401: 'WWW-Authenticate',
  405: 'Allow',
  429: 'RateLimit',
  503: 'Retry-After',
};

export class Contract {
  private readonly ajv = new Ajv({ strict: false, allErrors: true });
  private readonly operations: Operation[];
  private readonly validators = new Map<string, ValidateFunction>();

  /** @param text the document as it was published */
  constructor(text: string) {
    const document = JSON.parse(text);
    addFormats(this.ajv, ['uuid', 'uri-reference']);
    this.ajv.addFormat('date-time', TIME);
    this.ajv.addSchema(closed(structuredClone(document)), 'published');
    this.operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, { responses }]) => ({
        method: method.toUpperCase(),
        segments: path.split('/'),
        pointer: `/paths/${escaped(path)}/${method}`,
        responses,
      })),
    );
    // A path in so many words goes before one with parameters.
    const parameters = ({ segments }: Operation): number => segments.filter(isParameter).length;
    this.operations.sort((a, b) => parameters(a) - parameters(b));
  }

  /** Every way in which the answer departs from the document, each in a line that names call and status. */
  faultsOf(answered: Answered): string[] {
    const { method, path, status } = answered;
    return this.check(answered).map((fault) => `${method} ${path} was answered ${status}: ${fault}`);
  }

  /**
   * What is wrong with a value that should be as a schema says.
   * @param pointer where the schema stands in the document, such as `/components/schemas/Problem`
   */
  faultsOfValue(pointer: string, value: Json): string[] {
    const validator = this.validatorOf(pointer);
    if (validator(value)) return [];
    return validator.errors!.slice(0, FAULTS_SHOWN).map(({ instancePath, message, params }) => {
      const extra = params.additionalProperty ?? params.allowedValues?.join(', ');
      return `${instancePath || 'the body'} ${message}${extra === undefined ? '' : `: ${extra}`}`;
    });
  }

  private check(answered: Answered): string[] {
    const { status, headers, body } = answered;
    const operation = this.operationOf(answered);
    if (operation === undefined) return this.checkUndocumented(answered);
    const described = operation.responses[status];
    if (described === undefined)
      return [`the document does not list this status: ${body?.slice(0, BODY_SHOWN)}`];
    const faults = Object.entries(described.headers ?? {})
      .filter(([name, { required }]) => required && !headers.has(name))
      .map(([name]) => `the header ${name} is missing`);
    const type = mediaTypeOf(headers);
    const content = described.content?.[type];
    if (content === undefined) {
      const listed = Object.keys(described.content ?? {});
      return listed.length === 0 && type === ''
        ? faults
        : [...faults, `${type || 'no content type'} is not listed`];
    }
    const inline = `${operation.pointer}/responses/${status}/content/${escaped(type)}/schema`;
    // Most are references to a few schemas, which are then compiled once and not for each call.
    const pointer = content.schema.$ref?.slice(1) ?? inline;
    return [...faults, ...this.checkBody(answered, pointer, Object.keys(content.examples ?? {}))];
  }

  /** @param codes those that a problem may have here */
  private checkBody({ method, headers, body, status }: Answered, pointer: string, codes: string[]): string[] {
    const type = mediaTypeOf(headers);
    if (method === 'HEAD' || body === undefined || !isJson(type)) return [];
    const value = parsed(body);
    if (value === undefined) return [`the body is not JSON: ${body.slice(0, BODY_SHOWN)}`];
    const faults = this.faultsOfValue(pointer, value);
    if (faults.length > 0 || type !== PROBLEM) return faults;
    if (!codes.includes(value.code)) faults.push(`the document does not list the code ${value.code}`);
    if (value.status !== status) faults.push(`the body says status ${value.status}`);
    if (value.type !== `/problems/${value.code}`) faults.push(`the type is ${value.type}`);
    return faults;
  }

  private checkUndocumented(answered: Answered): string[] {
    const { method, path, status, headers } = answered;
    if (status === BEFORE_US || (PAGES.test(path) && status < 400)) return [];
    if (method === 'OPTIONS' && status === 204)
      return headers.has('allow') ? [] : ['the header Allow is missing'];
    const code = NOT_A_CALL[status];
    if (code === undefined) return ['the document does not list this call'];
    if (mediaTypeOf(headers) !== PROBLEM) return [`${mediaTypeOf(headers)} is not ${PROBLEM}`];
    const promised = UNDOCUMENTED_HEADER[status];
    const faults = promised && !headers.has(promised) ? [`the header ${promised} is missing`] : [];
    return [...faults, ...this.checkBody(answered, '/components/schemas/Problem', [code])];
  }

  private operationOf({ method, path }: Answered): Operation | undefined {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const segments = path.split('/');
    return this.operations.find(
      (operation) =>
        operation.method === wanted &&
        operation.segments.length === segments.length &&
        operation.segments.every((part, i) =>
          isParameter(part) ? segments[i] !== '' : part === segments[i],
        ),
    );
  }

  private validatorOf(pointer: string): ValidateFunction {
    let validator = this.validators.get(pointer);
    if (validator === undefined) {
      validator = this.ajv.compile({ $ref: `published#${encodeURI(pointer)}` });
      this.validators.set(pointer, validator);
    }
    return validator;
  }
}

/** Lets no object have fields beyond those that its schema lists, unless it says that it may. */
function closed(schema: Json): Json {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (schema.type === 'object' && schema.properties !== undefined) schema.additionalProperties ??= false;
  for (const part of Object.values<Json>(schema)) closed(part);
  return schema;
}

export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === PROBLEM;
}

export function mediaTypeOf(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{');
}

function escaped(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
