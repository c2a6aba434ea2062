/**
 * An Idempotency-Key (IETF httpapi draft "The Idempotency-Key HTTP Header Field") as the processes pass
 * it on: hashes, since a key may be long and says nothing, and the partition that sees to it that a key has one payload.
 */
export interface Key {
  /** 32 hexadecimal digits: the first 128 bits of the key's SHA-256. */
  hash: string;
  /** Likewise, of what it was sent with: method, path and payload. */
  fingerprint: string;
  /** Where it is claimed. */
  partition: number;
}
