/**
 * The load generator as the benchmark sees it: a number of processes with a share of the connections each,
 * or wrk; and what the machine did meanwhile.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Cpu, cpuBetween, type Parts, readCpu } from '../cpu.ts';
import { type Shot, together } from '../shot.ts';
import type { FromGenerator, Job } from './child.ts';
import { Wrk } from './wrk.ts';

export type Tool = 'autocannon' | 'wrk' | 'open loop';

export interface Measured extends Shot {
  tool: Tool | 'bench';
  /** CPU seconds of each part during the measured time; undefined where it can't be read. */
  cpu: Cpu | undefined;
  /** Of the cores that the generator may use: at 1 it is the limit. */
  generatorShare: number | undefined;
}

/** On a small machine one; on a large one a quarter of the cores, up to what a hundred connections keep busy. */
const PROCESSES = Math.min(8, Math.max(1, Math.floor(availableParallelism() / 4)));

export class Generator implements AsyncDisposable {
  private readonly children = Array.from({ length: PROCESSES }, () => new Child());
  private readonly wrk = new Wrk();

  /** @param parts whose CPU time is of interest, besides the generator's own */
  async run(job: Job, parts: Parts, tool: Tool): Promise<Measured> {
    const seen = new CpuReader(parts, tool === 'wrk' ? [] : this.children.map(({ pid }) => pid));
    const processes = Math.min(PROCESSES, job.connections);
    let shot: Shot;
    if (tool === 'wrk') {
      const ran = await this.wrk.run(job, processes, seen);
      shot = ran.shot;
      seen.generatorTook(ran.cpuSeconds);
    } else {
      const jobs = Array.from({ length: processes }, (_, index) => partOf(job, index, processes));
      shot = together(await Promise.all(jobs.map((part, index) => this.children[index].run(part, seen))));
    }
    const generatorShare = seen.cpu && seen.cpu.generator / shot.seconds / processes;
    return { ...shot, tool, cpu: seen.cpu, generatorShare };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.wrk, ...this.children].map((one) => one[Symbol.asyncDispose]()));
  }
}

function partOf(job: Job, index: number, processes: number): Job {
  const { connections, rate, seed } = job;
  const own = Math.floor(connections / processes) + (index < connections % processes ? 1 : 0);
  // Seeds of other runs are near; those of this one are far off.
  return { ...job, connections: own, rate: rate && rate / processes, seed: seed + index * 1_000_003 };
}

/** CPU time between the moment when all have begun to measure and that when the first has ended. */
class CpuReader {
  cpu: Cpu | undefined;
  private before: Cpu | undefined;
  private readonly parts: Parts;

  constructor({ processes, postmaster }: Parts, generator: number[]) {
    this.parts = { processes: { ...processes, generator }, postmaster };
  }

  begins(): void {
    this.before = readCpu(this.parts);
  }

  ends(): void {
    this.cpu ??= cpuBetween(this.before, readCpu(this.parts));
  }

  /** What was not in /proc to be read, because its process has come and gone. */
  generatorTook(seconds: number): void {
    if (this.cpu !== undefined) this.cpu.generator = seconds;
  }
}

/** Made before its collector runs (JavaScriptCore's Options.h), which is once a run or not at all: its pauses would be in the latencies. */
const GARBAGE_BYTES = String(256 * 1024 * 1024);

class Child implements AsyncDisposable {
  private onMessage: (message: FromGenerator) => void = () => {};
  private onEnd: (error: Error) => void = () => {};
  private readonly child: Bun.Subprocess;

  constructor() {
    this.child = Bun.spawn([process.execPath, join(import.meta.dir, 'child.ts')], {
      env: { ...process.env, BUN_JSC_gcMaxHeapSize: GARBAGE_BYTES },
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: (message: FromGenerator) => this.onMessage(message),
    });
    void this.child.exited.then((code) => this.onEnd(new Error(`the generator ended with code ${code}`)));
  }

  get pid(): number {
    return this.child.pid;
  }

  run(job: Job, seen: CpuReader): Promise<Shot> {
    return new Promise((resolve, reject) => {
      this.onEnd = reject;
      this.onMessage = (message) => {
        if (message.type === 'measuring') seen.begins();
        else if (message.type === 'measured') seen.ends();
        else if (message.type === 'done') resolve(message.shot);
        else reject(new Error(message.reason));
      };
      this.child.send(job);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.child.exited;
  }
}
