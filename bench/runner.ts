/** Runs of the load generator, and what they come to: medians over rounds, so that one bad round says little. */
import { join } from 'node:path';
import { type Cpu, cpuBetween, type Parts, readCpu } from './cpu.ts';
import type { FromGenerator, Job, Shot } from './generator.ts';

export interface Measured extends Shot {
  /** CPU seconds of each part during the measured time. */
  cpu: Cpu | undefined;
}

export interface Summary {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Requests per second of each round. */
  rounds: number[];
  /** Answers other than 2xx by status, and requests without an answer. */
  otherStatuses: Record<string, number>;
  lost: number;
  /** CPU microseconds for each answer, by part; undefined where it can't be read. */
  cpuMicros: Cpu | undefined;
  /** Of one core: at 1 the generator, not the server, is the limit. */
  generatorShare: number | undefined;
  /** Of the machine: what neither server nor generator used, the kernel's own work included. */
  othersShare: number | undefined;
}

export class Generator implements AsyncDisposable {
  private onMessage: (message: FromGenerator) => void = () => {};
  private onEnd: (error: Error) => void = () => {};
  private readonly child: Bun.Subprocess;

  constructor() {
    this.child = Bun.spawn([process.execPath, join(import.meta.dir, 'generator.ts')], {
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: (message: FromGenerator) => this.onMessage(message),
    });
    void this.child.exited.then((code) => this.onEnd(new Error(`the generator ended with code ${code}`)));
  }

  /** @param parts whose CPU time is of interest, besides the generator's own */
  run(job: Job, { processes, postmaster }: Parts): Promise<Measured> {
    const measured: Parts = { processes: { ...processes, generator: [this.child.pid] }, postmaster };
    return new Promise((resolve, reject) => {
      let before: Cpu | undefined;
      let cpu: Cpu | undefined;
      this.onEnd = reject;
      this.onMessage = (message) => {
        if (message.type === 'measuring') before = readCpu(measured);
        else if (message.type === 'measured') cpu = cpuBetween(before, readCpu(measured));
        else if (message.type === 'done') resolve({ ...message.shot, cpu });
        else reject(new Error(message.reason));
      };
      this.child.send(job);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.onEnd = () => {};
    this.child.kill('SIGKILL');
    await this.child.exited;
  }
}

export function summarize(shots: Measured[]): Summary {
  const rates = shots.map(({ answers, seconds }) => answers / seconds);
  const answers = sum(shots.map((shot) => shot.answers));
  const seconds = sum(shots.map((shot) => shot.seconds));
  const cpu = shots.every((shot) => shot.cpu !== undefined)
    ? addUp(shots.map((shot) => shot.cpu!))
    : undefined;
  return {
    requestsPerSecond: Math.round(median(rates)),
    p50Ms: rounded(median(shots.map(({ p50Ms }) => p50Ms)), 2),
    p99Ms: rounded(median(shots.map(({ p99Ms }) => p99Ms)), 2),
    rounds: rates.map(Math.round),
    otherStatuses: addUp(shots.map(({ otherStatuses }) => otherStatuses)),
    lost: sum(shots.map(({ lost }) => lost)),
    cpuMicros: cpu && mapValues(cpu, (part) => rounded((part / answers) * 1e6, 1)),
    generatorShare: cpu && rounded(cpu.generator / seconds, 2),
    othersShare: cpu && rounded(othersOf(cpu) / (cpu.machine + cpu.idle), 2),
  };
}

/** What the machine did besides the parts that are known. */
export function othersOf({ machine, idle: _, ...parts }: Cpu): number {
  return Math.max(0, machine - sum(Object.values(parts)));
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function addUp(records: Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const record of records)
    for (const [name, value] of Object.entries(record)) total[name] = (total[name] ?? 0) + value;
  return total;
}

function mapValues(record: Cpu, change: (value: number) => number): Cpu {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
