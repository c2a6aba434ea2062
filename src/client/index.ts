/** What `import … from 'holdfast/client'` gives. */

export type { ProblemCode } from '../reservations/outcomes.ts';
export type { Connection } from './caller.ts';
export { HoldfastError, NoAnswerError, type Problem, ProblemError } from './errors.ts';
export { Holdfast } from './holdfast.ts';
export type { Reservations } from './reservations.ts';
export type { Stock } from './stock.ts';
export type * from './types.ts';
