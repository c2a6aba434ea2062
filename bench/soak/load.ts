/** The load of a soak as the soak sees it: a process that is started, asked now and then, and ends by itself. */
import { join } from 'node:path';
import type { FromDriver, Interval, SoakJob, ToDriver } from './driver.ts';

export type Finished = Extract<FromDriver, { type: 'done' }>;

export class SoakLoad implements AsyncDisposable {
  /** Resolves when everything has been sent and answered. */
  readonly finished: Promise<Finished>;
  private readonly child: Bun.Subprocess;
  private onInterval: (interval: Interval) => void = () => {};

  constructor(job: SoakJob) {
    const { promise, resolve, reject } = Promise.withResolvers<Finished>();
    this.finished = promise;
    this.child = Bun.spawn([process.execPath, join(import.meta.dir, 'driver.ts')], {
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: (message: FromDriver) =>
        message.type === 'done' ? resolve(message) : this.onInterval(message.interval),
    });
    void this.child.exited.then((code) => reject(new Error(`the load ended with code ${code}`)));
    promise.catch(() => {});
    this.say(job);
  }

  /** What was answered since this was asked last. */
  interval(): Promise<Interval> {
    return new Promise((resolve) => {
      this.onInterval = resolve;
      this.say('tell');
    });
  }

  private say(message: ToDriver): void {
    this.child.send(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.child.exited;
  }
}
