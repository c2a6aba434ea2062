/** Messages to bytes and back. What is not a message is a MalformedFrame. */
import type { Key } from '../reservations/key.ts';
import { problemByNumber, problemNumber } from '../reservations/outcomes.ts';
import type { Sold } from '../reservations/sold.ts';
import {
  type Allocation,
  type GrantedLine,
  type LineRefusal,
  MODES,
  type Reservation,
  STATUSES,
  STRATEGIES,
  type StockLevel,
} from '../reservations/types.ts';
import { MalformedFrame, type Reader, type Writer } from './bytes.ts';
import { type HoldRequest, OUTCOMES, type Reply, type Request, type WorkerStatus } from './messages.ts';

const REQUEST_KINDS = [
  'hold',
  'put-level',
  'get-levels',
  'get-reservation',
  'cancel',
  'ask',
  'settle',
  'status',
  'adjust',
  'confirm',
  'extend',
  'claim',
  'release',
  'recall',
] as const satisfies readonly Request['kind'][];
const REPLY_KINDS = [
  'granted',
  'refused',
  'level',
  'levels',
  'reservation',
  'outcome',
  'settled',
  'status',
  'problem',
  'claimed',
  'replayed',
] as const satisfies readonly Reply['kind'][];
const ROLES = ['decide', 'try', 'probe'] as const;

export function encodeRequest(out: Writer, request: Request): void {
  out.u8(REQUEST_KINDS.indexOf(request.kind));
  if (request.kind === 'status') return;
  out.u16(request.partition);
  out.f64(request.deadline);
  switch (request.kind) {
    case 'hold':
      return encodeHold(out, request);
    case 'put-level':
      out.text(request.sku);
      out.text(request.location);
      out.u32(request.onHand);
      encodeOptional(out, request.safetyStock);
      encodeOptional(out, request.backorderLimit);
      return encodeOptional(out, request.ifVersion);
    case 'get-levels':
      return out.text(request.sku);
    case 'settle':
      out.text(request.id);
      out.u8(OUTCOMES.indexOf(request.outcome));
      out.f64(request.expiresAt);
      return encodeSold(out, request.sold);
    case 'adjust':
      out.text(request.sku);
      out.text(request.location);
      out.i32(request.delta);
      out.text(request.reason);
      out.text(request.reference ?? '');
      return encodeKey(out, request.key);
    case 'confirm':
      out.text(request.id);
      encodeSold(out, request.sold);
      out.u8(request.rehold ? 1 : 0);
      return encodeKey(out, request.key);
    case 'extend':
      out.text(request.id);
      out.f64(request.expiresInMs);
      return encodeKey(out, request.key);
    case 'cancel':
      out.text(request.id);
      return encodeKey(out, request.key);
    case 'claim':
    case 'recall':
      return encodeKey(out, request.key);
    case 'release':
      encodeKey(out, request.key);
      return out.u8(request.used ? 1 : 0);
    default:
      return out.text(request.id);
  }
}

export function decodeRequest(input: Reader): Request {
  const kind = pick(REQUEST_KINDS, input.u8());
  if (kind === 'status') return { kind };
  const partition = input.u16();
  const deadline = input.f64();
  switch (kind) {
    case 'hold':
      return decodeHold(input, partition, deadline);
    case 'put-level':
      return {
        kind,
        partition,
        deadline,
        sku: input.text(),
        location: input.text(),
        onHand: input.u32(),
        safetyStock: decodeOptional(input),
        backorderLimit: decodeOptional(input),
        ifVersion: decodeOptional(input),
      };
    case 'get-levels':
      return { kind, partition, deadline, sku: input.text() };
    case 'settle':
      return {
        kind,
        partition,
        deadline,
        id: input.text(),
        outcome: pick(OUTCOMES, input.u8()),
        expiresAt: input.f64(),
        sold: decodeSold(input),
      };
    case 'adjust':
      return {
        kind,
        partition,
        deadline,
        sku: input.text(),
        location: input.text(),
        delta: input.i32(),
        reason: input.text(),
        reference: input.text() || undefined,
        key: decodeKey(input),
      };
    case 'confirm':
      return {
        kind,
        partition,
        deadline,
        id: input.text(),
        sold: decodeSold(input),
        rehold: input.u8() === 1,
        key: decodeKey(input),
      };
    case 'extend':
      return { kind, partition, deadline, id: input.text(), expiresInMs: input.f64(), key: decodeKey(input) };
    case 'cancel':
      return { kind, partition, deadline, id: input.text(), key: decodeKey(input) };
    case 'claim':
    case 'recall':
      return { kind, partition, deadline, key: requiredKey(input) };
    case 'release':
      return { kind, partition, deadline, key: requiredKey(input), used: input.u8() === 1 };
    default:
      return { kind, partition, deadline, id: input.text() };
  }
}

function encodeHold(out: Writer, request: HoldRequest): void {
  out.text(request.id);
  out.u8(ROLES.indexOf(request.role));
  out.u16(request.home);
  out.u8(request.participants.length);
  for (const participant of request.participants) out.u16(participant);
  out.text(request.rehold?.id ?? '');
  if (request.rehold !== undefined) encodeSold(out, request.rehold.sold);
  out.u8(MODES.indexOf(request.mode));
  encodeRefusals(out, request.refused);
  encodeKey(out, request.key);
  out.f64(request.createdAt);
  out.f64(request.expiresAt);
  out.text(request.reference ?? '');
  out.u8(STRATEGIES.indexOf(request.strategy));
  out.u16(request.locations.length);
  for (const location of request.locations) out.text(location);
  out.u16(request.lines.length);
  for (const line of request.lines) {
    out.u8(line.line);
    out.u32(line.quantity);
    out.text(line.sku);
    out.text(line.location ?? '');
  }
}

function decodeHold(input: Reader, partition: number, deadline: number): HoldRequest {
  return {
    kind: 'hold',
    partition,
    deadline,
    id: input.text(),
    role: pick(ROLES, input.u8()),
    home: input.u16(),
    participants: list(input.u8(), () => input.u16()),
    rehold: decodeRehold(input),
    mode: pick(MODES, input.u8()),
    refused: decodeRefusals(input),
    key: decodeKey(input),
    createdAt: input.f64(),
    expiresAt: input.f64(),
    reference: input.text() || undefined,
    strategy: pick(STRATEGIES, input.u8()),
    locations: list(input.u16(), () => input.text()),
    lines: list(input.u16(), () => ({
      line: input.u8(),
      quantity: input.u32(),
      sku: input.text(),
      location: input.text() || undefined,
    })),
  };
}

/** Absent is an empty hash. */
function encodeKey(out: Writer, key: Key | undefined): void {
  out.text(key?.hash ?? '');
  if (key === undefined) return;
  out.text(key.fingerprint);
  out.u16(key.partition);
}
function decodeKey(input: Reader): Key | undefined {
  const hash = input.text();
  return hash === '' ? undefined : { hash, fingerprint: input.text(), partition: input.u16() };
}
function requiredKey(input: Reader): Key {
  const key = decodeKey(input);
  if (key === undefined) throw new MalformedFrame('a key is missing');
  return key;
}

function decodeRehold(input: Reader): HoldRequest['rehold'] {
  const id = input.text();
  return id === '' ? undefined : { id, sold: decodeSold(input) };
}

/** Absent is 0 lines: a reservation has at least one. */
function encodeSold(out: Writer, sold: Sold | undefined): void {
  out.u8(sold?.length ?? 0);
  if (sold !== undefined) for (const units of sold) out.u32(units);
}
function decodeSold(input: Reader): Sold | undefined {
  const sold = list(input.u8(), () => input.u32());
  return sold.length === 0 ? undefined : sold;
}

export function encodeReply(out: Writer, reply: Reply): void {
  out.u8(REPLY_KINDS.indexOf(reply.kind));
  switch (reply.kind) {
    case 'granted':
      out.u8(reply.lines.length);
      for (const line of reply.lines) {
        out.u8(line.line);
        encodeAllocations(out, line.allocations);
      }
      return encodeRefusals(out, reply.short);
    case 'refused':
      return encodeRefusals(out, reply.lines);
    case 'level':
      out.u8(reply.created ? 1 : 0);
      return encodeLevel(out, reply.level);
    case 'levels':
      out.u16(reply.levels.length);
      for (const level of reply.levels) encodeLevel(out, level);
      return;
    case 'reservation':
      return encodeReservation(out, reply.reservation);
    case 'outcome':
      out.u8(OUTCOMES.indexOf(reply.outcome));
      out.f64(reply.expiresAt);
      return encodeSold(out, reply.sold);
    case 'settled':
      return encodeGrantedLines(out, reply.lines);
    case 'status':
      return out.longText(JSON.stringify(reply.status));
    case 'problem':
      return out.u8(problemNumber(reply.code));
    case 'claimed':
      return out.u8(reply.known ? 1 : 0);
    case 'replayed':
      encodeReply(out, reply.reply);
      return encodeRefusals(out, reply.short);
  }
}

export function decodeReply(input: Reader): Reply {
  const kind = pick(REPLY_KINDS, input.u8());
  switch (kind) {
    case 'granted':
      return {
        kind,
        lines: list(input.u8(), () => ({ line: input.u8(), allocations: decodeAllocations(input) })),
        short: decodeRefusals(input),
      };
    case 'refused':
      return { kind, lines: decodeRefusals(input) };
    case 'level':
      return { kind, created: input.u8() === 1, level: decodeLevel(input) };
    case 'levels':
      return { kind, levels: list(input.u16(), () => decodeLevel(input)) };
    case 'reservation':
      return { kind, reservation: decodeReservation(input) };
    case 'outcome':
      return {
        kind,
        outcome: pick(OUTCOMES, input.u8()),
        expiresAt: input.f64(),
        sold: decodeSold(input),
      };
    case 'settled':
      return { kind, lines: decodeGrantedLines(input) };
    case 'status':
      return { kind, status: JSON.parse(input.longText()) as WorkerStatus };
    case 'problem':
      return { kind, code: problemByNumber(input.u8()) };
    case 'claimed':
      return { kind, known: input.u8() === 1 };
    case 'replayed':
      return { kind, reply: decodeReply(input), short: decodeRefusals(input) };
  }
}

export function encodeRefusals(out: Writer, refusals: Omit<LineRefusal, 'sku'>[]): void {
  out.u8(refusals.length);
  for (const { line, code, requested, available } of refusals) {
    out.u8(line);
    out.u8(problemNumber(code));
    out.f64(requested);
    out.f64(available);
  }
}

export function decodeRefusals(input: Reader): Omit<LineRefusal, 'sku'>[] {
  return list(input.u8(), () => ({
    line: input.u8(),
    code: problemByNumber(input.u8()) as LineRefusal['code'],
    requested: input.f64(),
    available: input.f64(),
  }));
}

function encodeLevel(out: Writer, level: StockLevel): void {
  out.text(level.sku);
  out.text(level.location);
  out.i32(level.onHand);
  out.u32(level.reserved);
  out.u32(level.safetyStock);
  out.u32(level.backorderLimit);
  out.u32(level.version);
  out.f64(level.updatedAt);
}

function decodeLevel(input: Reader): StockLevel {
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

function encodeReservation(out: Writer, reservation: Reservation): void {
  out.text(reservation.id);
  out.u8(STATUSES.indexOf(reservation.status));
  out.f64(reservation.createdAt);
  out.f64(reservation.expiresAt);
  out.f64(reservation.closedAt ?? 0);
  out.text(reservation.reference ?? '');
  encodeGrantedLines(out, reservation.lines);
}

function decodeReservation(input: Reader): Reservation {
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

function encodeGrantedLines(out: Writer, lines: GrantedLine[]): void {
  out.u8(lines.length);
  for (const line of lines) {
    out.u8(line.line);
    out.u32(line.quantity);
    out.text(line.sku);
    encodeAllocations(out, line.allocations);
  }
}

function decodeGrantedLines(input: Reader): GrantedLine[] {
  return list(input.u8(), () => ({
    line: input.u8(),
    quantity: input.u32(),
    sku: input.text(),
    allocations: decodeAllocations(input),
  }));
}

function encodeAllocations(out: Writer, allocations: Allocation[]): void {
  out.u16(allocations.length);
  for (const { location, quantity } of allocations) {
    out.u32(quantity);
    out.text(location);
  }
}

function decodeAllocations(input: Reader): Allocation[] {
  return list(input.u16(), () => ({ quantity: input.u32(), location: input.text() }));
}

/** 0 stands for absent, a value is sent plus one: quantities and versions are below 2^32 − 1. */
function encodeOptional(out: Writer, value: number | undefined): void {
  out.u32(value === undefined ? 0 : value + 1);
}
function decodeOptional(input: Reader): number | undefined {
  const value = input.u32();
  return value === 0 ? undefined : value - 1;
}

function list<T>(length: number, one: () => T): T[] {
  const items: T[] = [];
  for (let i = 0; i < length; i++) items.push(one());
  return items;
}

function pick<T>(values: readonly T[], index: number): T {
  if (index >= values.length) throw new MalformedFrame(`${index} is not one of ${values.join(', ')}`);
  return values[index];
}
