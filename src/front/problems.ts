/**
 * Every answer that is not a success: application/problem+json (RFC 9457) from the catalogue in
 * reservations/outcomes.ts. `detail` says what was wrong with this very request; what the code means
 * in general is on its page at /problems/<code>.
 */
import { counterBy } from '../observability/metrics.ts';
import {
  PROBLEMS,
  type Problem,
  type ProblemCode,
  problemNumber,
  problemOf,
} from '../reservations/outcomes.ts';

const answered = counterBy(
  'holdfast_http_problems',
  'Requests, and reservations of a batch, that were refused or failed, by the code of the problem',
  'code',
  PROBLEMS.map(({ code }) => code),
);

/** One thing at fault: where it is, a code of its own, and a sentence. */
export interface Fault {
  /** A JSON pointer (RFC 6901) into the body; a path parameter; a header; a line of a reservation. */
  pointer?: string;
  parameter?: string;
  header?: string;
  line?: number;
  code: string;
  detail: string;
  [more: string]: unknown;
}

export interface ProblemParts {
  detail?: string;
  errors?: Fault[];
  headers?: Record<string, string>;
}

export function problem(code: ProblemCode, parts: ProblemParts = {}): Response {
  const { status, retryAfter } = problemOf(code) as Problem;
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', ...parts.headers };
  if (retryAfter !== undefined) headers['retry-after'] ??= String(retryAfter);
  return new Response(renderProblem(code, parts), { status, headers });
}

/** As JSON, for an answer that has many of them. */
export function renderProblem(code: ProblemCode, { detail, errors }: ProblemParts = {}): string {
  answered[problemNumber(code)]++;
  const { status, title, explanation } = problemOf(code);
  const type = `/problems/${code}`;
  return JSON.stringify({ type, title, status, detail: detail ?? explanation, code, errors });
}

/** 422 for faults in the body, the path or the headers. */
export function invalid(errors: Fault[]): Response {
  return problem('invalid-request', invalidParts(errors, 'The body'));
}

/** @param whole what is at fault where the pointer is empty */
export function invalidParts(errors: Fault[], whole: string): ProblemParts {
  const [first] = errors;
  const where = first.pointer ?? first.parameter ?? first.header;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : '';
  return { detail: `${where === '' ? whole : where} ${first.detail}${more}`, errors };
}
