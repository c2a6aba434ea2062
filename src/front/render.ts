/**
 * The JSON of successful answers, written straight to strings: the fields are few and known, and only
 * what a caller once sent needs escaping.
 */
import { availableOf, type GrantedLine, type Reservation, type StockLevel } from '../reservations/types.ts';

const quoted = JSON.stringify as (text: string) => string;

export function json(body: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { 'content-type': 'application/json', ...headers } });
}

/** RFC 3339, UTC, with milliseconds, in quotes. */
function time(ms: number): string {
  return `"${new Date(ms).toISOString()}"`;
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

export function renderReservation(reservation: Reservation): string {
  const { id, status, lines, reference, createdAt, expiresAt, closedAt } = reservation;
  let body = `{"id":"${id}","status":"${status}","lines":[${renderLine(lines[0])}`;
  for (let i = 1; i < lines.length; i++) body += `,${renderLine(lines[i])}`;
  body += ']';
  if (reference !== undefined) body += `,"reference":${quoted(reference)}`;
  body += `,"createdAt":${time(createdAt)},"expiresAt":${time(expiresAt)}`;
  if (closedAt !== undefined) body += `,"closedAt":${time(closedAt)}`;
  return `${body}}`;
}

function renderLine({ sku, quantity, allocations }: GrantedLine): string {
  let body = `{"sku":${quoted(sku)},"quantity":${quantity},"allocations":[`;
  for (let i = 0; i < allocations.length; i++) {
    const { location, quantity: part } = allocations[i];
    body += `${i === 0 ? '' : ','}{"location":${quoted(location)},"quantity":${part}}`;
  }
  return `${body}]}`;
}
