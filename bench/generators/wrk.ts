/**
 * Closed loop, by wrk, where it is installed: it takes a fraction of the processor time that autocannon does,
 * and is used where autocannon would be what limits the figures. It tells good answers from bad ones and no
 * more, and drops what is on its way when time is up: so many requests are lost, which the books allow for.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Latencies } from '../latencies.ts';
import { drawnFor, type Load, requestsOf } from '../load.ts';
import type { Shot } from '../shot.ts';
import type { Job, Watch } from './child.ts';

const SCRIPT = join(import.meta.dir, 'wrk.lua');

/** After which it ends by itself, should nobody end it. */
const SPARE_SECONDS = 5;

interface Printed {
  micros: number;
  answers: number;
  /** Answers with 400 or more. */
  bad: number;
  broken: number;
  /** Latencies at a thousand shares of the answers, evenly apart. */
  spreadMicros: number[];
}

export function hasWrk(): boolean {
  return Bun.which('wrk') !== null;
}

/** It repeats what was drawn, so it can't go on with what an answer says, nor look into one. */
export function isForWrk({ close, batch }: Load): boolean {
  return close === undefined && batch === undefined;
}

export class Wrk implements AsyncDisposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-wrk-'));
  private child: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined;

  /** @returns what it has seen, and the CPU seconds that it took */
  async run(
    { url, load, connections, seconds, seed }: Job,
    threads: number,
    watch: Watch,
  ): Promise<{ shot: Shot; cpuSeconds: number }> {
    const file = join(this.folder, 'requests');
    const lines = requestsOf(load, seed, drawnFor(load, connections, seconds)).map(
      ({ method, path, body }) => `${method}\t${path}\t${body}\n`,
    );
    writeFileSync(file, lines.join(''));
    const limits = [
      ...['-t', String(threads), '-c', String(connections)],
      ...['-d', `${Math.ceil(seconds) + SPARE_SECONDS}s`],
    ];
    const child = Bun.spawn(['wrk', ...limits, '-s', SCRIPT, url, '--', file, String(threads)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    let errors = '';
    const printed = new Response(child.stdout).text();
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      errors += text;
      if (text.trim() !== 'measuring') continue;
      watch.begins();
      await Bun.sleep(seconds * 1000);
      watch.ends();
      // Interrupted, it says what it has counted; it could by itself only count whole seconds.
      child.kill('SIGINT');
    }
    await child.exited;
    const result = /^result (.*)$/m.exec(await printed);
    if (result === null) throw new Error(`wrk failed:\n${await printed}${errors}`);
    return {
      shot: shotOf(load, connections, JSON.parse(result[1])),
      cpuSeconds: Number(child.resourceUsage()!.cpuTime.total) / 1e6,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.child?.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function shotOf({ call, refusals }: Load, connections: number, printed: Printed): Shot {
  const { micros, answers, bad, broken, spreadMicros } = printed;
  const good = answers - bad;
  const latencies = new Latencies();
  for (const latency of spreadMicros) latencies.record(latency / 1000);
  return {
    seconds: micros / 1e6,
    operations: refusals ? answers : good,
    latencies: latencies.counts,
    statuses: { '2xx': good, ...(bad > 0 && { '4xx': bad }) },
    effects: { held: call === 'hold' ? good : 0, closed: 0, lost: connections + broken },
  };
}
