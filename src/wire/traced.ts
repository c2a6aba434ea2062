/**
 * A request that is part of a trace has the trace before it, behind a byte that no request begins with. One that is
 * part of none has not a byte for it.
 */
import type { Reader, Writer } from './bytes.ts';
import { decodeRequest, encodeRequest } from './codec.ts';
import type { Request } from './messages.ts';

/** The kinds of requests are below it. */
const TRACED = 255;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export function encodeTraced(out: Writer, request: Request): void {
  const { trace } = request;
  if (trace !== undefined) {
    out.u8(TRACED);
    out.raw(Buffer.from(trace.traceId + trace.spanId, 'hex'));
  }
  encodeRequest(out, request);
}

export function decodeTraced(input: Reader): Request {
  if (input.peekU8() !== TRACED) return decodeRequest(input);
  input.u8();
  const traceId = hex(input.raw(TRACE_ID_BYTES));
  const spanId = hex(input.raw(SPAN_ID_BYTES));
  const request = decodeRequest(input);
  request.trace = { traceId, spanId, sampled: true };
  return request;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
