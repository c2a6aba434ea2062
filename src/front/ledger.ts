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
  const from = cursor === undefined ? undefined : seqsOf(positionOf(listing, cursor));
  if (cursor !== undefined && from === undefined) return cursorRefused();
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  const answer = await backends.search({ kind: 'read-ledger', deadline, sku, location, from, limit });
  if (answer.kind !== 'entries')
    return problemFrom(answer, 'reads', { 'unknown-sku': `No stock was ever set for SKU ${shown(sku)}.` });
  const next = answer.next === undefined ? undefined : bytesOf(answer.next);
  return pageOf(listing, answer.entries.map(renderLedgerEntry), limit, next);
}

/**
 * The entry of each level that a page goes on with, in few bytes, since a SKU may have many levels and a
 * cursor stands in a URL: the newest one, then how far behind it each is, 0 for a level that has no more.
 * Numbers are varints, seven bits a byte and the lowest first (as in LEB128).
 */
function bytesOf(seqs: number[]): Uint8Array {
  const newest = Math.max(...seqs);
  const bytes: number[] = [];
  for (const value of [newest, ...seqs.map((seq) => (seq === 0 ? 0 : newest - seq + 1))]) {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  }
  return Uint8Array.from(bytes);
}

function seqsOf(bytes: Uint8Array | undefined): number[] | undefined {
  if (bytes === undefined) return undefined;
  const values: number[] = [];
  let value = 0;
  let weight = 1;
  for (const byte of bytes) {
    value += (byte % 128) * weight;
    weight *= 128;
    if (byte >= 128) continue;
    values.push(value);
    value = 0;
    weight = 1;
  }
  const [newest, ...behind] = values;
  return behind.map((distance) => (distance === 0 ? 0 : newest - distance + 1));
}
