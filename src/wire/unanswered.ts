/**
 * Requests that were sent and are not answered, by the id that their answers will have.
 *
 * A receiver stands in the place that its id has modulo their number; an id whose place is taken is passed over, which is rare while half of
 * the places are free. Nothing is made for a request, unlike in a Map, whose table is made anew over and over as entries come and
 * go: that cost a front a tenth of its time.
 */
const PLACES_MIN = 256;

export class Unanswered<T> {
  count = 0;
  private ids = new Uint32Array(PLACES_MIN);
  private receivers = places<T>(PLACES_MIN);

  /** @param lastId the id before the first; they go on from 0 after 2³² */
  constructor(private lastId = 0) {}

  /** @returns the id that nobody else waits for */
  add(receiver: T): number {
    if (this.count * 2 >= this.receivers.length) this.grow();
    const { receivers } = this;
    const mask = receivers.length - 1;
    let id = this.lastId;
    do id = (id + 1) >>> 0;
    while (receivers[id & mask] !== undefined);
    this.lastId = id;
    this.ids[id & mask] = id;
    receivers[id & mask] = receiver;
    this.count++;
    return id;
  }

  /** @returns who waits for it, and waits no longer; undefined where nobody does */
  take(id: number): T | undefined {
    const place = id & (this.receivers.length - 1);
    if (this.ids[place] !== id) return undefined;
    const receiver = this.receivers[place];
    if (receiver === undefined) return undefined;
    this.receivers[place] = undefined;
    this.count--;
    return receiver;
  }

  /** @returns all, in no order; none of them waits any longer */
  takeAll(): T[] {
    const all = this.receivers.filter((receiver) => receiver !== undefined);
    this.receivers.fill(undefined);
    this.count = 0;
    return all;
  }

  /** Ids that differ modulo a number differ modulo twice that as well. */
  private grow(): void {
    const { ids, receivers } = this;
    this.ids = new Uint32Array(ids.length * 2);
    this.receivers = places<T>(ids.length * 2);
    for (const [place, receiver] of receivers.entries()) {
      if (receiver === undefined) continue;
      const id = ids[place];
      this.ids[id & (this.ids.length - 1)] = id;
      this.receivers[id & (this.ids.length - 1)] = receiver;
    }
  }
}

function places<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined);
}
