/**
 * The CSV that stock is imported from and exported to (RFC 4180), line by line. A record is one line:
 * no column could store a line break, so a quote that is left open costs its own line, not the rest of the file.
 * Parsers from npm read such a quote on to the end, and csv-parse, which streams, costs more than all else of a line.
 */
import type { StockLevel } from '../reservations/types.ts';
import type { ImportRow } from './schemas.ts';

const REQUIRED = ['sku', 'location', 'onHand'] as const;
const OPTIONAL = ['safetyStock', 'backorderLimit'] as const;
const COLUMNS = [...REQUIRED, ...OPTIONAL];

/** A quoted or a plain field, and what follows it. */
const FIELD = /(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|$)/y;

/** The fields of a line; undefined when its quotes are not as they must be. */
export function fieldsOf(line: string): string[] | undefined {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  FIELD.lastIndex = 0;
  for (;;) {
    const found = FIELD.exec(line);
    if (found === null) return undefined;
    const [, quoted, plain, separator] = found;
    fields.push(quoted?.replaceAll('""', '"') ?? plain);
    if (separator === '') return fields;
  }
}

/** Where each column stands in a line; -1 for one that the file does not have. */
export interface Columns {
  count: number;
  sku: number;
  location: number;
  onHand: number;
  safetyStock: number;
  backorderLimit: number;
}

export interface HeaderFault {
  code: string;
  detail: string;
}

/** @param line the first line of the file */
export function columnsOf(line: string): Columns | HeaderFault[] {
  const names = fieldsOf(line);
  if (names === undefined)
    return [{ code: 'malformed', detail: 'has a quote that is not closed or escaped' }];
  const faults: HeaderFault[] = [];
  for (const [at, name] of names.entries()) {
    const shown = JSON.stringify(name.slice(0, 60));
    if (!(COLUMNS as string[]).includes(name))
      faults.push({ code: 'unknown-field', detail: `has ${shown}; the columns are ${COLUMNS.join(', ')}` });
    else if (names.indexOf(name) < at) faults.push({ code: 'duplicate', detail: `has ${shown} twice` });
  }
  for (const name of REQUIRED)
    if (!names.includes(name)) faults.push({ code: 'required', detail: `lacks "${name}"` });
  if (faults.length > 0) return faults;
  const at = (name: string): number => names.indexOf(name);
  return {
    count: names.length,
    sku: at('sku'),
    location: at('location'),
    onHand: at('onHand'),
    safetyStock: at('safetyStock'),
    backorderLimit: at('backorderLimit'),
  };
}

/** What the fields of a line say; not checked, so that a field that should be a number may be a text. */
export function rowOf(columns: Columns, fields: string[]): ImportRow {
  return {
    sku: fields[columns.sku],
    location: fields[columns.location],
    onHand: integer(fields[columns.onHand]) as number,
    safetyStock: optionalInteger(fields[columns.safetyStock]),
    backorderLimit: optionalInteger(fields[columns.backorderLimit]),
  };
}

const INTEGER = /^-?\d{1,15}$/;

function integer(field: string): number | string {
  return INTEGER.test(field) ? Number(field) : field;
}

/** An empty field says nothing, as a missing column does. */
function optionalInteger(field: string | undefined): number | undefined {
  return field === undefined || field === '' ? undefined : (integer(field) as number);
}

export const CSV_HEADER = `${COLUMNS.join(',')}\r\n`;

/** A level as an import takes it. */
export function csvLine({ sku, location, onHand, safetyStock, backorderLimit }: StockLevel): string {
  return `${field(sku)},${field(location)},${onHand},${safetyStock},${backorderLimit}\r\n`;
}

function field(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
