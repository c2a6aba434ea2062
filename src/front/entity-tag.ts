/**
 * Versions of a stock level as entity tags (RFC 9110, 8.8.3 and 13.1.1): `"7"` is version 7.
 */

/** What If-Match demands of a level: one of these versions, that it exists, or what no level can be. */
export type Condition =
  | { kind: 'version'; version: number }
  | { kind: 'exists' }
  | { kind: 'never' }
  | { kind: 'malformed' };

const TAG = /^\s*(W\/)?"([\x21\x23-\x7e\x80-\uffff]*)"\s*$/;
const VERSION = /^[1-9]\d{0,9}$/;
const VERSION_MAX = 4_294_967_294;

export function entityTag(version: number): string {
  return `"${version}"`;
}

export function parseIfMatch(header: string): Condition {
  if (header.trim() === '*') return { kind: 'exists' };
  const tag = TAG.exec(header);
  if (tag === null) return { kind: 'malformed' };
  const [, weak, opaque] = tag;
  // If-Match compares strongly, so a weak tag matches nothing; nor does one that is not of ours.
  if (weak !== undefined || !VERSION.test(opaque) || Number(opaque) > VERSION_MAX) return { kind: 'never' };
  return { kind: 'version', version: Number(opaque) };
}
