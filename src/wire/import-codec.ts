/** What imports are made of, to bytes and back; see codec.ts. */
import { FAULTS_MAX } from '../limits.ts';
import { MalformedFrame, type Reader, type Writer } from './bytes.ts';
import { checkedHash, readCount, readName, readOnHand, readOptionalUnits } from './checked.ts';
import { encodeOptional, list } from './fields.ts';
import type { ImportSummary } from './import-summary.ts';
import type { ImportRow } from './messages.ts';

export function encodeImportRow(out: Writer, row: ImportRow): void {
  out.text(row.sku);
  out.text(row.location);
  out.i32(row.onHand);
  encodeOptional(out, row.safetyStock);
  encodeOptional(out, row.backorderLimit);
}

export function decodeImportRow(input: Reader): ImportRow {
  return {
    sku: readName(input),
    location: readName(input),
    onHand: readOnHand(input),
    safetyStock: readOptionalUnits(input),
    backorderLimit: readOptionalUnits(input),
  };
}

/** Absent is an empty digest. */
export function encodeSummary(out: Writer, summary: ImportSummary | undefined): void {
  out.text(summary?.digest ?? '');
  if (summary === undefined) return;
  out.f64(summary.accepted);
  out.f64(summary.unchanged);
  out.f64(summary.rejected);
  out.u8(summary.errors.length);
  for (const { line, code, detail } of summary.errors) {
    out.f64(line);
    out.text(code);
    out.longText(detail);
  }
}

export function decodeSummary(input: Reader): ImportSummary | undefined {
  const digest = input.text();
  if (digest === '') return undefined;
  return {
    digest: checkedHash(digest),
    accepted: readCount(input),
    unchanged: readCount(input),
    rejected: readCount(input),
    errors: list(input, errorsOf(input), decodeFault),
  };
}

function decodeFault(input: Reader): ImportSummary['errors'][number] {
  return { line: readCount(input), code: input.text(), detail: input.longText() };
}

function errorsOf(input: Reader): number {
  const errors = input.u8();
  if (errors > FAULTS_MAX) throw new MalformedFrame(`${errors} errors are too many`);
  return errors;
}
