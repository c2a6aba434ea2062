/** Fields that several messages are made of, to bytes and back. */
import type { Key } from '../reservations/key.ts';
import { problemNumber } from '../reservations/outcomes.ts';
import type { Sold } from '../reservations/sold.ts';
import {
  type Allocation,
  type GrantedLine,
  type LineRefusal,
  type Reservation,
  STATUSES,
  type StockLevel,
} from '../reservations/types.ts';
import { MalformedFrame, type Reader, type Writer } from './bytes.ts';
import { checkedHash, readPartition, readProblem, readUnits } from './checked.ts';

/** 0 stands for absent, a value is sent plus one: quantities and versions are below 2^32 − 1. */
export function encodeOptional(out: Writer, value: number | undefined): void {
  out.u32(value === undefined ? 0 : value + 1);
}
export function decodeOptional(input: Reader): number | undefined {
  const value = input.u32();
  return value === 0 ? undefined : value - 1;
}

/** @param one a function that is there already: one made for each list would cost more than most items */
export function list<T>(input: Reader, length: number, one: (input: Reader) => T): T[] {
  const items: T[] = [];
  for (let i = 0; i < length; i++) items.push(one(input));
  return items;
}

export function pick<T>(values: readonly T[], index: number): T {
  if (index >= values.length) throw new MalformedFrame(`${index} is not one of ${values.join(', ')}`);
  return values[index];
}

/** Absent is an empty hash. */
export function encodeKey(out: Writer, key: Key | undefined): void {
  out.text(key?.hash ?? '');
  if (key === undefined) return;
  out.text(key.fingerprint);
  out.u16(key.partition);
}
export function decodeKey(input: Reader): Key | undefined {
  const hash = input.text();
  if (hash === '') return undefined;
  const fingerprint = checkedHash(input.text());
  return { hash: checkedHash(hash), fingerprint, partition: readPartition(input) };
}
export function requiredKey(input: Reader): Key {
  const key = decodeKey(input);
  if (key === undefined) throw new MalformedFrame('a key is missing');
  return key;
}

/** Absent is 0 lines: a reservation has at least one. */
export function encodeSold(out: Writer, sold: Sold | undefined): void {
  out.u8(sold?.length ?? 0);
  if (sold !== undefined) for (const units of sold) out.u32(units);
}
export function decodeSold(input: Reader): Sold | undefined {
  const sold = list(input, input.u8(), readUnits);
  return sold.length === 0 ? undefined : sold;
}

export function encodeRefusals(out: Writer, refusals: readonly Omit<LineRefusal, 'sku'>[]): void {
  out.u8(refusals.length);
  for (const { line, code, requested, available } of refusals) {
    out.u8(line);
    out.u8(problemNumber(code));
    out.f64(requested);
    out.f64(available);
  }
}

export function decodeRefusals(input: Reader): Omit<LineRefusal, 'sku'>[] {
  return list(input, input.u8(), decodeRefusal);
}

function decodeRefusal(input: Reader): Omit<LineRefusal, 'sku'> {
  return {
    line: input.u8(),
    code: readProblem(input) as LineRefusal['code'],
    requested: input.f64(),
    available: input.f64(),
  };
}

export function encodeLevel(out: Writer, level: StockLevel): void {
  out.text(level.sku);
  out.text(level.location);
  out.i32(level.onHand);
  out.u32(level.reserved);
  out.u32(level.safetyStock);
  out.u32(level.backorderLimit);
  out.u32(level.version);
  out.f64(level.updatedAt);
}

export function decodeLevel(input: Reader): StockLevel {
  return {
    sku: input.text(),
    location: input.text(),
    onHand: input.i32(),
    reserved: input.u32(),
    safetyStock: input.u32(),
    backorderLimit: input.u32(),
    version: input.u32(),
    updatedAt: input.f64(),
  };
}

export function encodeReservation(out: Writer, reservation: Reservation): void {
  out.text(reservation.id);
  out.u8(STATUSES.indexOf(reservation.status));
  out.f64(reservation.createdAt);
  out.f64(reservation.expiresAt);
  out.f64(reservation.closedAt ?? 0);
  out.text(reservation.reference ?? '');
  encodeGrantedLines(out, reservation.lines);
}

export function decodeReservation(input: Reader): Reservation {
  return {
    id: input.text(),
    status: pick(STATUSES, input.u8()),
    createdAt: input.f64(),
    expiresAt: input.f64(),
    closedAt: input.f64() || undefined,
    reference: input.text() || undefined,
    lines: decodeGrantedLines(input),
  };
}

export function encodeGrantedLines(out: Writer, lines: GrantedLine[]): void {
  out.u8(lines.length);
  for (const line of lines) {
    out.u8(line.line);
    out.u32(line.quantity);
    out.text(line.sku);
    encodeAllocations(out, line.allocations);
  }
}

export function decodeGrantedLines(input: Reader): GrantedLine[] {
  return list(input, input.u8(), decodeGrantedLine);
}

function decodeGrantedLine(input: Reader): GrantedLine {
  return {
    line: input.u8(),
    quantity: input.u32(),
    sku: input.text(),
    allocations: decodeAllocations(input),
  };
}

export function encodeAllocations(out: Writer, allocations: Allocation[]): void {
  out.u16(allocations.length);
  for (const { location, quantity } of allocations) {
    out.u32(quantity);
    out.text(location);
  }
}

export function decodeAllocations(input: Reader): Allocation[] {
  return list(input, input.u16(), decodeAllocation);
}

function decodeAllocation(input: Reader): Allocation {
  return { quantity: input.u32(), location: input.text() };
}
