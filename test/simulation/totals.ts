/** What a number of runs came to, in all and for each real minute. */
import type { Outcome } from './simulation.ts';

const MS_PER_HOUR = 3_600_000;

export class Totals {
  private readonly startedAt = performance.now();
  private seeds = 0;
  private simulatedMs = 0;
  private readonly counts = new Map<string, number>();
  /** By status. */
  private readonly answers = new Map<string, number>();
  private readonly faults = new Map<string, number>();

  add({
    simulatedMs,
    events,
    commits,
    requests,
    unanswered,
    answers,
    checked,
    stale,
    faults,
  }: Outcome): void {
    this.seeds++;
    this.simulatedMs += simulatedMs;
    const counted: [string, number][] = [
      ['events', events],
      ['commits', commits],
      ['requests', requests],
      ['without an answer', unanswered],
      ['answers checked', checked],
      ['of a superseded owner', stale],
    ];
    for (const [name, count] of counted) increase(this.counts, name, count);
    for (const [status, count] of Object.entries(answers)) increase(this.answers, status, count);
    for (const [kind, count] of Object.entries(faults)) increase(this.faults, kind, count);
  }

  get realSeconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  soFar(): { seeds: number; hours: string; faults: string } {
    const faults = [...this.faults.values()].reduce((sum, count) => sum + count, 0);
    return {
      seeds: this.seeds,
      hours: (this.simulatedMs / MS_PER_HOUR).toFixed(1),
      faults: faults.toLocaleString('en'),
    };
  }

  table(): string {
    const minutes = this.realSeconds / 60;
    const row = (name: string, value: number, digits = 0): string => {
      const shown = [value, value / minutes].map((one) =>
        one.toLocaleString('en', { maximumFractionDigits: digits }),
      );
      return `  ${name.padEnd(26)}${shown[0].padStart(14)}${shown[1].padStart(14)}`;
    };
    const byName = ([a]: [string, number], [b]: [string, number]): number => a.localeCompare(b, 'en');
    return [
      `  ${''.padEnd(26)}${'in all'.padStart(14)}${'a minute'.padStart(14)}`,
      row('seeds', this.seeds),
      row('simulated hours', this.simulatedMs / MS_PER_HOUR, 1),
      ...[...this.counts].map(([name, count]) => row(name, count)),
      '',
      ...[...this.answers].sort(byName).map(([status, count]) => row(`answers ${status}`, count)),
      '',
      row(
        'faults',
        [...this.faults.values()].reduce((sum, count) => sum + count, 0),
      ),
      ...[...this.faults].sort(byName).map(([kind, count]) => row(`  ${kind}`, count)),
    ].join('\n');
  }
}

function increase(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
