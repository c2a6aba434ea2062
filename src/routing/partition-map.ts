/**
 * SKU → partition → worker. The hash is part of the database's format: rows are stored under the
 * partition it gives, so neither it nor the number of partitions ever changes for a database.
 */

const encoder = new TextEncoder();
const scratch = new Uint8Array(1024);

/**
 * MurmurHash3 x86_32, seed 0 (Austin Appleby, public domain reference: smhasher, MurmurHash3.cpp).
 * @returns an unsigned 32-bit hash of `bytes[from, to)`
 */
export function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const block = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = to - 1; i >= at; i--) tail = (tail << 8) | bytes[i];
  if (at < to) hash ^= scramble(tail);
  hash ^= to - from;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** The partition of a SKU (at most 340 UTF-16 units, so that its UTF-8 form fits the scratch buffer). */
export function partitionOf(sku: string, partitions: number): number {
  const { written } = encoder.encodeInto(sku, scratch);
  return hashBytes(scratch, 0, written) % partitions;
}

/** Which worker owns which partition. A map is never changed; a new one has a higher version. */
export interface PartitionMap {
  version: number;
  /** The Unix socket of each worker. */
  sockets: string[];
  /** The worker of each partition, as an index into `sockets`. */
  owner: number[];
}

/** Contiguous ranges of equal size, as far as the numbers allow. */
export function evenMap(version: number, partitions: number, sockets: string[]): PartitionMap {
  const owner = Array.from({ length: partitions }, (_, partition) =>
    Math.floor((partition * sockets.length) / partitions),
  );
  return { version, sockets, owner };
}
