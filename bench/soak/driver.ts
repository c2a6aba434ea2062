/**
 * The load of a soak, as a process of its own: open loop, for as long as it takes, in bounded memory. It tells what has
 * happened since it was last asked, by kind of call.
 */
import { Worker } from 'node:worker_threads';
import type { Pace } from '../generators/pacer.ts';
import { Latencies } from '../latencies.ts';
import { type Call, type Kind, type Said, Shop } from './shop.ts';

export interface SoakJob {
  url: string;
  /** Calls a second. */
  rate: number;
  seconds: number;
  seed: number;
}

/** What was answered to one kind of call, in some time. */
export interface Answered {
  /** As `Latencies` counts them. */
  latencies: number[];
  statuses: Record<string, number>;
}

export interface Interval {
  kinds: Partial<Record<Kind, Answered>>;
  /** Calls that were not answered at all: what they did is not known. */
  lost: number;
  /** By how much sends were late at the 99th percentile. */
  lateMs: number;
}

export type ToDriver = SoakJob | 'tell';
export type FromDriver =
  | { type: 'interval'; interval: Interval }
  | { type: 'done'; said: Said; lost: number; wrong: string[] };

const STARTS_IN_MS = 100;
const LAST_ANSWERS_MS = 15_000;
const WRONG_TOLD_MAX = 20;

class Driver {
  private kinds = new Map<Kind, { latencies: Latencies; statuses: Record<string, number> }>();
  private late = new Latencies();
  private lostBefore = 0;
  private unanswered = 0;
  private lost = 0;
  private readonly wrong: string[] = [];
  private readonly shop: Shop;

  constructor(private readonly job: SoakJob) {
    this.shop = new Shop(job.seed);
  }

  async run(): Promise<void> {
    const { rate, seconds } = this.job;
    const milliseconds = Math.ceil(seconds * 1000);
    const startsAt = performance.now() + STARTS_IN_MS;
    const workerData: Pace = { startsAt: performance.timeOrigin + startsAt, milliseconds };
    const pacer = new Worker(new URL('../generators/pacer.ts', import.meta.url), { workerData });
    let sent = 0;
    await new Promise<void>((ended) => {
      pacer.on('message', (tick: number) => {
        this.late.record(performance.now() - startsAt - tick);
        const due = Math.ceil(((tick + 1) * rate) / 1000);
        while (sent < due) void this.send(this.shop.next(Math.floor(tick / 1000)), startsAt + tick, sent++);
        if (tick === milliseconds - 1) ended();
      });
    });
    await pacer.terminate();
    const giveUpAt = performance.now() + LAST_ANSWERS_MS;
    while (this.unanswered > 0 && performance.now() < giveUpAt) await Bun.sleep(20);
    this.lost += this.unanswered;
  }

  tell(): void {
    const kinds = [...this.kinds].map(([kind, { latencies, statuses }]) => [
      kind,
      { latencies: latencies.counts, statuses },
    ]);
    const interval: Interval = {
      kinds: Object.fromEntries(kinds),
      lost: this.lost - this.lostBefore,
      lateMs: this.late.percentileMs(0.99),
    };
    this.kinds = new Map();
    this.late = new Latencies();
    this.lostBefore = this.lost;
    say({ type: 'interval', interval });
  }

  tellAll(): void {
    say({ type: 'done', said: this.shop.said, lost: this.lost, wrong: this.wrong });
  }

  private async send({ kind, path, expected, onAnswer, ...init }: Call, dueAt: number, number: number) {
    this.unanswered++;
    try {
      const response = await fetch(this.job.url + path, init);
      const text = await response.text();
      this.record(kind, response.status, performance.now() - dueAt);
      const wrong = expected.includes(response.status)
        ? onAnswer?.(response.status, text)
        : `call ${number}, ${kind}: ${response.status} ${text.slice(0, 200)}`;
      if (wrong !== undefined && this.wrong.length < WRONG_TOLD_MAX) this.wrong.push(wrong);
    } catch (error) {
      this.lost++;
      if (this.wrong.length < WRONG_TOLD_MAX) this.wrong.push(`call ${number}, ${kind}: ${error}`);
    } finally {
      this.unanswered--;
    }
  }

  private record(kind: Kind, status: number, ms: number): void {
    let answered = this.kinds.get(kind);
    if (answered === undefined) {
      answered = { latencies: new Latencies(), statuses: {} };
      this.kinds.set(kind, answered);
    }
    answered.latencies.record(ms);
    answered.statuses[status] = (answered.statuses[status] ?? 0) + 1;
  }
}

function say(message: FromDriver): void {
  process.send!(message);
}

let driver: Driver | undefined;
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToDriver) => {
  if (message === 'tell') return driver!.tell();
  driver = new Driver(message);
  driver.run().then(() => driver!.tellAll());
});
