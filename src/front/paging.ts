/**
 * Long answers in pages. A cursor says where the next page begins; to its caller it is opaque. It carries a
 * checksum over that and over what was asked for, so that one that was cut off, altered, or brought to another
 * search is refused instead of answering with a page from nowhere.
 */
import { hashBytes } from '../routing/partition-map.ts';
import { type Fault, invalid } from './problems.ts';
import { ok } from './render.ts';

/** A list and everything that chooses what is on it. */
export interface Listing {
  path: string;
  filters: Record<string, string | undefined>;
}

const CHECKSUM_BYTES = 4;
const encoder = new TextEncoder();

export function cursorOf(listing: Listing, position: Uint8Array): string {
  const bytes = Buffer.alloc(CHECKSUM_BYTES + position.length);
  bytes.set(position, CHECKSUM_BYTES);
  bytes.writeUInt32LE(checksum(listing, position));
  return bytes.toString('base64url');
}

/** @returns undefined for what no page of this listing has given */
export function positionOf(listing: Listing, cursor: string): Uint8Array | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length <= CHECKSUM_BYTES || bytes.toString('base64url') !== cursor) return undefined;
  const position = bytes.subarray(CHECKSUM_BYTES);
  return bytes.readUInt32LE() === checksum(listing, position) ? position : undefined;
}

function checksum(listing: Listing, position: Uint8Array): number {
  const asked = encoder.encode(JSON.stringify([listing.path, Object.entries(listing.filters)]));
  const bytes = Buffer.concat([asked, position]);
  return hashBytes(bytes, 0, bytes.length);
}

export function cursorRefused(): Response {
  const fault: Fault = {
    parameter: 'cursor',
    code: 'not-allowed',
    detail: 'is not one that a page of this search, with these filters, has given as nextCursor',
  };
  return invalid([fault]);
}

/** @param next where the next page begins; absent on the last one */
export function pageOf(listing: Listing, items: string[], limit: number, next?: Uint8Array): Response {
  if (next === undefined) return ok(`{"items":[${items.join(',')}]}`);
  const cursor = cursorOf(listing, next);
  const response = ok(`{"items":[${items.join(',')}],"nextCursor":"${cursor}"}`);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(listing.filters))
    if (value !== undefined) query.set(name, value);
  query.set('cursor', cursor);
  query.set('limit', String(limit));
  response.headers.set('link', `<${listing.path}?${query}>; rel="next"`);
  return response;
}
