/**
 * An API key: `hf_<id>_<secret>`. The prefix lets people and scanners recognise one that has leaked; the id says which
 * it is, so that it is looked up by what is no secret, and only one comparison, in constant time, touches the secret.
 *
 * A secret is kept as its SHA-256. Slow hashes (bcrypt, argon2) are there for passwords, which people make up and others
 * guess; here are 256 bits of chance, which nobody guesses from a hash however fast it is, and every request is
 * checked, for which a slow one would be too dear.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 6;
const SECRET_BYTES = 32;
const HASH_BYTES = 32;
const TEXT = new RegExp(`^hf_([0-9a-f]{${2 * ID_BYTES}})_([0-9a-f]{${2 * SECRET_BYTES}})$`);

/** @returns a new key, as its holder gets it, and what is kept of it */
export function makeApiKey(): { text: string; id: string; hash: string } {
  const id = randomBytes(ID_BYTES).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('hex');
  return { text: `hf_${id}_${secret}`, id, hash: Bun.SHA256.hash(secret, 'hex') };
}

/** @returns undefined where the text is no API key */
export function parseApiKey(text: string): { id: string; secret: string } | undefined {
  const [, id, secret] = TEXT.exec(text) ?? [];
  return id === undefined ? undefined : { id, secret };
}

const scratch = Buffer.alloc(HASH_BYTES);

/** @param hash that of the secret which it should be */
export function isSecret(secret: string, hash: Buffer): boolean {
  Bun.SHA256.hash(secret, scratch);
  return timingSafeEqual(scratch, hash);
}
