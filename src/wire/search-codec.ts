/** The messages of searches to bytes and back; see codec.ts. */
import { LEDGER_KINDS, type LedgerEntry, STATUSES } from '../reservations/types.ts';
import type { Reader, Writer } from './bytes.ts';
import { readName, readOptionalId, readText } from './checked.ts';
import {
  decodeOptional,
  decodeReservation,
  encodeOptional,
  encodeReservation,
  list,
  pick,
} from './fields.ts';
import type { FindReservationsRequest, ReadLedgerRequest, Reply } from './messages.ts';

type Found = Extract<Reply, { kind: 'found' }>;
type Entries = Extract<Reply, { kind: 'entries' }>;

export function encodeFindReservations(out: Writer, request: FindReservationsRequest): void {
  out.f64(request.deadline);
  out.text(request.reference ?? '');
  encodeOptional(out, request.status && STATUSES.indexOf(request.status));
  out.text(request.sku ?? '');
  out.text(request.below ?? '');
  out.u16(request.limit);
}

export function decodeFindReservations(input: Reader): FindReservationsRequest {
  const kind = 'find-reservations';
  const deadline = input.f64();
  const reference = readText(input) || undefined;
  const status = decodeOptional(input);
  return {
    kind,
    deadline,
    reference,
    status: status === undefined ? undefined : pick(STATUSES, status),
    sku: readText(input) || undefined,
    below: readOptionalId(input),
    limit: input.u16(),
  };
}

export function encodeReadLedger(out: Writer, request: ReadLedgerRequest): void {
  out.f64(request.deadline);
  out.text(request.sku);
  out.text(request.location ?? '');
  encodeOptionalPlaces(out, request.from);
  out.u16(request.limit);
}

export function decodeReadLedger(input: Reader): ReadLedgerRequest {
  return {
    kind: 'read-ledger',
    deadline: input.f64(),
    sku: readName(input),
    location: readText(input) || undefined,
    from: decodeOptionalPlaces(input),
    limit: input.u16(),
  };
}

export function encodeFound(out: Writer, { next, reservations }: Found): void {
  out.text(next ?? '');
  out.u16(reservations.length);
  for (const reservation of reservations) encodeReservation(out, reservation);
}

export function decodeFound(input: Reader): Found {
  const next = input.text() || undefined;
  return { kind: 'found', next, reservations: list(input, input.u16(), decodeReservation) };
}

export function encodeEntries(out: Writer, { next, entries }: Entries): void {
  encodeOptionalPlaces(out, next);
  out.u16(entries.length);
  for (const entry of entries) encodeLedgerEntry(out, entry);
}

export function decodeEntries(input: Reader): Entries {
  const next = decodeOptionalPlaces(input);
  return { kind: 'entries', next, entries: list(input, input.u16(), decodeLedgerEntry) };
}

function encodeLedgerEntry(out: Writer, entry: LedgerEntry): void {
  out.f64(entry.seq);
  out.text(entry.location);
  out.u8(LEDGER_KINDS.indexOf(entry.kind));
  out.f64(entry.onHandDelta);
  out.f64(entry.reservedDelta);
  out.text(entry.reservation ?? '');
  out.text(entry.reason ?? '');
  out.text(entry.reference ?? '');
  out.f64(entry.at);
}

function decodeLedgerEntry(input: Reader): LedgerEntry {
  return {
    seq: input.f64(),
    location: input.text(),
    kind: pick(LEDGER_KINDS, input.u8()),
    onHandDelta: input.f64(),
    reservedDelta: input.f64(),
    reservation: input.text() || undefined,
    reason: input.text() || undefined,
    reference: input.text() || undefined,
    at: input.f64(),
  };
}

/** A list that is absent is sent as an empty one: no level has none. */
function encodeOptionalPlaces(out: Writer, places: number[] = []): void {
  out.u16(places.length);
  for (const place of places) out.f64(place);
}
const decodePlace = (input: Reader): number => input.f64();
function decodeOptionalPlaces(input: Reader): number[] | undefined {
  const places = list(input, input.u16(), decodePlace);
  return places.length === 0 ? undefined : places;
}
