/**
 * The open reservations of one partition, or its parts of them, as a structure of arrays.
 *
 * DESIGN. A reservation is a slot; slots are used again. The id (128 bits, four words) is found through
 * an open-addressing table with linear probing and backward-shift deletion (Knuth, TAOCP 3, 6.4,
 * algorithm R), so that no tombstones gather. Its lines are a list in a pool of their own: a line of
 * this partition names its level; a line of the home that stands for a participant names
 * that partition instead (`level` = ~partition).
 */
import { formatId, parseId } from '../reservations/id.ts';
import { ByteHeap } from './byte-heap.ts';
import { CAPACITY_MIN, Growth, resized } from './columns.ts';
import { NONE } from './snapshot.ts';

/**
 * - `held`: this partition is the home, and it is open.
 * - `settling`: this is the home, the decision to close has been made, and not every participant
 *   has acknowledged it.
 * - `trying`: this is a participant that does not know whether the home has decided.
 * - `decided`: this is a participant whose home said `held`.
 * - `asked`, `never`: this is the home of an id it has no record of and will never have; while `asked`,
 *   the database is still being consulted.
 * - `reholding`: this is the home of an expired reservation that is to be confirmed after all; the
 *   database is being consulted.
 */
export type HoldState = 'held' | 'settling' | 'trying' | 'decided' | 'asked' | 'never' | 'reholding';
const STATES: readonly HoldState[] = ['held', 'settling', 'trying', 'decided', 'asked', 'never', 'reholding'];

const words = new Uint32Array(4);

export class Holds {
  /** Slots in use. */
  count = 0;
  private slots = 0;
  private freeSlot = NONE;
  private ids = new Uint32Array(CAPACITY_MIN * 4);
  private states = new Uint8Array(CAPACITY_MIN);
  home = new Uint16Array(CAPACITY_MIN);
  createdAt = new Float64Array(CAPACITY_MIN);
  expiresAt = new Float64Array(CAPACITY_MIN);
  /** The first line, or the next free slot. */
  firstLine = new Int32Array(CAPACITY_MIN);
  /** The number of the last batch that has a row of it, and where in that batch. */
  writtenIn = new Float64Array(CAPACITY_MIN);
  writtenAt = new Int32Array(CAPACITY_MIN);
  private referenceAt = new Int32Array(CAPACITY_MIN);
  private readonly references: ByteHeap;
  /** Slot + 1 by hash of the id; 0 is empty. Never more than half full. */
  private table = new Uint32Array(CAPACITY_MIN * 2);

  private lines = 0;
  private freeLine = NONE;
  lineLevel = new Int32Array(CAPACITY_MIN);
  lineQuantity = new Uint32Array(CAPACITY_MIN);
  /** The index of the line in the caller's list. */
  lineNumber = new Uint8Array(CAPACITY_MIN);
  nextLine = new Int32Array(CAPACITY_MIN);

  constructor(private readonly growth = new Growth()) {
    this.references = new ByteHeap(growth);
  }

  find(id: string): number {
    parseId(id, words);
    const at = this.probe();
    return this.table[at] - 1;
  }

  /** The id, as a text or as its four words, must not be there yet. */
  add(
    id: string | Uint32Array,
    state: HoldState,
    home: number,
    createdAt: number,
    expiresAt: number,
    reference?: string,
  ): number {
    if (this.freeSlot === NONE && this.slots === this.states.length) this.resizeSlots(this.slots + 1);
    if (this.count * 2 >= this.table.length) this.growTable();
    let slot = this.freeSlot;
    if (slot === NONE) slot = this.slots++;
    else this.freeSlot = this.firstLine[slot];
    if (typeof id === 'string') parseId(id, words);
    else words.set(id);
    for (let word = 0; word < 4; word++) this.ids[slot * 4 + word] = words[word];
    this.table[this.probe()] = slot + 1;
    this.states[slot] = STATES.indexOf(state);
    this.home[slot] = home;
    this.createdAt[slot] = createdAt;
    this.expiresAt[slot] = expiresAt;
    this.firstLine[slot] = NONE;
    this.writtenIn[slot] = 0;
    this.referenceAt[slot] = reference === undefined ? NONE : this.references.put(reference);
    this.count++;
    return slot;
  }

  /** Forgets a reservation and its lines. */
  remove(slot: number): void {
    this.dropLines(slot);
    if (this.referenceAt[slot] !== NONE) this.references.release(this.referenceAt[slot]);
    this.unindex(slot);
    this.firstLine[slot] = this.freeSlot;
    this.freeSlot = slot;
    this.count--;
  }

  dropLines(slot: number): void {
    let line = this.firstLine[slot];
    while (line !== NONE) {
      const next = this.nextLine[line];
      this.nextLine[line] = this.freeLine;
      this.freeLine = line;
      line = next;
    }
    this.firstLine[slot] = NONE;
  }

  addLine(slot: number, number: number, level: number, quantity: number): void {
    if (this.freeLine === NONE && this.lines === this.lineLevel.length) this.resizeLines(this.lines + 1);
    let line = this.freeLine;
    if (line === NONE) line = this.lines++;
    else this.freeLine = this.nextLine[line];
    this.lineLevel[line] = level;
    this.lineQuantity[line] = quantity;
    this.lineNumber[line] = number;
    this.nextLine[line] = this.firstLine[slot];
    this.firstLine[slot] = line;
  }

  addParticipant(slot: number, partition: number): void {
    this.addLine(slot, 0, ~partition, 0);
  }

  participants(slot: number): number[] {
    const partitions: number[] = [];
    for (let line = this.firstLine[slot]; line !== NONE; line = this.nextLine[line]) {
      if (this.lineLevel[line] < 0) partitions.push(~this.lineLevel[line]);
    }
    return partitions;
  }

  /** This partition's lines, in the order in which they were added. */
  linesOf(slot: number): { number: number; level: number; quantity: number }[] {
    const lines: { number: number; level: number; quantity: number }[] = [];
    for (let line = this.firstLine[slot]; line !== NONE; line = this.nextLine[line]) {
      const level = this.lineLevel[line];
      if (level >= 0) lines.push({ number: this.lineNumber[line], level, quantity: this.lineQuantity[line] });
    }
    return lines.reverse();
  }

  /** Units held of each of `levels` levels. */
  heldByLevel(levels: number): Float64Array {
    const held = new Float64Array(levels);
    for (let at = 0; at < this.table.length; at++) {
      const entry = this.table[at];
      if (entry === 0) continue;
      for (let line = this.firstLine[entry - 1]; line !== NONE; line = this.nextLine[line]) {
        if (this.lineLevel[line] >= 0) held[this.lineLevel[line]] += this.lineQuantity[line];
      }
    }
    return held;
  }

  state(slot: number): HoldState {
    return STATES[this.states[slot]];
  }
  setState(slot: number, state: HoldState): void {
    this.states[slot] = STATES.indexOf(state);
  }

  reference(slot: number): string | undefined {
    const at = this.referenceAt[slot];
    return at === NONE ? undefined : this.references.text(at);
  }

  idOf(slot: number): string {
    return formatId(this.ids, slot * 4);
  }

  /** The table position of the id in `words`, or the empty one where it belongs. */
  private probe(): number {
    const { table, ids } = this;
    const mask = table.length - 1;
    // Not by destructuring, which takes an iterator and as long as all the rest.
    const a = words[0];
    const b = words[1];
    const c = words[2];
    const d = words[3];
    for (let at = hashId(a, b, c, d) & mask; ; at = (at + 1) & mask) {
      const entry = table[at];
      if (entry === 0) return at;
      const i = (entry - 1) * 4;
      if (ids[i + 3] === d && ids[i + 2] === c && ids[i + 1] === b && ids[i] === a) return at;
    }
  }

  /** The id of a slot, for `probe`. */
  private readWords(slot: number): void {
    for (let word = 0; word < 4; word++) words[word] = this.ids[slot * 4 + word];
  }

  private unindex(slot: number): void {
    const { table, ids } = this;
    const mask = table.length - 1;
    this.readWords(slot);
    let gap = this.probe();
    table[gap] = 0;
    for (let at = (gap + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const i = (table[at] - 1) * 4;
      const ideal = hashId(ids[i], ids[i + 1], ids[i + 2], ids[i + 3]) & mask;
      // An entry moves into the gap unless its ideal place lies behind the gap, cyclically.
      if (((at - ideal) & mask) >= ((at - gap) & mask)) {
        table[gap] = table[at];
        table[at] = 0;
        gap = at;
      }
    }
  }

  fit(): void {
    this.resizeSlots(this.slots);
    this.resizeLines(this.lines);
    this.references.fit();
  }

  private resizeSlots(needed: number): void {
    const capacity = this.growth.room(needed);
    this.ids = resized(this.ids, capacity * 4);
    this.states = resized(this.states, capacity);
    this.home = resized(this.home, capacity);
    this.createdAt = resized(this.createdAt, capacity);
    this.expiresAt = resized(this.expiresAt, capacity);
    this.firstLine = resized(this.firstLine, capacity);
    this.writtenIn = resized(this.writtenIn, capacity);
    this.writtenAt = resized(this.writtenAt, capacity);
    this.referenceAt = resized(this.referenceAt, capacity);
  }

  private growTable(): void {
    const entries = this.table;
    this.table = new Uint32Array(entries.length * 2);
    for (let from = 0; from < entries.length; from++) {
      const entry = entries[from];
      if (entry === 0) continue;
      this.readWords(entry - 1);
      this.table[this.probe()] = entry;
    }
  }

  private resizeLines(needed: number): void {
    const capacity = this.growth.room(needed);
    this.lineLevel = resized(this.lineLevel, capacity);
    this.lineQuantity = resized(this.lineQuantity, capacity);
    this.lineNumber = resized(this.lineNumber, capacity);
    this.nextLine = resized(this.nextLine, capacity);
  }
}

/** The time in an id's first bits is alike for neighbours; its last bits are the home: mix all four words. */
function hashId(a: number, b: number, c: number, d: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0x9e3779b1);
  hash ^= Math.imul(c ^ Math.imul(d, 0xc2b2ae35), 0x27d4eb2f);
  return (hash ^ (hash >>> 15)) >>> 0;
}
