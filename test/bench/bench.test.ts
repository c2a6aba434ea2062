/** The benchmark as users run it, short: figures that mean something, and nothing left behind. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imbalances } from '../../bench/books.ts';
import type { Result } from '../../bench/results.ts';
import { readsStock } from '../../bench/statements.ts';
import { processesOf, REPOSITORY, until } from '../helpers/server.ts';

const BENCH_MS = 45_000;
const PROCESSES_MS = 20_000;
const GENERATOR = 'generator.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-bench-test-')));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function bench(...args: string[]) {
  return Bun.spawn([process.execPath, join(REPOSITORY, 'bench', 'main.ts'), ...args], {
    // Its temporary folders come to lie in ours, where what is left can be seen.
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('bun run bench', () => {
  test(
    'measures three servers, checks the books, appends a result, and leaves nothing',
    async () => {
      const file = join(folder, 'results.jsonl');
      const short = ['--rounds', '1', '--seconds', '0.3', '--connections', '16', '--results', file];
      const child = bench('zipf', ...short);
      const [output, errors, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect(code, output + errors).toBe(0);
      expect(output).toContain('The books balance.');
      expect(output).toContain('none reads stock or reservations');
      expect(output).toContain('with fence as');

      const [line, ...more] = readFileSync(file, 'utf8').trimEnd().split('\n');
      expect(more).toEqual([]);
      const result: Result = JSON.parse(line);
      expect(result).toMatchObject({ workload: 'zipf', connections: 16 });
      for (const server of ['ceiling', 'holdfast', 'rival'] as const) {
        const { requestsPerSecond, p50Ms, p99Ms, otherStatuses, lost } = result[server];
        expect(requestsPerSecond).toBeGreaterThan(0);
        expect(p50Ms).toBeGreaterThan(0);
        expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
        expect(otherStatuses).toEqual({});
        expect(lost).toBe(0);
        const shown = requestsPerSecond.toLocaleString('en');
        expect(output).toMatch(new RegExp(`zipf +16 +${server}.* ${shown} `));
      }
      expect(readdirSync(folder)).toEqual(['results.jsonl']);
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
      expect(started.length).toBeGreaterThan(3);
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
    [['cold'], 'there is no workload "cold"'],
    [['--rounds', '1.5'], '--rounds is "1.5"; allowed is a whole number from 1 to 100'],
    [['--seconds', 'x'], '--seconds is "x"'],
    [['--connections', '64,0'], '--connections is "0"'],
  ])('%p is refused in one line', async (args, reason) => {
    const child = bench(...args);
    const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    expect(code).toBe(1);
    expect(errors).toContain(`bench: ${reason}`);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
  });
});

test.each([
  ['all agree', { http: 15, table: 105 }, { granted: 5, lost: 0 }, 0],
  ['one was granted that nobody asked for', { http: 16, table: 106 }, { granted: 5, lost: 0 }, 2],
  ['one is missing', { http: 14, table: 104 }, { granted: 5, lost: 0 }, 2],
  ['memory and database disagree', { http: 15, table: 106 }, { granted: 5, lost: 0 }, 1],
  ['a lost answer may have been granted', { http: 16, table: 106 }, { granted: 5, lost: 1 }, 0],
  ['but not in one place only', { http: 16, table: 105 }, { granted: 5, lost: 1 }, 1],
])('books: %s', (_case, after, grants, faults) => {
  expect(imbalances({ http: 10, table: 100 }, after, grants)).toHaveLength(faults);
});

test.each([
  ['select * from holdfast.stock_level where partition = $1', true],
  ['SELECT 1 FROM reservation r', true],
  ['with x as (select id from "reservation") update stock_level set version = $1', true],
  ['with fence as (update owner set commit_seq = $2 returning epoch) select epoch from fence', false],
  ['update stock_level s set on_hand = u.on_hand from unnest($1) u', false],
  ['insert into reservation (id) select u.id from unnest($1) u', false],
  ['select commit_seq from owner', false],
])('statements: %s', (query, reads) => {
  expect(readsStock({ query, calls: 1, rows: 1, milliseconds: 1 })).toBe(reads);
});

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
