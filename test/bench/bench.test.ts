/** The benchmark as users run it, short: figures that mean something, and nothing left behind. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figure, Result } from '../../bench/results.ts';
import { processesOf, REPOSITORY, until } from '../helpers/server.ts';

const BENCH_MS = 120_000;
const PROCESSES_MS = 20_000;
const GENERATOR = 'generators/child.ts';

/** CI must have Redis; elsewhere its rivals are left out where it is not installed. */
const REDIS = process.env.CI || Bun.which('redis-server') ? ['redis always', 'redis everysec'] : [];
/** What each workload measures, in its order. */
const FIGURES: Record<string, string[]> = {
  uniform: ['no-op', 'transaction', 'for update', 'statement', 'batcher', ...REDIS, 'holdfast'],
  sale: ['holdfast', 'holdfast', 'holdfast', 'transaction', 'statement'],
  multi: ['holdfast', 'holdfast', 'transaction'],
  'sold-out': ['no-op', 'holdfast'],
  reads: ['no-op', 'holdfast'],
  latency: ['empty transaction', 'holdfast', 'holdfast', 'holdfast'],
  recovery: ['holdfast'],
  memory: ['a level', 'a held reservation', 'a worker in all'],
  growth: ['holdfast', 'holdfast, large', 'holdfast, large'],
};
const SHORT = ['--rounds', '1', '--seconds', '0.2', '--connections', '8'];
const SMALL = ['--levels', '20000', '--held', '20000', '--burst', '500'];

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-bench-test-')));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function bench(...args: string[]) {
  return Bun.spawn([process.execPath, join(REPOSITORY, 'src', 'start.ts'), 'bench', ...args], {
    // Its temporary folders come to lie in ours, where what is left can be seen.
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('bun run bench', () => {
  test(
    'measures every kind of workload, checks the books, appends results, draws, and leaves nothing',
    async () => {
      const file = join(folder, 'results.jsonl');
      const child = bench(...Object.keys(FIGURES), ...SHORT, ...SMALL, '--results', file);
      const [output, errors, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect(code, output + errors).toBe(0);
      expect(output).toContain('The books balance.');
      expect(output).toContain('none reads stock or reservations');
      expect(output).toContain('with fence as');

      const results: Result[] = readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(results.map(({ workload }) => workload)).toEqual(Object.keys(FIGURES));
      for (const { workload, figures } of results) {
        expect(figures.map(({ server }) => server)).toEqual(FIGURES[workload]);
        for (const figure of figures) expectMeaning(workload, figure, output);
      }
      const bars = readFileSync(join(folder, 'results.svg'), 'utf8').match(/class="(holdfast|other)"/g);
      expect(bars!.length).toBeGreaterThan(results.length);
      expect(readdirSync(folder).toSorted()).toEqual(['results.jsonl', 'results.svg']);
      expect(processesOf(folder)).toEqual([]);
    },
    BENCH_MS,
  );

  test(
    'stops everything that it has started when it is interrupted',
    async () => {
      const child = bench('hot', '--results', join(folder, 'results.jsonl'));
      await until(
        () => childrenOf(child.pid).some(({ command }) => command.includes(GENERATOR)),
        PROCESSES_MS,
        () => 'no generator',
      );
      const started = childrenOf(child.pid);
      expect(started.length).toBeGreaterThanOrEqual(3);
      expect(processesOf(folder).length).toBeGreaterThan(0);
      child.kill('SIGINT');
      expect(await child.exited).toBe(130);
      const commands = new Set(started.map(({ command }) => command));
      expect(started.filter(({ pid }) => commands.has(commandOf(pid)))).toEqual([]);
      expect(processesOf(folder)).toEqual([]);
      expect(readdirSync(folder)).toEqual([]);
    },
    BENCH_MS,
  );

  test.each([
    [['cold'], "value 'cold' is invalid for argument 'workload'. Allowed choices are uniform, "],
    [
      ['--rounds', '1.5'],
      "'--rounds <n>' argument '1.5' is invalid. Allowed is a whole number from 1 to 100;",
    ],
    [['--seconds', 'x'], "'--seconds <n>' argument 'x' is invalid"],
    [['--connections', '64,0'], "'--connections <list>' argument '64,0' is invalid"],
    [['--levels', '0'], 'Allowed is a whole number from 1 to 100,000,000;'],
  ])('%p is refused in one line', async (args, reason) => {
    const child = bench(...args);
    const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    expect(code).toBe(2);
    expect(errors).toStartWith('holdfast bench: ');
    expect(errors).toContain(reason);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
  });
});

/** It was measured, answered as the workload wants, and is shown. */
function expectMeaning(
  workload: string,
  { server, value, p50Ms, p99Ms, load }: Figure,
  output: string,
): void {
  expect(value, `${workload}, ${server}`).toBeGreaterThan(0);
  expect(output).toMatch(new RegExp(`${server}.* ${value.toLocaleString('en')} `));
  if (load === undefined) return;
  expect(p99Ms!).toBeGreaterThanOrEqual(p50Ms!);
  const refused = workload === 'sold-out' ? ['409'] : [];
  if (load.generator !== 'wrk') {
    const odd = Object.keys(load.otherStatuses).filter((status) => !refused.includes(status));
    expect(odd, `${workload}, ${server}`).toEqual([]);
    expect(load.lost, `${workload}, ${server}`).toBe(0);
  }
  expect(output).toContain(load.generator);
}

function childrenOf(parent: number): { pid: number; command: string }[] {
  const listed = Bun.spawnSync(['ps', '-axww', '-o', 'pid=,ppid=,args=']).stdout.toString().split('\n');
  return listed.flatMap((line) => {
    const [, pid, ppid, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(ppid) === parent && !command.startsWith('ps ') ? [{ pid: Number(pid), command }] : [];
  });
}

function commandOf(pid: number): string {
  return Bun.spawnSync(['ps', '-ww', '-o', 'args=', '-p', String(pid)])
    .stdout.toString()
    .trim();
}
