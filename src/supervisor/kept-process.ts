/**
 * A worker or a front that is kept running: started again, with backoff, whenever it dies.
 *
 *   starting ──ready──▶ serving ──dies──▶ waiting ──backoff──▶ starting
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
import type { FromChild, MetricFamily, ProcessMetrics, ToChild } from '../process.ts';
import { Backoff } from './backoff.ts';
import { StartRefused } from './refusal.ts';

const MAIN = join(import.meta.dir, '..', 'main.ts');

export interface ChildCommand {
  role: 'worker' | 'front' | 'migrate';
  index: number;
  spec: object;
  /** Named in the command line, so that `ps` and the next start can tell whose child it is. */
  dataFolder: string;
}

type Message = Exclude<FromChild, { type: 'fatal' }>;

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
    env: { ...process.env, HOLDFAST_SPEC: JSON.stringify(spec) },
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
  restarts = 0;

  /**
   * @param onChange told whenever `pid` is another one
   * @param gather for the child that asks for the metrics of every process
   */
  constructor(
    private readonly command: ChildCommand,
    private readonly onChange: () => void,
    private readonly gather: () => Promise<ProcessMetrics[]>,
  ) {
    this.firstReady.promise.catch(() => {});
  }

  get pid(): number | undefined {
    return this.child?.pid;
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
    this.cancelRestart();
    if (this.child === undefined) return this.leave();
    this.tell({ type: 'drain' });
    return this.ended.promise;
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
        return void this.gather().then((processes) => this.tell({ type: 'gathered', processes }));
    }
  }

  private tell(message: ToChild): void {
    try {
      this.child?.send(message);
    } catch {
      // It is about to end already.
    }
  }

  private ready(): void {
    if (this.mode !== 'starting') return;
    this.mode = 'serving';
    if (this.wasReady) log.info('child.ready', { child: this.name, pid: this.pid });
    this.wasReady = true;
    this.firstReady.resolve();
  }

  private end(reason: string, code: number | null): void {
    const pid = this.pid;
    this.child = undefined;
    this.reported();
    this.onChange();
    if (this.mode === 'draining') {
      if (code !== 0) log.warn('child.drain-failed', { child: this.name, pid, reason });
      return this.leave();
    }
    if (!this.wasReady) {
      this.firstReady.reject(
        new StartRefused(reason.startsWith('it ') ? `${this.name} did not start: ${reason}` : reason),
      );
      return this.leave();
    }
    this.mode = 'waiting';
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
