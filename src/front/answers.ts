/** What a worker's answer other than the hoped-for one means to the caller. */
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { Answer } from './backends.ts';
import { problem } from './problems.ts';

/** @param details a sentence for a code about this very request, in place of the general one */
export function problemFrom(
  answer: Answer,
  effect: 'reads' | 'writes',
  details: Partial<Record<ProblemCode, string>> = {},
): Response {
  const code = codeOf(answer, effect);
  return problem(code, { detail: details[code] });
}

export function codeOf(answer: Answer, effect: 'reads' | 'writes'): ProblemCode {
  if (answer.kind === 'problem') return answer.code;
  if (answer.kind !== 'lost') throw new Error(`a worker gave an answer of the wrong kind: ${answer.kind}`);
  return answer.sent && effect === 'writes' ? 'outcome-unknown' : 'partition-unavailable';
}
