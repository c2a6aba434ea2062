/** From the lines of an import to its rows, checked; and what is wrong with those that are none. */
import { IMPORT_LINE_BYTES_MAX } from '../limits.ts';
import { NotJson, parseJson } from './body.ts';
import { type Columns, columnsOf, fieldsOf, type HeaderFault, rowOf } from './csv.ts';
import type { Line } from './lines.ts';
import * as schemas from './schemas.ts';
import { validator } from './validate.ts';

const countRow = validator(schemas.ImportRow);
const levelRow = validator(schemas.ImportLevelRow);

export class RowFault {
  constructor(
    readonly code: string,
    /** A sentence. */
    readonly detail: string,
  ) {}
}

export type RowReader = (line: string) => schemas.ImportRow | RowFault;

/** The reader of the lines behind this first one of a CSV, or what is wrong with it. */
export function csvReader(header: Line): RowReader | HeaderFault[] {
  if (header === undefined) return [{ code: 'line-too-long', detail: TOO_LONG.detail }];
  const columns = columnsOf(header);
  return Array.isArray(columns) ? columns : (line) => csvRow(columns, line);
}

function csvRow(columns: Columns, line: string): schemas.ImportRow | RowFault {
  const fields = fieldsOf(line);
  if (fields === undefined)
    return new RowFault(
      'malformed',
      'A quote is not closed or not escaped; a quoted field ends on its line, and a quote within it is doubled.',
    );
  if (fields.length !== columns.count)
    return new RowFault(
      'malformed',
      `The line has ${fields.length} fields, the header has ${columns.count}.`,
    );
  return checked(rowOf(columns, fields));
}

export const ndjsonReader: RowReader = (line) => {
  const value = parseJson(line, 'The line');
  return value instanceof NotJson ? new RowFault('invalid-json', value.reason) : checked(value);
};

function checked(value: unknown): schemas.ImportRow | RowFault {
  const faults = (isLevel(value) ? levelRow : countRow).faults(value);
  if (faults === undefined) return value as schemas.ImportRow;
  const { pointer, code, detail } = faults[0];
  return new RowFault(code, `${pointer === '' ? 'The line' : pointer!.slice(1)} ${detail}.`);
}

function isLevel(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && (value as schemas.ImportRow).backorderLimit !== undefined
  );
}

export const TOO_LONG = new RowFault('line-too-long', `A line may have ${IMPORT_LINE_BYTES_MAX} bytes.`);
