/**
 * Idempotency keys that were used, and for what payload: the 128 bits of a key's hash, 64 of its payload's, and
 * the second. What was answered is in the database, where the rare repetition finds it.
 *
 * DESIGN. Slots in typed arrays, found through an open-addressing table with linear probing and backward-shift
 * deletion (Knuth, TAOCP 3, 6.4, algorithm R). 28 bytes a slot and 8 to 16 of the table; a key is in two of these: where it was
 * decided, and where it is claimed. What is old is found by walking over the slots, a few at a time.
 */
import { CAPACITY_MIN, Growth, resized } from './columns.ts';
import { NONE } from './snapshot.ts';

/** The key's four words and the first two of the fingerprint's. */
const WORDS = 6;
const words = new Uint32Array(8);

export class Keys {
  count = 0;
  private slots = 0;
  private freeSlot = NONE;
  private sweptTo = 0;
  private words = new Uint32Array(0);
  /** Seconds since the Unix epoch; 0 in a free slot, whose first word is then the next free one, plus one. */
  private usedAt = new Uint32Array(0);
  /** Slot + 1; 0 is empty. Never more than half full. */
  private table = new Uint32Array(0);

  constructor(private readonly growth = new Growth()) {}

  /** @returns whether the key was used for this payload, for another, or not at all */
  find(key: string, fingerprint: string): 'same' | 'other' | 'none' {
    if (this.count === 0) return 'none';
    parseHex(key, 0);
    const slot = this.table[this.probe()] - 1;
    if (slot === NONE) return 'none';
    parseHex(fingerprint, 4);
    const at = slot * WORDS;
    return this.words[at + 4] === words[4] && this.words[at + 5] === words[5] ? 'same' : 'other';
  }

  /** @param now milliseconds since the Unix epoch */
  add(key: string, fingerprint: string, now: number): void {
    this.makeRoom();
    parseHex(key, 0);
    parseHex(fingerprint, 4);
    this.insert(now);
  }

  /** As `add`. @param from the key's four words and the fingerprint's */
  addWords(from: Uint32Array, now: number): void {
    this.makeRoom();
    words.set(from);
    this.insert(now);
  }

  private insert(now: number): void {
    const place = this.probe();
    if (this.table[place] !== 0) return;
    let slot = this.freeSlot;
    if (slot === NONE) slot = this.slots++;
    else this.freeSlot = this.words[slot * WORDS] - 1;
    this.words.set(words.subarray(0, WORDS), slot * WORDS);
    this.usedAt[slot] = now / 1000;
    this.table[place] = slot + 1;
    this.count++;
  }

  remove(key: string): void {
    if (this.count === 0) return;
    parseHex(key, 0);
    const slot = this.table[this.probe()] - 1;
    if (slot !== NONE) this.free(slot);
  }

  /** Looks at up to `most` slots, and forgets those used before `before`, in milliseconds. */
  sweep(before: number, most: number): void {
    const seconds = before / 1000;
    for (let looked = Math.min(most, this.slots); looked > 0; looked--) {
      if (this.sweptTo >= this.slots) this.sweptTo = 0;
      const slot = this.sweptTo++;
      const usedAt = this.usedAt[slot];
      if (usedAt !== 0 && usedAt < seconds) this.free(slot);
    }
  }

  /** The table position of the key in `words`, or the empty one where it belongs. */
  private probe(): number {
    const { table } = this;
    const mask = table.length - 1;
    for (let at = ideal(words, 0) & mask; ; at = (at + 1) & mask) {
      const entry = table[at];
      if (entry === 0) return at;
      const i = (entry - 1) * WORDS;
      if (
        this.words[i] === words[0] &&
        this.words[i + 1] === words[1] &&
        this.words[i + 2] === words[2] &&
        this.words[i + 3] === words[3]
      )
        return at;
    }
  }

  private free(slot: number): void {
    const { table } = this;
    const mask = table.length - 1;
    words.set(this.words.subarray(slot * WORDS, slot * WORDS + WORDS));
    let gap = this.probe();
    table[gap] = 0;
    for (let at = (gap + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const wanted = ideal(this.words, (table[at] - 1) * WORDS) & mask;
      // An entry moves into the gap unless its ideal place lies behind the gap, cyclically.
      if (((at - wanted) & mask) >= ((at - gap) & mask)) {
        table[gap] = table[at];
        table[at] = 0;
        gap = at;
      }
    }
    this.usedAt[slot] = 0;
    this.words[slot * WORDS] = this.freeSlot + 1;
    this.freeSlot = slot;
    this.count--;
  }

  private makeRoom(): void {
    if (this.freeSlot === NONE && this.slots === this.usedAt.length) this.resize(this.slots + 1);
    if (this.count * 2 >= this.table.length) this.growTable();
  }

  fit(): void {
    if (this.slots > 0) this.resize(this.slots);
  }

  private resize(needed: number): void {
    const capacity = this.growth.room(needed);
    this.words = resized(this.words, capacity * WORDS);
    this.usedAt = resized(this.usedAt, capacity);
  }

  private growTable(): void {
    const entries = this.table;
    this.table = new Uint32Array(Math.max(CAPACITY_MIN * 2, entries.length * 2));
    for (let from = 0; from < entries.length; from++) {
      const entry = entries[from];
      if (entry === 0) continue;
      words.set(this.words.subarray((entry - 1) * WORDS, entry * WORDS));
      this.table[this.probe()] = entry;
    }
  }
}

/** The words are those of a cryptographic hash, so any of them is as good as a hash of all; not those that chose the partition. */
function ideal(from: Uint32Array, at: number): number {
  return from[at + 1];
}

/** Eight hexadecimal digits a word. */
function parseHex(hex: string, at: number): void {
  for (let word = 0; word < 4; word++)
    words[at + word] = Number.parseInt(hex.slice(word * 8, word * 8 + 8), 16);
}
