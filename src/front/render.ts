/**
 * The JSON of successful answers, written straight to strings: the fields are few and known, and only
 * what a caller once sent needs escaping.
 */
import {
  availableOf,
  type GrantedLine,
  type LedgerEntry,
  type LineRefusal,
  type Reservation,
  type StockLevel,
} from '../reservations/types.ts';

const quoted = JSON.stringify as (text: string) => string;

const JSON_TYPE = new Headers({ 'content-type': 'application/json' });
const OK = { status: 200, headers: JSON_TYPE };
const CREATED = { status: 201, headers: JSON_TYPE };

/** 200, with a body that is JSON already. */
export function ok(body: string): Response {
  return new Response(body, OK);
}

/** 201, with a body that is JSON already. */
export function created(body: string): Response {
  return new Response(body, CREATED);
}

const SECONDS_REMEMBERED = 64;
const seconds = new Map<number, string>();

/** RFC 3339, UTC, with milliseconds, in quotes. Most times that are answered fall into very few seconds. */
function time(ms: number): string {
  const second = Math.floor(ms / 1000);
  let prefix = seconds.get(second);
  if (prefix === undefined) {
    if (seconds.size === SECONDS_REMEMBERED) seconds.clear();
    prefix = `"${new Date(ms).toISOString().slice(0, 20)}`;
    seconds.set(second, prefix);
  }
  const rest = ms - second * 1000;
  return `${prefix}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z"`;
}

export function renderLevel(level: StockLevel): string {
  return (
    `{"sku":${quoted(level.sku)},"location":${quoted(level.location)},"onHand":${level.onHand},` +
    `"reserved":${level.reserved},"safetyStock":${level.safetyStock},"backorderLimit":${level.backorderLimit},` +
    `"available":${availableOf(level)},"version":${level.version},"updatedAt":${time(level.updatedAt)}}`
  );
}

/** @param marked says `found: true`, as an answer for many SKUs does */
export function renderSkuStock(sku: string, levels: StockLevel[], marked = false): string {
  const totals = { onHand: 0, reserved: 0, safetyStock: 0, backorderLimit: 0 };
  for (const level of levels) {
    totals.onHand += level.onHand;
    totals.reserved += level.reserved;
    totals.safetyStock += level.safetyStock;
    totals.backorderLimit += level.backorderLimit;
  }
  const sums = JSON.stringify({ ...totals, available: availableOf(totals) });
  const found = marked ? '"found":true,' : '';
  return `{"sku":${quoted(sku)},${found}"totals":${sums},"levels":[${levels.map(renderLevel).join(',')}]}`;
}

export function renderLedgerEntry(entry: LedgerEntry): string {
  const { seq, location, kind, onHandDelta, reservedDelta, reservation, reason, reference, at } = entry;
  let body = `{"seq":${seq},"location":${quoted(location)},"kind":"${kind}",`;
  body += `"onHandDelta":${onHandDelta},"reservedDelta":${reservedDelta}`;
  if (reservation !== undefined) body += `,"reservation":"${reservation}"`;
  if (reason !== undefined) body += `,"reason":${quoted(reason)}`;
  if (reference !== undefined) body += `,"reference":${quoted(reference)}`;
  return `${body},"at":${time(at)}}`;
}

/** @param short in mode `partial`: the lines that were not granted whole */
export function renderReservation(reservation: Reservation, short?: readonly LineRefusal[]): string {
  const { id, status, lines, reference, createdAt, expiresAt, closedAt } = reservation;
  let body = `{"id":"${id}","status":"${status}","lines":[`;
  for (let i = 0; i < lines.length; i++) body += i === 0 ? renderLine(lines[0]) : `,${renderLine(lines[i])}`;
  body += ']';
  if (reference !== undefined) body += `,"reference":${quoted(reference)}`;
  body += `,"createdAt":${time(createdAt)},"expiresAt":${time(expiresAt)}`;
  if (closedAt !== undefined) body += `,"closedAt":${time(closedAt)}`;
  if (short !== undefined) body += `,"notGranted":${JSON.stringify(short.map(notGranted))}`;
  return `${body}}`;
}

function notGranted({ line, sku, code, requested, available }: LineRefusal) {
  return { line, sku, code, requested, granted: available };
}

function renderLine({ sku, quantity, allocations }: GrantedLine): string {
  let body = `{"sku":${quoted(sku)},"quantity":${quantity},"allocations":[`;
  for (let i = 0; i < allocations.length; i++) {
    const { location, quantity: part } = allocations[i];
    body += `${i === 0 ? '' : ','}{"location":${quoted(location)},"quantity":${part}}`;
  }
  return `${body}]}`;
}
