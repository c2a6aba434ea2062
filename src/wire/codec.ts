/** Messages to bytes and back. What is not a message is a MalformedFrame. */
import { problemNumber } from '../reservations/outcomes.ts';
import type { Reader, Writer } from './bytes.ts';
import {
  readId,
  readName,
  readOptionalUnits,
  readPartition,
  readProblem,
  readText,
  readTime,
  readUnits,
} from './checked.ts';
import {
  decodeAllocations,
  decodeGrantedLines,
  decodeKey,
  decodeLevel,
  decodeOptional,
  decodeRefusals,
  decodeReservation,
  decodeSold,
  encodeAllocations,
  encodeGrantedLines,
  encodeKey,
  encodeLevel,
  encodeOptional,
  encodeRefusals,
  encodeReservation,
  encodeSold,
  list,
  pick,
  requiredKey,
} from './fields.ts';
import { decodeHold, encodeHold } from './hold-codec.ts';
import { decodeHotSkus, encodeHotSkus } from './hot-codec.ts';
import { decodeImportRow, decodeSummary, encodeImportRow, encodeSummary } from './import-codec.ts';
import { OUTCOMES, type Reply, type Request, type WorkerStatus } from './messages.ts';
import {
  decodeEntries,
  decodeFindReservations,
  decodeFound,
  decodeReadLedger,
  encodeEntries,
  encodeFindReservations,
  encodeFound,
  encodeReadLedger,
} from './search-codec.ts';

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
  'import-levels',
  'export-levels',
  'find-reservations',
  'read-ledger',
  'read-api-keys',
  'hottest',
  'prolong',
  'seal',
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
  'imported',
  'found',
  'entries',
  'api-keys',
  'hottest',
  'sealed',
] as const satisfies readonly Reply['kind'][];

export function encodeRequest(out: Writer, request: Request): void {
  out.u8(REQUEST_KINDS.indexOf(request.kind));
  if (request.kind === 'status' || request.kind === 'hottest' || request.kind === 'read-api-keys') return;
  if (request.kind === 'find-reservations') return encodeFindReservations(out, request);
  if (request.kind === 'read-ledger') return encodeReadLedger(out, request);
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
    case 'import-levels':
      out.u16(request.rows.length);
      for (const row of request.rows) encodeImportRow(out, row);
      return;
    case 'get-levels':
      return out.text(request.sku);
    case 'export-levels':
      out.u32(request.from);
      return out.u16(request.limit);
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
    case 'recall':
      return encodeKey(out, request.key);
    case 'claim':
    case 'prolong':
      encodeKey(out, request.key);
      return out.u32(request.token);
    case 'seal':
      encodeKey(out, request.key);
      return encodeSummary(out, request.summary);
    case 'release':
      encodeKey(out, request.key);
      out.u32(request.token);
      return out.u8(request.used ? 1 : 0);
    default:
      return out.text(request.id);
  }
}

export function decodeRequest(input: Reader): Request {
  const kind = pick(REQUEST_KINDS, input.u8());
  if (kind === 'status' || kind === 'hottest' || kind === 'read-api-keys') return { kind };
  if (kind === 'find-reservations') return decodeFindReservations(input);
  if (kind === 'read-ledger') return decodeReadLedger(input);
  const partition = readPartition(input);
  const deadline = input.f64();
  switch (kind) {
    case 'hold':
      return decodeHold(input, partition, deadline);
    case 'put-level':
      return {
        kind,
        partition,
        deadline,
        sku: readName(input),
        location: readName(input),
        onHand: readUnits(input),
        safetyStock: readOptionalUnits(input),
        backorderLimit: readOptionalUnits(input),
        ifVersion: decodeOptional(input),
      };
    case 'import-levels':
      return { kind, partition, deadline, rows: list(input, input.u16(), decodeImportRow) };
    case 'get-levels':
      return { kind, partition, deadline, sku: readName(input) };
    case 'export-levels':
      return { kind, partition, deadline, from: input.u32(), limit: input.u16() };
    case 'settle':
      return {
        kind,
        partition,
        deadline,
        id: readId(input),
        outcome: pick(OUTCOMES, input.u8()),
        expiresAt: readTime(input),
        sold: decodeSold(input),
      };
    case 'adjust':
      return {
        kind,
        partition,
        deadline,
        sku: readName(input),
        location: readName(input),
        delta: input.i32(),
        reason: readName(input),
        reference: readText(input) || undefined,
        key: decodeKey(input),
      };
    case 'confirm':
      return {
        kind,
        partition,
        deadline,
        id: readId(input),
        sold: decodeSold(input),
        rehold: input.u8() === 1,
        key: decodeKey(input),
      };
    case 'extend':
      return {
        kind,
        partition,
        deadline,
        id: readId(input),
        expiresInMs: readTime(input),
        key: decodeKey(input),
      };
    case 'cancel':
      return { kind, partition, deadline, id: readId(input), key: decodeKey(input) };
    case 'recall':
      return { kind, partition, deadline, key: requiredKey(input) };
    case 'claim':
    case 'prolong':
      return { kind, partition, deadline, key: requiredKey(input), token: input.u32() };
    case 'seal':
      return { kind, partition, deadline, key: requiredKey(input), summary: decodeSummary(input) };
    case 'release':
      return {
        kind,
        partition,
        deadline,
        key: requiredKey(input),
        token: input.u32(),
        used: input.u8() === 1,
      };
    default:
      return { kind, partition, deadline, id: readId(input) };
  }
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
    case 'imported':
      out.u16(reply.changed);
      out.u16(reply.unchanged);
      out.u16(reply.refused.length);
      for (const { row, code } of reply.refused) {
        out.u16(row);
        out.u8(problemNumber(code));
      }
      return;
    case 'levels':
      encodeOptional(out, reply.next);
      encodeOptional(out, reply.age);
      out.u16(reply.levels.length);
      for (const level of reply.levels) encodeLevel(out, level);
      return;
    case 'reservation':
      return encodeReservation(out, reply.reservation);
    case 'found':
      return encodeFound(out, reply);
    case 'entries':
      return encodeEntries(out, reply);
    case 'outcome':
      out.u8(OUTCOMES.indexOf(reply.outcome));
      out.f64(reply.expiresAt);
      return encodeSold(out, reply.sold);
    case 'settled':
      return encodeGrantedLines(out, reply.lines);
    case 'status':
      return out.longText(JSON.stringify(reply.status));
    case 'api-keys':
      return out.longText(JSON.stringify(reply.keyring));
    case 'hottest':
      return encodeHotSkus(out, reply.skus);
    case 'problem':
      return out.u8(problemNumber(reply.code));
    case 'claimed':
      return out.u8(reply.known ? 1 : 0);
    case 'sealed':
      return encodeSummary(out, reply.summary);
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
        lines: list(input, input.u8(), decodeGrantedPart),
        short: decodeRefusals(input),
      };
    case 'refused':
      return { kind, lines: decodeRefusals(input) };
    case 'level':
      return { kind, created: input.u8() === 1, level: decodeLevel(input) };
    case 'imported':
      return {
        kind,
        changed: input.u16(),
        unchanged: input.u16(),
        refused: list(input, input.u16(), decodeRefusedRow),
      };
    case 'levels':
      return {
        kind,
        next: decodeOptional(input),
        age: decodeOptional(input),
        levels: list(input, input.u16(), decodeLevel),
      };
    case 'reservation':
      return { kind, reservation: decodeReservation(input) };
    case 'found':
      return decodeFound(input);
    case 'entries':
      return decodeEntries(input);
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
    case 'api-keys':
      return { kind, keyring: JSON.parse(input.longText()) };
    case 'hottest':
      return { kind, skus: decodeHotSkus(input) };
    case 'problem':
      return { kind, code: readProblem(input) };
    case 'claimed':
      return { kind, known: input.u8() === 1 };
    case 'sealed':
      return { kind, summary: decodeSummary(input) };
    case 'replayed':
      return { kind, reply: decodeReply(input), short: decodeRefusals(input) };
  }
}

function decodeGrantedPart(input: Reader): Extract<Reply, { kind: 'granted' }>['lines'][number] {
  return { line: input.u8(), allocations: decodeAllocations(input) };
}

function decodeRefusedRow(input: Reader): Extract<Reply, { kind: 'imported' }>['refused'][number] {
  return { row: input.u16(), code: readProblem(input) };
}
