/**
 * Spans, for whoever looks at traces. Without an exporter none is ever made: a trace that a caller has begun
 * is then handed on as it came, and this costs a comparison.
 */
import type { TraceContext } from './trace-context.ts';

export type Attributes = Record<string, string | number>;

/** A span that has begun. As a trace context it is what its children are beneath. */
export interface Span extends TraceContext {
  event(name: string): void;
  /** Once. @param failed it is marked as an error */
  end(attributes?: Attributes, failed?: boolean): void;
}

export type StartSpan = (
  name: string,
  kind: 'server' | 'internal' | 'client',
  parent: TraceContext | undefined,
  attributes: Attributes,
) => Span | undefined;

let start: StartSpan | undefined;

/** From now on, spans are made by this. */
export function makeSpans(by: StartSpan): void {
  start = by;
}

/** Whether a span could be made, also of what no caller has traced. */
export function makesSpans(): boolean {
  return start !== undefined;
}

/** @returns undefined where spans are not made, or this one is not to be recorded */
export const startSpan: StartSpan = (name, kind, parent, attributes) =>
  start?.(name, kind, parent, attributes);
