/**
 * Time, and what happens in it. Everything in a simulation is an event in one queue, ordered by time and then by
 * when it was planned; between two events every promise that can go on does so. Nothing waits for anything real,
 * so a run is a function of its seed.
 *
 * What happens is told to a trace, whose last lines are kept, and whose every line goes into a digest: two runs
 * with the same digest were the same run.
 */
import { drainMicrotasks } from 'bun:jsc';
import { Random } from './random.ts';

const EPOCH_MS = 1_795_480_000_000;
const LINES_KEPT = 400;
/** Then the runtime gets a turn for itself: among other things, to forget promises that were rejected. */
const EVENTS_AT_ONCE = 5000;

interface Event {
  at: number;
  number: number;
  run: (() => void) | undefined;
}

/** An invariant is broken: the run ends. */
export class Violation extends Error {}

export class World {
  /** Microseconds since the beginning. */
  now = 0;
  events = 0;
  readonly random: Random;
  violation: string | undefined;
  /** By how much the wall clock is ahead of the time that has passed, in milliseconds. */
  private jumpedMs = 0;
  private readonly queue: Event[] = [];
  private planned = 0;
  private readonly lines: string[] = [];
  private readonly hasher = new Bun.CryptoHasher('sha1');

  constructor(readonly seed: number) {
    this.random = new Random(String(seed));
  }

  /** Plans something. @returns what calls it off */
  at(time: number, run: () => void): () => void {
    const event: Event = { at: Math.max(time, this.now), number: this.planned++, run };
    push(this.queue, event);
    return () => {
      event.run = undefined;
    };
  }
  after(us: number, run: () => void): () => void {
    return this.at(this.now + Math.round(us), run);
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms * 1000, resolve));
  }

  /** Milliseconds since the Unix epoch, as every process reads them. */
  wallMs(): number {
    return EPOCH_MS + Math.floor(this.now / 1000) + this.jumpedMs;
  }
  jump(ms: number): void {
    this.jumpedMs += ms;
  }

  /** Lets everything happen until `isOver`, or until an invariant breaks. */
  async run(isOver: () => boolean): Promise<void> {
    while (this.violation === undefined && !isOver()) {
      const event = pop(this.queue);
      if (event === undefined) return this.fail('nothing will ever happen again');
      const { run } = event;
      if (run === undefined) continue;
      this.now = event.at;
      if (++this.events % EVENTS_AT_ONCE === 0) await Bun.sleep(0);
      try {
        run();
        drainMicrotasks();
      } catch (error) {
        this.fail(error instanceof Violation ? error.message : `crash: ${(error as Error).stack}`);
      }
    }
  }

  /** The first failure is the one that counts. */
  fail(what: string): void {
    this.violation ??= what;
    this.note('FAILED', what);
  }

  note(who: string, what: string): void {
    const line = `${(this.now / 1e6).toFixed(6)} ${who} ${what}`;
    this.hasher.update(line);
    this.lines.push(line);
    if (this.lines.length >= 2 * LINES_KEPT) this.lines.splice(0, LINES_KEPT);
  }
  lastLines(count: number): string[] {
    return this.lines.slice(-count);
  }
  /** Ends the trace. */
  digest(): string {
    return this.hasher.digest('hex');
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number);
}

/** A binary heap: the children of `i` are `2i + 1` and `2i + 2`. */
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(event, heap[parent])) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
    if (!isBefore(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return first;
}
