/**
 * When what is due: a hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing
 * wheels", SOSP 1987, scheme 7) over the slots of typed arrays.
 *
 * Five wheels of 256 buckets, of 64 ms, 16 s, 70 min, 12 days and 8 years each; a slot's links are its own array
 * elements, so adding and removing cost no memory and constant time. A slot comes due no earlier
 * than its time and no later than one tick after it, as long as `advance` is called in time.
 */
import { WHEEL_TICK_MS } from '../limits.ts';
import { CAPACITY_MIN, Growth, resized } from './columns.ts';
import { NONE } from './snapshot.ts';

const BITS = 8;
const BUCKETS = 1 << BITS;
const WHEELS = 5;
const DUE = WHEELS * BUCKETS;
/** Ticks that one bucket of each wheel spans. */
const TICKS = Array.from({ length: WHEELS + 1 }, (_, wheel) => 2 ** (BITS * wheel));

export class Wheel {
  /** The first slot of each bucket; the last one lists what is due and not yet taken. */
  private readonly heads = new Int32Array(DUE + 1).fill(NONE);
  private next = new Int32Array(CAPACITY_MIN);
  private previous = new Int32Array(CAPACITY_MIN);
  /** The bucket a slot is in, plus one; 0 is none. */
  private bucketOf = new Uint16Array(CAPACITY_MIN);
  private dueTick = new Float64Array(CAPACITY_MIN);
  private tick: number;
  /** Slots in each wheel; behind them, those that are due. */
  private readonly counts = new Uint32Array(WHEELS + 1);

  /** One more than the highest slot that was ever set. */
  private slots = 0;

  constructor(
    now: number,
    private readonly growth = new Growth(),
  ) {
    this.tick = Math.floor(now / WHEEL_TICK_MS);
  }

  /** How far time has been moved, in milliseconds: what is set to be due by then is due at once. */
  get reached(): number {
    return this.tick * WHEEL_TICK_MS;
  }

  /** Sets or changes when `slot` is due. @param at milliseconds since the Unix epoch */
  set(slot: number, at: number): void {
    if (slot >= this.slots) this.slots = slot + 1;
    if (slot >= this.next.length) this.fit();
    this.remove(slot);
    this.dueTick[slot] = Math.floor(at / WHEEL_TICK_MS) + 1;
    this.insert(slot);
  }

  remove(slot: number): void {
    if (slot >= this.next.length || this.bucketOf[slot] === 0) return;
    this.unlink(slot);
  }

  /** Moves time forward; then takes one due slot after the other. @returns NONE when nothing is due */
  takeDue(now: number): number {
    const target = Math.floor(now / WHEEL_TICK_MS);
    while (this.heads[DUE] === NONE && this.tick < target) {
      // Where the finer wheels are empty, nothing happens before a coarser one moves on.
      const next = (turns(this.tick, this.finest()) + 1) * TICKS[this.finest()];
      this.tick = Math.min(target, next) - 1;
      this.turn();
    }
    const slot = this.heads[DUE];
    if (slot !== NONE) this.remove(slot);
    return slot;
  }

  /** The finest wheel that holds anything. */
  private finest(): number {
    let wheel = 0;
    while (wheel < WHEELS && this.counts[wheel] === 0) wheel++;
    return wheel;
  }

  private turn(): void {
    this.tick++;
    for (let wheel = WHEELS - 1; wheel > 0; wheel--) {
      // A coarser bucket is spread over the finer wheels when its time begins.
      if (this.tick % TICKS[wheel] === 0) this.empty(wheel * BUCKETS + this.position(wheel, this.tick));
    }
    this.empty(this.position(0, this.tick));
  }

  private empty(bucket: number): void {
    for (let slot = this.heads[bucket]; slot !== NONE; slot = this.heads[bucket]) {
      this.unlink(slot);
      this.insert(slot);
    }
  }

  private insert(slot: number): void {
    const due = this.dueTick[slot];
    if (due <= this.tick) return this.link(slot, DUE);
    // The finest wheel of which all coarser positions agree; the coarsest reaches to the year 4200.
    let wheel = 0;
    while (turns(due, wheel + 1) !== turns(this.tick, wheel + 1)) wheel++;
    this.link(slot, wheel * BUCKETS + this.position(wheel, due));
  }

  private position(wheel: number, tick: number): number {
    return turns(tick, wheel) % BUCKETS;
  }

  private link(slot: number, bucket: number): void {
    const head = this.heads[bucket];
    this.next[slot] = head;
    this.previous[slot] = NONE;
    if (head !== NONE) this.previous[head] = slot;
    this.heads[bucket] = slot;
    this.bucketOf[slot] = bucket + 1;
    this.counts[bucket >>> BITS]++;
  }

  private unlink(slot: number): void {
    const next = this.next[slot];
    const previous = this.previous[slot];
    const bucket = this.bucketOf[slot] - 1;
    this.counts[bucket >>> BITS]--;
    if (previous === NONE) this.heads[bucket] = next;
    else this.next[previous] = next;
    if (next !== NONE) this.previous[next] = previous;
    this.bucketOf[slot] = 0;
  }

  fit(): void {
    const capacity = this.growth.room(this.slots);
    this.next = resized(this.next, capacity);
    this.previous = resized(this.previous, capacity);
    this.bucketOf = resized(this.bucketOf, capacity);
    this.dueTick = resized(this.dueTick, capacity);
  }
}

/** How many buckets of a wheel have passed by a tick. */
function turns(tick: number, wheel: number): number {
  return Math.floor(tick / TICKS[wheel]);
}
