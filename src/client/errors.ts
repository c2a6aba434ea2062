/**
 * Why a call has no result. A `ProblemError` is the server's own word: a refusal that is part of the business, such as
 * 409 `insufficient-stock`, or a request that is wrong. A `NoAnswerError` says that there was no such word: the server
 * was not reached, or broke off; whether the call had its effect is then not known, unless it only reads.
 */
import type { Answers } from '../front/answer-schemas.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';

export type Problem = Omit<Answers['Problem'], 'code'> & { code: ProblemCode };

export class HoldfastError extends Error {
  /** The key that the call was sent with: with it, it can be sent again, and still has its effect once. */
  idempotencyKey: string | undefined;
}

export class ProblemError extends HoldfastError {
  override readonly name = 'ProblemError';
  /** Stable, and what programs look at. */
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  /** Each field or line at fault. */
  readonly errors: NonNullable<Problem['errors']>;

  constructor(
    readonly problem: Problem,
    /** As in the server's log. */
    readonly requestId: string | undefined,
  ) {
    super(problem.detail);
    this.code = problem.code;
    this.status = problem.status;
    this.title = problem.title;
    this.errors = problem.errors ?? [];
  }
}

export class NoAnswerError extends HoldfastError {
  override readonly name = 'NoAnswerError';
  /** Where something answered that is not Holdfast, such as a proxy before it. */
  status: number | undefined;
}
