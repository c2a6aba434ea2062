/**
 * Looks after the workers: one that says nothing is ended, and one that stays down loses its partitions to the others.
 *
 * Silent is a worker whose process is there and does not answer: stopped, or caught in a loop. It is killed, so that from
 * here on it is one that has died; should it not be gone, it is fenced by whoever takes its partitions.
 *
 * Down is a worker that dies again and again, or that does not come back. What it had stays with the others, also when
 * it is healthy again, until it is moved or a rolling restart brings it back: partitions that go to and fro with a
 * worker that is not well would be worse off than where they are.
 */
import { systemClock } from '../clock.ts';
import { DEATHS_MAX, DEATHS_WITHIN_MS, DOWN_MS, SILENT_PINGS, WATCH_EVERY_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { KeptProcess } from './kept-process.ts';
import type { Placement } from './placement.ts';

type Watched = Pick<KeptProcess, 'deaths' | 'downSince'>;

export class Watchdog {
  private cancel: () => void = () => {};
  /** Workers whose partitions are being given to others. */
  private readonly losing = new Set<number>();

  constructor(
    private readonly workers: () => KeptProcess[],
    private readonly placement: Placement,
  ) {}

  watch(): void {
    this.cancel = systemClock.after(WATCH_EVERY_MS, () => {
      this.watch();
      for (const [index, worker] of this.workers().entries()) this.look(worker, index);
    });
  }

  stop(): void {
    this.cancel();
  }

  private look(worker: KeptProcess, index: number): void {
    if (worker.isServing && worker.unanswered >= SILENT_PINGS) {
      log.error('child.silent', { child: worker.name, pid: worker.pid });
      return worker.kill();
    }
    if (worker.isServing) worker.ping();
    if (!staysDown(worker, systemClock.now()) || this.losing.has(index)) return;
    this.losing.add(index);
    void this.placement
      .takeOver(index)
      .catch((error: unknown) => log.error('takeover.failed', { worker: index, error }))
      .finally(() => this.losing.delete(index));
  }
}

export function staysDown({ deaths, downSince }: Watched, now: number): boolean {
  if (downSince === undefined) return false;
  const recent = deaths.filter((at) => at > now - DEATHS_WITHIN_MS);
  return recent.length >= DEATHS_MAX || downSince < now - DOWN_MS;
}
