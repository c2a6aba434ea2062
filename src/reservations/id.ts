/**
 * Reservation ids: UUID version 7 (RFC 9562) whose last 16 bits are the home partition, so that any
 * front can tell where a reservation lives without asking anyone.
 *
 *   48 bits milliseconds · 4 bits version 7 · 12 random bits · 2 bits variant · 46 random bits · 16 bits partition
 */

/** Fills the array with random bytes that cannot be guessed. */
export type RandomFill = (bytes: Uint8Array) => void;

/** Asking the system for randomness costs more than an id does, so it is fetched for many ids at once. */
const POOL_BYTES = 4096;
const RANDOM_BYTES = 8;

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class ReservationIds {
  private readonly pool = new Uint8Array(POOL_BYTES);
  private used = POOL_BYTES;
  private readonly words = new Uint32Array(4);

  constructor(private readonly fill: RandomFill = (bytes) => crypto.getRandomValues(bytes)) {}

  /** @param now wall time in milliseconds */
  next(now: number, home: number): string {
    if (this.used + RANDOM_BYTES > POOL_BYTES) {
      this.fill(this.pool);
      this.used = 0;
    }
    const { pool, words, used: at } = this;
    this.used += RANDOM_BYTES;
    words[0] = Math.floor(now / 0x10000);
    words[1] = (now << 16) | 0x7000 | ((pool[at] & 15) << 8) | pool[at + 1];
    words[2] =
      0x80000000 | ((pool[at + 2] & 63) << 24) | (pool[at + 3] << 16) | (pool[at + 4] << 8) | pool[at + 5];
    words[3] = (pool[at + 6] << 24) | (pool[at + 7] << 16) | home;
    return formatId(words, 0);
  }
}

/**
 * @param partitions how many there are
 * @returns the home partition of an id in lower-case canonical form; undefined for anything that
 *   cannot be the id of a reservation
 */
export function homeOf(id: string, partitions: number): number | undefined {
  if (!CANONICAL.test(id)) return undefined;
  const home = Number.parseInt(id.slice(-4), 16);
  return home < partitions ? home : undefined;
}

/** No reservation that was made at this time or later has a smaller id. */
export function firstIdOf(ms: number): string {
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/** Reads the canonical text form of a UUID (RFC 9562, section 4): 32 hexadecimal digits in lower case, and dashes. */
export function parseId(id: string, into: Uint32Array): void {
  let word = 0;
  let digits = 0;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    if (code === DASH) continue;
    word = (word << 4) | (code > NINE ? code - LETTER_A + 10 : code - ZERO);
    if ((++digits & 7) === 0) into[(digits >> 3) - 1] = word;
  }
}
const [ZERO, NINE, LETTER_A, DASH] = [48, 57, 97, 45];

const DIGITS = Buffer.from('0123456789abcdef');
/** Where the two digits of each byte stand in the text, whose dashes stay. */
const DIGITS_AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const text = Buffer.alloc(36, '-');

/** The canonical text form of the four words at `at`. By way of a buffer: a text of parts took four times as long. */
export function formatId(ids: Uint32Array, at: number): string {
  for (let i = 0; i < DIGITS_AT.length; i++) {
    const byte = ids[at + (i >> 2)] >>> (24 - 8 * (i & 3));
    text[DIGITS_AT[i]] = DIGITS[(byte >>> 4) & 15];
    text[DIGITS_AT[i] + 1] = DIGITS[byte & 15];
  }
  return text.toString('latin1');
}
