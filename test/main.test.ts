/** The command line: what is asked for is shown, what is not understood is refused, and nothing is started. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { COMMANDS } from '../src/cli/commands.ts';

const START = join(import.meta.dir, '..', 'src', 'start.ts');

function run(...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, START, ...args], { timeout: 10_000 });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

test.each([[['--help']], [['-h']], [['help']]])('%p shows every command', (args) => {
  const { exitCode, stdout, stderr } = run(...args);
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toContain('bun run start');
  for (const name of Object.keys(COMMANDS)) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
});

// The first is what `bun run start --help` becomes.
test.each([[['serve', '--help']], [['serve', '-h']], [['help', 'serve']]])(
  '%p shows the settings',
  (args) => {
    const { exitCode, stdout, stderr } = run(...args);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('HOLDFAST_PARTITIONS');
  },
);

test.concurrent.each(Object.keys(COMMANDS))('%s has help, with examples and exit codes', async (name) => {
  const child = Bun.spawn([process.execPath, START, name, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [code, stdout] = await Promise.all([child.exited, new Response(child.stdout).text()]);
  expect(code).toBe(0);
  expect(stdout).toStartWith(`Usage: holdfast ${name} `);
  expect(stdout).toMatch(new RegExp(`^Examples:\n  .*holdfast ${name}`, 'm'));
  expect(stdout).toMatch(/^Exit codes:\n {2}0 {3}\w+/m);
});

test('the version', () => {
  expect(run('--version')).toEqual({ exitCode: 0, stdout: `${packageJson.version}\n`, stderr: '' });
});

test.each([
  [['nonsense'], "holdfast: unknown command 'nonsense'; see holdfast --help"],
  [['vrify', '--help'], "holdfast: unknown command 'vrify'; did you mean verify? See holdfast --help"],
  [['help', 'vrify'], "holdfast: unknown command 'vrify'; did you mean verify? See holdfast --help"],
  [['--halp'], "holdfast: unknown option '--halp'; did you mean --help? See holdfast --help"],
  [
    ['verify', '--repiar'],
    "holdfast verify: unknown option '--repiar'; did you mean --repair? See holdfast verify --help",
  ],
  [
    ['serve', 'nonsense'],
    "holdfast serve: too many arguments for 'serve'. Expected 0 arguments but got 1: nonsense; see holdfast serve --help",
  ],
  [
    ['bench', '--rounds', 'x'],
    "holdfast bench: option '--rounds <n>' argument 'x' is invalid. Allowed is a whole number from 1 to 100; see holdfast bench --help",
  ],
])('%p is refused in one line, with code 2', (args, line) => {
  expect(run(...args)).toEqual({ exitCode: 2, stdout: '', stderr: `${line}\n` });
});

test('without a command, help is shown and nothing started', () => {
  const { exitCode, stdout, stderr } = run();
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toStartWith('Usage: holdfast');
});
