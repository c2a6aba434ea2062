/** What a server knows of its API keys. Types alone: also a page in a browser may name them. */
import type { Scope } from './scopes.ts';

/** So many requests in so many seconds. */
export interface Rate {
  requests: number;
  seconds: number;
}

/** What a server must know of a key to let its holder in. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: Scope[];
  /** Of the secret, in hexadecimal. */
  hash: string;
  /** Milliseconds since the Unix epoch; absent: never. */
  expiresAt?: number;
  /** Absent: as fast as it can. */
  rate?: Rate;
}

/** The API keys of a database. */
export interface Keyring {
  /** Whether there has ever been one: from then on nobody gets in without. */
  everMade: boolean;
  /** Those that are not revoked. */
  keys: ApiKey[];
}
