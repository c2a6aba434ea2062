/**
 * The metrics of every process. Fronts know nothing of each other, and only the supervisor knows all; so a front
 * that is asked for /metrics asks the supervisor, which asks its children over the channels that it has to
 * them anyway. A child that is not there, or does not report in time, is in the list without metrics.
 */
import { systemClock } from '../clock.ts';
import { GATHER_WAIT_MS } from '../limits.ts';
import { counterOf, reportMetrics } from '../observability/metrics.ts';
import type { ProcessMetrics } from '../process.ts';
import type { EmbeddedPostgres } from './embedded-postgres.ts';
import type { KeptProcess } from './kept-process.ts';

/** The supervisor's side. */
export class Gathering {
  private underWay: Promise<ProcessMetrics[]> | undefined;

  constructor(
    private readonly children: () => KeptProcess[],
    postgres: () => EmbeddedPostgres | undefined,
  ) {
    counterOf('holdfast_child_restarts', 'Times that a worker or a front died and was started again', () =>
      children().map(({ name, restarts }) => ({ labels: { child: name }, value: restarts })),
    );
    counterOf(
      'holdfast_postgres_restarts',
      'Times that the embedded Postgres died and was started again',
      () => postgres()?.restarts ?? [],
    );
  }

  /** Whoever asks while an answer is under way gets the same. */
  readonly gather = (): Promise<ProcessMetrics[]> => {
    this.underWay ??= this.ask().finally(() => {
      this.underWay = undefined;
    });
    return this.underWay;
  };

  private async ask(): Promise<ProcessMetrics[]> {
    const own = { process: 'supervisor', pid: process.pid, families: reportMetrics() };
    return [own, ...(await Promise.all(this.children().map((child) => child.report())))];
  }
}

/** The child's side. */
export class Asking {
  private waiting: ((processes: ProcessMetrics[]) => void)[] = [];

  constructor(
    private readonly name: string,
    private readonly ask: () => void,
  ) {}

  /** Without the supervisor's answer in time, there is at least this process. */
  readonly gather = (): Promise<ProcessMetrics[]> => {
    const { promise, resolve } = Promise.withResolvers<ProcessMetrics[]>();
    const cancel = systemClock.after(GATHER_WAIT_MS, () => {
      const own = { process: this.name, pid: process.pid, families: reportMetrics() };
      this.answered([{ process: 'supervisor' }, own]);
    });
    this.waiting.push((processes) => {
      cancel();
      resolve(processes);
    });
    if (this.waiting.length === 1) this.ask();
    return promise;
  };

  answered(processes: ProcessMetrics[]): void {
    const { waiting } = this;
    this.waiting = [];
    for (const tell of waiting) tell(processes);
  }
}
