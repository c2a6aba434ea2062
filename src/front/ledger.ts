/** GET /v1/stock/{sku}/ledger: every change of a SKU's levels, newest first, a page at a time. */
import { ENTRIES_PER_PAGE_DEFAULT, REQUEST_DEADLINE_MS } from '../limits.ts';
import { problemFrom } from './answers.ts';
import type { FrontContext } from './context.ts';
import { cursorRefused, type Listing, pageOf, positionOf } from './paging.ts';
import { invalid } from './problems.ts';
import { queryReader } from './query.ts';
import { renderLedgerEntry } from './render.ts';
import * as schemas from './schemas.ts';
import { keyFaults } from './stock.ts';
import { shown } from './validate.ts';

const ledgerQuery = queryReader(schemas.LedgerQuery);

export async function readLedger(
  { backends, clock }: FrontContext,
  request: Request,
  { sku }: { sku: string },
): Promise<Response> {
  const faults = keyFaults({ sku });
  if (faults.length > 0) return invalid(faults);
  const query = ledgerQuery.read(request);
  if (query instanceof Response) return query;
  const { location, cursor, limit = ENTRIES_PER_PAGE_DEFAULT } = query;
  const listing: Listing = { path: `/v1/stock/${encodeURIComponent(sku)}/ledger`, filters: { location } };
  const from = cursor === undefined ? undefined : placesOf(positionOf(listing, cursor));
  if (cursor !== undefined && from === undefined) return cursorRefused();
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const answer = await backends.search({ kind: 'read-ledger', deadline, sku, location, from, limit });
  if (answer.kind !== 'entries')
    return problemFrom(answer, 'reads', { 'unknown-sku': `No stock was ever set for SKU ${shown(sku)}.` });
  const next = answer.next === undefined ? undefined : bytesOf(answer.next);
  return pageOf(listing, answer.entries.map(renderLedgerEntry), limit, next);
}

/** Enough for any number. */
const WIDTH_MAX = 7;

/**
 * What the next page comes behind, and the page of the ledger that each level goes on with, in few bytes, since a SKU may have
 * many levels and a cursor stands in a URL: the newest one, then how far behind it each is, 0 for a level that has no more. All
 * distances have the same number of bytes, which comes first: five for 34 years of milliseconds.
 */
function bytesOf([shown, ...pages]: number[]): Uint8Array {
  const newest = Math.max(...pages);
  const distances = pages.map((page) => (page === 0 ? 0 : newest - page + 1));
  const width = widthOf(Math.max(...distances));
  const bytes = [width];
  for (const value of [shown, newest]) push(bytes, value, WIDTH_MAX);
  for (const distance of distances) push(bytes, distance, width);
  return Uint8Array.from(bytes);
}

function placesOf(bytes: Uint8Array | undefined): number[] | undefined {
  if (bytes === undefined) return undefined;
  const [width] = bytes;
  // Not one of ours, whatever its checksum says.
  const distances = bytes.length - 1 - 2 * WIDTH_MAX;
  if (width < 1 || width > WIDTH_MAX || distances < width || distances % width !== 0) return undefined;
  const shown = read(bytes, 1, WIDTH_MAX);
  const newest = read(bytes, 1 + WIDTH_MAX, WIDTH_MAX);
  const places = [shown];
  for (let at = 1 + 2 * WIDTH_MAX; at < bytes.length; at += width) {
    const distance = read(bytes, at, width);
    places.push(distance === 0 ? 0 : newest - distance + 1);
  }
  return places;
}

function widthOf(value: number): number {
  let width = 1;
  while (value >= 256 ** width) width++;
  return width;
}

function push(bytes: number[], value: number, width: number): void {
  for (let byte = width - 1; byte >= 0; byte--) bytes.push(Math.floor(value / 256 ** byte) % 256);
}

function read(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let byte = at; byte < at + width; byte++) value = value * 256 + bytes[byte];
  return value;
}
