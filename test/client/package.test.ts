/** The package as others get it: packed, unpacked elsewhere, imported, type-checked with the README's example, and run. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { REPOSITORY } from '../helpers/server.ts';

const PACK_MS = 60_000;
let folder: string;
let installed: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-package-'));
  // Packing builds, and must not do so where others work.
  const copy = join(folder, 'copy');
  for (const name of [
    'src',
    'examples',
    'bench',
    'package.json',
    'tsconfig.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
  ])
    cpSync(join(REPOSITORY, name), join(copy, name), { recursive: true });
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'));
  run(copy, process.execPath, 'pm', 'pack', '--filename', join(folder, 'holdfast.tgz'), '--quiet');

  installed = join(folder, 'node_modules', 'holdfast');
  mkdirSync(installed, { recursive: true });
  run(installed, 'tar', 'xzf', join(folder, 'holdfast.tgz'), '--strip-components=1');
  // What it says that it needs, and nothing else of the repository's.
  for (const name of Object.keys(packageJson.dependencies)) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(REPOSITORY, 'node_modules', name), link);
  }
}, PACK_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(cwd: string, ...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd });
  expect(exitCode, `${command.join(' ')}\n${stdout}${stderr}`).toBe(0);
  return stdout.toString();
}

test('it has the server, the tour and the client, and neither tests nor benchmark', () => {
  expect(readdirSync(installed).toSorted()).toEqual(
    ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'examples', 'package.json', 'src'].toSorted(),
  );
});

test('the command runs', () => {
  const bin = join(installed, packageJson.bin.holdfast);
  expect(run(folder, process.execPath, bin, '--version')).toBe(`${packageJson.version}\n`);
  expect(run(folder, process.execPath, bin, '--help')).toContain('Usage: holdfast');
  expect(run(folder, process.execPath, bin, 'completion', 'bash')).toContain('complete ');
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, bin, 'bench'], { cwd: folder });
  expect([exitCode, stderr.toString()]).toEqual([
    1,
    'holdfast: the benchmark is part of the repository, not of the package: run it in a clone\n',
  ]);
});

test.each([process.execPath, ...(Bun.which('node') ? ['node'] : [])])('%s imports the client', (runtime) => {
  const script = `import('holdfast/client').then(({ Holdfast }) => console.log(typeof new Holdfast({ url: 'http://x' }).stock.get))`;
  writeFileSync(join(folder, 'import.mjs'), script);
  expect(run(folder, runtime, 'import.mjs')).toBe('function\n');
});

test(
  "the README's example type-checks against the published types, and a mistake in it does not",
  () => {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const readme = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
    const [, example] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
    const environment = 'declare const process: { env: Record<string, string | undefined> };\n';
    writeFileSync(join(folder, 'example.ts'), environment + example);
    writeFileSync(
      join(folder, 'wrong.ts'),
      environment + example.replace("code !== 'insufficient-stock'", "code !== 'no-stock'"),
    );
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'esnext', '--module', 'nodenext'];
    const tsc = join(REPOSITORY, 'node_modules', '.bin', 'tsc');
    const check = Bun.spawnSync([process.execPath, tsc, ...options, 'example.ts', 'wrong.ts'], {
      cwd: folder,
    });
    const complaints = check.stdout.toString().trimEnd().split('\n');
    expect(complaints).toEqual([
      expect.stringMatching(/^wrong\.ts\(\d+,\d+\): error TS2367: .*'"no-stock"'/),
    ]);
  },
  PACK_MS,
);
