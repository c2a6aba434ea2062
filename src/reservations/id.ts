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

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class ReservationIds {
  private readonly pool = new Uint8Array(POOL_BYTES);
  private used = POOL_BYTES;

  constructor(private readonly fill: RandomFill = (bytes) => crypto.getRandomValues(bytes)) {}

  /** @param now wall time in milliseconds */
  next(now: number, home: number): string {
    if (this.used + RANDOM_BYTES > POOL_BYTES) {
      this.fill(this.pool);
      this.used = 0;
    }
    const { pool, used: at } = this;
    this.used += RANDOM_BYTES;
    const upper = Math.floor(now / 0x10000);
    const high = HEX[(upper >>> 24) & 255] + HEX[(upper >>> 16) & 255];
    const middle = HEX[(upper >>> 8) & 255] + HEX[upper & 255];
    const low = HEX[(now >>> 8) & 255] + HEX[now & 255];
    const versioned = HEX[0x70 | (pool[at] & 15)] + HEX[pool[at + 1]];
    const variant = HEX[0x80 | (pool[at + 2] & 63)] + HEX[pool[at + 3]];
    const node = HEX[pool[at + 4]] + HEX[pool[at + 5]] + HEX[pool[at + 6]] + HEX[pool[at + 7]];
    return `${high}${middle}-${low}-${versioned}-${variant}-${node}${HEX[home >>> 8]}${HEX[home & 255]}`;
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

/** The canonical text form of the four words at `at`. */
export function formatId(ids: Uint32Array, at: number): string {
  const hex = (i: number): string => ids[at + i].toString(16).padStart(8, '0');
  const [a, b, c, d] = [hex(0), hex(1), hex(2), hex(3)];
  return `${a}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${d}`;
}
