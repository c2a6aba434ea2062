/**
 * A request's first byte is its kind. The highest bit of it says that a trace follows, which the request is part of: a
 * request that is part of none has not a byte for it.
 */
import type { TraceContext } from '../observability/trace-context.ts';
import type { Reader, Writer } from './bytes.ts';

const TRACED = 0x80;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export function encodeKind(out: Writer, kind: number, trace: TraceContext | undefined): void {
  if (trace === undefined) return out.u8(kind);
  out.u8(kind | TRACED);
  out.raw(Buffer.from(trace.traceId + trace.spanId, 'hex'));
}

export function kindOf(first: number): number {
  return first & ~TRACED;
}

/** Reads the trace, if the first byte says that there is one. */
export function decodeTrace(input: Reader, first: number): TraceContext | undefined {
  if ((first & TRACED) === 0) return undefined;
  const traceId = hex(input.raw(TRACE_ID_BYTES));
  return { traceId, spanId: hex(input.raw(SPAN_ID_BYTES)), sampled: true };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
