/** The command line: what is asked for is shown, what is not understood is refused, and nothing is started. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';

const START = join(import.meta.dir, '..', 'src', 'start.ts');

function run(...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, START, ...args], { timeout: 10_000 });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

// The second is what `bun run start --help` becomes.
test.each([[['--help']], [['serve', '--help']], [['serve', '-h']], [['verify', '--help']]])(
  '%p shows the settings',
  (args) => {
    const { exitCode, stdout, stderr } = run(...args);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('bun run start');
    expect(stdout).toContain('HOLDFAST_PARTITIONS');
  },
);

test.each([[['nonsense']], [['serve', 'nonsense']]])('%p is not a command', (args) => {
  const { exitCode, stdout, stderr } = run(...args);
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toBe(
    'holdfast: "nonsense" is not a command; there are serve, verify, keys, tour, test, bench and --help\n',
  );
});
