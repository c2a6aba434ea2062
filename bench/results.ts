/**
 * What a run of the benchmark comes to: figures by workload, each a median over rounds, so that one bad round
 * says little; and bench/results.jsonl, one line for each workload and number of connections, appended,
 * never rewritten.
 */
import { appendFileSync } from 'node:fs';
import { type Cpu, othersOf } from './cpu.ts';
import type { Measured } from './generators/generator.ts';
import { Latencies } from './latencies.ts';
import type { Circumstances } from './machine.ts';
import { addUp, median, readable, rounded, sum } from './numbers.ts';

export interface Result {
  workload: string;
  connections?: number;
  /** Length of each round, where it has one. */
  seconds?: number;
  figures: Figure[];
}

export interface Figure {
  /** What was measured: a server, a ceiling, a part of Holdfast. */
  server: string;
  /** What it was asked, where a workload asks several things; or how it was tuned. */
  what?: string;
  value: number;
  unit: string;
  /** Of which `value` is the median. */
  rounds: number[];
  p50Ms?: number;
  p99Ms?: number;
  p999Ms?: number;
  load?: OfLoad;
}

/** What is known beyond that of what a load generator has measured. */
export interface OfLoad {
  generator: Measured['tool'];
  /** Answers other than 2xx by status, and requests without an answer. */
  otherStatuses: Record<string, number>;
  lost: number;
  /** CPU microseconds for each of what is counted, by part; undefined where it can't be read. */
  cpuMicros?: Cpu;
  /** Of the cores that the generator may use: at 1 the generator, not the server, is the limit. */
  generatorShare?: number;
  /** Of the machine: what neither server nor generator used, the kernel's own work included. */
  othersShare?: number;
  /** Open loop: by how much sends were late at the 99th percentile, because of the generator. */
  lateMs?: number;
}

export function figureOf(server: string, what: string | undefined, unit: string, shots: Measured[]): Figure {
  const rates = shots.map(({ operations, seconds }) => operations / seconds);
  return {
    server,
    what,
    value: readable(median(rates)),
    unit,
    rounds: rates.map(readable),
    ...percentiles(shots),
    load: ofLoad(shots),
  };
}

/** A median of something else than operations a second. */
export function measured(
  server: string,
  what: string | undefined,
  unit: string,
  rounds: number[],
  digits = 3,
): Figure {
  const readings = rounds.map((value) => rounded(value, digits));
  return { server, what, value: median(readings), unit, rounds: readings };
}

/** Medians of each round's own. */
function percentiles(shots: Measured[]): Pick<Figure, 'p50Ms' | 'p99Ms' | 'p999Ms'> {
  const rounds = shots.map(({ latencies }) => new Latencies(latencies));
  const at = (share: number) => rounded(median(rounds.map((round) => round.percentileMs(share))), 3);
  const isFine = shots.every(({ tool }) => tool === 'open loop' || tool === 'bench');
  return { p50Ms: at(0.5), p99Ms: at(0.99), ...(isFine && { p999Ms: at(0.999) }) };
}

function ofLoad(shots: Measured[]): OfLoad {
  const operations = sum(shots.map((shot) => shot.operations));
  const statuses = Object.entries(addUp(shots.map((shot) => shot.statuses)));
  const cpu =
    operations > 0 && shots.every((shot) => shot.cpu !== undefined)
      ? addUp(shots.map((shot) => shot.cpu!))
      : undefined;
  const lates = shots.flatMap(({ lateMs }) => lateMs ?? []);
  return {
    generator: shots[0].tool,
    otherStatuses: Object.fromEntries(statuses.filter(([status]) => !status.startsWith('2'))),
    lost: sum(shots.map(({ effects }) => effects.lost)),
    ...(cpu && {
      cpuMicros: Object.fromEntries(
        Object.entries(cpu).map(([part, seconds]) => [part, rounded((seconds / operations) * 1e6, 1)]),
      ),
      generatorShare: rounded(median(shots.map(({ generatorShare }) => generatorShare!)), 2),
      othersShare: rounded(othersOf(cpu) / (cpu.machine + cpu.idle), 2),
    }),
    ...(lates.length > 0 && { lateMs: rounded(median(lates), 3) }),
  };
}

export function appendResults(file: string, circumstances: Circumstances, results: Result[]): void {
  const lines = results.map((result) => `${JSON.stringify({ ...circumstances, ...result })}\n`);
  appendFileSync(file, lines.join(''));
}
