/**
 * A worker or a front that is kept running: started again, with backoff, whenever it dies.
 *
 *   starting ──ready──▶ serving ──dies──▶ waiting ──backoff──▶ starting
 *   serving ──restart()──▶ draining ──▶ starting
 *      any ──drain()──▶ draining ──▶ gone
 *
 * The first start is different: a child that can't come up then is an error of the installation or
 * the settings, and is reported instead of tried again.
 */
import { join } from 'node:path';
import type { Subprocess } from 'bun';
import { systemClock } from '../clock.ts';
import { REPORT_WAIT_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { FromChild, MetricFamily, MoveOutcome, ProcessMetrics, ToChild } from '../process.ts';
import { Backoff } from './backoff.ts';
import { CHILD_MEMORY } from './child-memory.ts';
import { StartRefused } from './refusal.ts';

/** Ends of a child that are remembered. */
const DEATHS_KEPT = 16;
const MAIN = join(import.meta.dir, '..', 'main.ts');

export interface ChildCommand {
  role: 'worker' | 'front' | 'guard' | 'migrate';
  index: number;
  /** Read at each start. */
  spec: object;
  /** Named in the command line, so that `ps` and the next start can tell whose child it is. */
  dataFolder: string;
}

type Message = Exclude<FromChild, { type: 'fatal' }>;
type Order = Extract<ToChild, { type: 'give' | 'take' }>;

/** What children ask. */
export interface Answers {
  /** The metrics of every process. */
  gather(): Promise<ProcessMetrics[]>;
  move(partition: number, worker: number): Promise<MoveOutcome>;
}

/**
 * Starts `main.ts` in a session of its own, which keeps the terminal's Ctrl-C away from it.
 * @param onEnd gets what the child said as its reason, or else how it ended
 */
export function spawnChild(
  { role, index, spec, dataFolder }: ChildCommand,
  onMessage: (message: Message) => void,
  onEnd: (reason: string, code: number | null) => void,
): Subprocess {
  let fatal: string | undefined;
  return Bun.spawn([process.execPath, MAIN, role, String(index), dataFolder], {
    env: { ...CHILD_MEMORY, ...process.env, HOLDFAST_SPEC: JSON.stringify(spec) },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    serialization: 'json',
    ipc(message: FromChild) {
      if (message.type === 'fatal') fatal = message.message;
      else onMessage(message);
    },
    onExit(_child, code, signal) {
      onEnd(
        fatal ?? (signal === null ? `it ended with code ${code}` : `it was ended by signal ${signal}`),
        code,
      );
    },
  });
}

type Mode = 'starting' | 'serving' | 'waiting' | 'draining' | 'gone';

export class KeptProcess {
  private mode: Mode = 'starting';
  private child: Subprocess | undefined;
  private cancelRestart: () => void = () => {};
  private readonly backoff = new Backoff();
  private readonly firstReady = Promise.withResolvers<void>();
  private readonly ended = Promise.withResolvers<void>();
  private wasReady = false;
  /** Called with what the child reports; or with nothing, when it has ended. */
  private reported: (families?: MetricFamily[]) => void = () => {};
  /** By type, called with what the child is expected to say; or with nothing, when it has ended. */
  private readonly expected = new Map<string, (message?: Message) => void>();
  private readonly atEnd = new Set<() => void>();
  private readonly atReady = new Set<() => void>();
  private restarted: PromiseWithResolvers<void> | undefined;
  restarts = 0;
  /** When it ended without being told to, the last times, in milliseconds. */
  deaths: number[] = [];
  /** Since when it does not serve, in milliseconds; undefined while it does. */
  downSince: number | undefined;
  /** Pings that it has not answered. */
  unanswered = 0;

  /**
   * @param onChange told whenever `pid` is another one
   */
  constructor(
    private readonly command: ChildCommand,
    private readonly onChange: () => void,
    private readonly answers: Answers,
  ) {
    this.firstReady.promise.catch(() => {});
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isServing(): boolean {
    return this.mode === 'serving';
  }

  /** @throws StartRefused where the child ends before it was ready */
  async start(): Promise<void> {
    this.spawn();
    return this.firstReady.promise;
  }

  /** Resolves when the child has finished what it had and ended. */
  async drain(): Promise<void> {
    if (this.mode === 'gone') return;
    this.mode = 'draining';
    this.restarted = undefined;
    this.cancelRestart();
    if (this.child === undefined) return this.leave();
    this.tell({ type: 'drain' });
    return this.ended.promise;
  }

  /** Drains the child, and starts another. Resolves when that serves. */
  restart(): Promise<void> {
    if (this.mode !== 'serving') return Promise.reject(new Error(`${this.name} is not serving`));
    this.mode = 'draining';
    this.restarted = Promise.withResolvers<void>();
    this.tell({ type: 'drain' });
    return this.restarted.promise;
  }

  /** Resolves when the child serves, or the one that is started next. */
  async serves(): Promise<void> {
    if (this.isServing) return;
    const ready = Promise.withResolvers<void>();
    this.atReady.add(ready.resolve);
    return ready.promise;
  }

  /** Kills what runs; resolves when nothing does. It is started again, later than whatever waits for this. */
  async endForCertain(): Promise<void> {
    if (this.child === undefined) return;
    const ended = Promise.withResolvers<void>();
    this.atEnd.add(ended.resolve);
    this.kill();
    return ended.promise;
  }

  /** One order at a time. @returns undefined where the child has ended before it was done */
  order(order: Order): Promise<Message | undefined> {
    const done = this.hears(order.type === 'give' ? 'gave' : 'took');
    this.tell(order);
    return done;
  }

  /** The next message of this type from the child; undefined where it ends, or has ended, without. */
  hears(type: Message['type']): Promise<Message | undefined> {
    if (this.child === undefined) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<Message | undefined>();
    this.expected.set(type, resolve);
    return promise;
  }

  ping(): void {
    this.unanswered++;
    this.tell({ type: 'ping' });
  }

  /** The child's metrics, or that it did not report any in time. One report at a time. */
  report(): Promise<ProcessMetrics> {
    const { promise, resolve } = Promise.withResolvers<ProcessMetrics>();
    const cancel = systemClock.after(REPORT_WAIT_MS, () => this.reported());
    this.reported = (families) => {
      cancel();
      resolve({ process: this.name, pid: this.pid, families });
    };
    if (this.child === undefined) this.reported();
    else this.tell({ type: 'report' });
    return promise;
  }

  kill(): void {
    this.child?.kill('SIGKILL');
  }

  private spawn(): void {
    this.mode = 'starting';
    this.child = spawnChild(
      this.command,
      (message) => this.hear(message),
      (reason, code) => this.end(reason, code),
    );
    this.backoff.started();
    this.onChange();
  }

  private hear(message: Message): void {
    switch (message.type) {
      case 'ready':
        return this.ready();
      case 'metrics':
        return this.reported(message.families);
      case 'gather':
        return void this.answers.gather().then((processes) => this.tell({ type: 'gathered', processes }));
      case 'move':
        return void this.move(message);
      case 'pong':
        this.unanswered = 0;
        return;
      default:
        this.expected.get(message.type)?.(message);
        this.expected.delete(message.type);
    }
  }

  private async move({ id, partition, worker }: Extract<FromChild, { type: 'move' }>): Promise<void> {
    const outcome = await this.answers.move(partition, worker);
    this.tell({ type: 'moved', id, outcome });
  }

  tell(message: ToChild): void {
    try {
      this.child?.send(message);
    } catch {
      // It is about to end already.
    }
  }

  private ready(): void {
    if (this.mode !== 'starting') return;
    this.mode = 'serving';
    this.downSince = undefined;
    this.unanswered = 0;
    this.restarted?.resolve();
    for (const ready of this.atReady) ready();
    this.atReady.clear();
    if (this.wasReady) log.info('child.ready', { child: this.name, pid: this.pid });
    this.wasReady = true;
    this.firstReady.resolve();
  }

  private end(reason: string, code: number | null): void {
    const pid = this.pid;
    this.child = undefined;
    this.reported();
    for (const ended of this.expected.values()) ended();
    this.expected.clear();
    this.onChange();
    for (const ended of this.atEnd) ended();
    this.atEnd.clear();
    if (this.mode === 'draining') {
      if (code !== 0) log.warn('child.drain-failed', { child: this.name, pid, reason });
      if (this.restarted === undefined) return this.leave();
      return this.spawn();
    }
    if (!this.wasReady) {
      this.firstReady.reject(
        new StartRefused(reason.startsWith('it ') ? `${this.name} did not start: ${reason}` : reason),
      );
      return this.leave();
    }
    this.mode = 'waiting';
    const now = systemClock.now();
    this.downSince ??= now;
    this.deaths = [...this.deaths, now].slice(-DEATHS_KEPT);
    const restartInMs = this.backoff.next();
    log.error('child.died', { child: this.name, pid, reason, restartInMs });
    this.cancelRestart = systemClock.after(restartInMs, () => {
      this.restarts++;
      this.spawn();
    });
  }

  private leave(): void {
    this.mode = 'gone';
    this.ended.resolve();
  }

  get name(): string {
    return `${this.command.role} ${this.command.index}`;
  }
}
