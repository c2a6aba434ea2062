/**
 * Fields of requests, read with the bounds that every front keeps. What reaches a worker's socket is decided and
 * written down, so a value that no front would send must end here, as the end of its sender's connection, and not
 * as a statement that Postgres refuses.
 */
import { PARTITIONS_MAX, QUANTITY_MAX } from '../limits.ts';
import { type ProblemCode, problemByNumber } from '../reservations/outcomes.ts';
import { MalformedFrame, type Reader } from './bytes.ts';

/** Milliseconds; a little before the end of what a timing wheel can tell apart, the year 4200. */
const TIME_MAX = Date.UTC(4000, 0);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HASH = /^[0-9a-f]{32}$/;

function bounded(value: number, least: number, most: number, what: string): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new MalformedFrame(`${value} is no ${what}`);
}

export function readPartition(input: Reader): number {
  return bounded(input.u16(), 0, PARTITIONS_MAX - 1, 'partition');
}

export function readTime(input: Reader): number {
  return bounded(input.f64(), 0, TIME_MAX, 'time');
}

/** Of a line: at least one. */
export function readQuantity(input: Reader): number {
  return bounded(input.u32(), 1, QUANTITY_MAX, 'quantity');
}

/** Of rows in a file. */
export function readCount(input: Reader): number {
  return bounded(input.f64(), 0, Number.MAX_SAFE_INTEGER, 'count');
}

/** Of a level, where there may be none. */
export function readUnits(input: Reader): number {
  return bounded(input.u32(), 0, QUANTITY_MAX, 'number of units');
}

/** Of a level: less than none where backorders were sold. */
export function readOnHand(input: Reader): number {
  return bounded(input.i32(), -QUANTITY_MAX, QUANTITY_MAX, 'number of units on hand');
}

export function readOptionalUnits(input: Reader): number | undefined {
  const value = input.u32();
  return value === 0 ? undefined : bounded(value - 1, 0, QUANTITY_MAX, 'number of units');
}

/** Postgres stores no text with a NUL. */
export function readText(input: Reader): string {
  const text = input.text();
  if (text.includes('\0')) throw new MalformedFrame('a text has a NUL');
  return text;
}

/** A SKU or a location. */
export function readName(input: Reader): string {
  const name = readText(input);
  if (name === '') throw new MalformedFrame('a name is empty');
  return name;
}

export function readId(input: Reader): string {
  const id = input.text();
  if (!UUID.test(id)) throw new MalformedFrame('an id is no UUID');
  return id;
}

/** Absent is an empty text. */
export function readOptionalId(input: Reader): string | undefined {
  const id = input.text();
  if (id !== '' && !UUID.test(id)) throw new MalformedFrame('an id is no UUID');
  return id || undefined;
}

/** Of a key or of a request: 128 bits in hexadecimal. */
export function checkedHash(hash: string): string {
  if (!HASH.test(hash)) throw new MalformedFrame('a hash has not 32 digits');
  return hash;
}

export function readProblem(input: Reader): ProblemCode {
  const number = input.u8();
  const code = problemByNumber(number);
  if (code === undefined) throw new MalformedFrame(`${number} is the number of no problem`);
  return code;
}
