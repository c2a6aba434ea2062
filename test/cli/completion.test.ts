/** The completion scripts, in the shells that they are for; a shell that is not there is not asked. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMANDS } from '../../src/cli/commands.ts';
import { holdfast } from '../helpers/cli.ts';

const NAMES = [...Object.keys(COMMANDS), 'help'].toSorted();
let folder: string;
const scripts: Record<string, string> = {};
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-completion-'));
  writeFileSync(join(folder, 'a stock.csv'), '');
  await Promise.all(
    ['bash', 'zsh', 'fish'].map(async (shell) => {
      const { code, stdout, stderr } = await holdfast(['completion', shell]);
      expect([code, stderr]).toEqual([0, '']);
      scripts[shell] = join(folder, `holdfast.${shell}`);
      writeFileSync(scripts[shell], stdout);
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    cwd: folder,
    env: { ...process.env, HOME: folder },
  });
  expect([exitCode, stderr.toString()]).toEqual([0, '']);
  return stdout.toString();
}

/** Asks the function that the script has told bash to ask. */
const ASK_BASH = `source "$0"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$(complete -p holdfast | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "\${COMPREPLY[@]}"`;

/** @returns what is offered for the last word */
const SHELLS: Record<string, (words: string[]) => string[]> = {
  bash: (words) => run('bash', '-c', ASK_BASH, scripts.bash, ...words).split('\n'),
  fish: (words) =>
    run('fish', '-c', 'source $argv[1]; complete -C $argv[2]', scripts.fish, words.join(' '))
      .split('\n')
      .map((line) => line.split('\t')[0]),
};

describe.each(Object.keys(SHELLS))('%s', (shell) => {
  const there = test.if(Bun.which(shell) !== null);
  const offered = (...words: string[]): string[] =>
    SHELLS[shell](['holdfast', ...words])
      .filter((word) => word !== '')
      .toSorted();

  there('commands', () => {
    expect(offered('')).toEqual(expect.arrayContaining(NAMES));
    expect(offered('ver')).toEqual(['verify']);
    expect(offered('help', 'ver')).toEqual(['verify']);
  });
  there('options, of the command that stands there', () => {
    expect(offered('verify', '--')).toEqual(['--help', '--repair', '--yes']);
    expect(offered('import', '--f')).toEqual(['--format']);
  });
  there('values', () => {
    expect(offered('import', '--format', '')).toEqual(['csv', 'ndjson']);
    expect(offered('import', '--url', '')).toEqual([]);
    expect(offered('completion', 'z')).toEqual(['zsh']);
    expect(offered('bench', 'sa')).toEqual(['sale']);
  });
  there('files, where one is wanted', () => {
    expect(offered('import', 'a')[0]).toMatch(/^a(\\? )stock\.csv$/);
    expect(offered('verify', 'a')).toEqual([]);
  });
});

test.each(['bash', 'zsh', 'fish'].filter((shell) => Bun.which(shell) !== null))(
  '%s can read its script',
  (shell) => {
    expect(run(shell, '-n', scripts[shell])).toBe('');
  },
);

test('another shell is asked for in one line', async () => {
  const { code, stderr } = await holdfast(['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(stderr).toContain('Allowed choices are bash, zsh, fish');
});
