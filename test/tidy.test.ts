/** Keeps the layering and the habits of the code: what may import what, names, sizes, documented settings. */
import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { SETTINGS } from '../src/config.ts';

const REPOSITORY = join(import.meta.dir, '..');
const LINES_MAX = 400;

/** What each part of src/ may import from the others; a part is a folder, or a file at the top. */
const EVERYWHERE = ['limits', 'clock', 'process'];
const LAYERS: Record<string, string[]> = {
  limits: [],
  clock: [],
  process: ['routing'],
  config: ['limits', 'observability'],
  access: EVERYWHERE,
  reservations: EVERYWHERE,
  routing: EVERYWHERE,
  observability: [...EVERYWHERE, 'package.json'],
  wire: [...EVERYWHERE, 'access', 'reservations', 'observability'],
  storage: [...EVERYWHERE, 'access', 'reservations', 'observability'],
  worker: [...EVERYWHERE, 'reservations', 'wire', 'storage', 'routing', 'observability'],
  // What runs in a browser; a front serves it, and both know what is told.
  dashboard: ['wire'],
  front: [
    ...EVERYWHERE,
    'access',
    'reservations',
    'wire',
    'routing',
    'observability',
    'dashboard',
    'package.json',
  ],
  supervisor: [...EVERYWHERE, 'config', 'routing', 'observability', 'package.json'],
  keys: [...EVERYWHERE, 'access', 'config', 'storage', 'supervisor', 'observability'],
  verify: [...EVERYWHERE, 'config', 'storage', 'supervisor', 'observability'],
  // Types alone: see the test of it below.
  client: ['front', 'reservations'],
  // They choose what a process loads, so only what they import statically counts.
  cli: [
    ...EVERYWHERE,
    'access',
    'client',
    'front',
    'config',
    'keys',
    'supervisor',
    'verify',
    'package.json',
    'examples',
    'bench',
  ],
  main: ['process'],
  start: [],
};
/** Who may use which package; a folder that is not named may use none. */
const PACKAGES: Record<string, string[]> = {
  observability: [
    '@opentelemetry/api',
    '@opentelemetry/exporter-trace-otlp-http',
    '@opentelemetry/resources',
    '@opentelemetry/sdk-trace',
  ],
  storage: ['postgres'],
  dashboard: ['uplot'],
  cli: ['commander', 'cli-progress'],
  front: ['elysia', '@elysiajs/swagger', '@sinclair/typebox', 'swagger-ui-dist', 'prom-client'],
};
/** Pure code: no module of the platform either. */
const PURE = ['limits', 'clock', 'process', 'reservations', 'routing'];

interface Import {
  from: string;
  module: string;
  dynamic: boolean;
}

/** Every import of a source: static, `import type`, re-export, `import()` and `import('…').Type`. */
function importsOf(source: string, from: string): Import[] {
  const dynamic = new Set([...source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)].map(([, module]) => module));
  return ts
    .preProcessFile(source, true, true)
    .importedFiles.map(({ fileName }) => ({ from, module: fileName, dynamic: dynamic.has(fileName) }));
}

function partOf(path: string): string {
  const [first, second] = relative(REPOSITORY, path).split('/');
  return first === 'src' ? second.replace(/\.ts$/, '') : first;
}

/** Why an import is not allowed; undefined where it is. */
function objection({ from, module, dynamic }: Import): string | undefined {
  const part = partOf(from);
  if (dynamic && ['main', 'start', 'cli'].includes(part)) return undefined;
  const what = `${relative(REPOSITORY, from)} imports ${module}`;
  if (module.startsWith('.')) {
    const target = partOf(join(dirname(from), module));
    return target === part || LAYERS[part]?.includes(target) ? undefined : what;
  }
  if (/^(node:|bun:|bun$)/.test(module)) return PURE.includes(part) ? what : undefined;
  const allowed = PACKAGES[part]?.some((name) => module === name || module.startsWith(`${name}/`));
  return allowed ? undefined : what;
}

function filesOf(folder: string): string[] {
  return readdirSync(join(REPOSITORY, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const sources = filesOf('src').filter((path) => path.endsWith('.ts'));
const everything = ['src', 'test', 'bench', 'examples']
  .flatMap(filesOf)
  .filter((path) => path.endsWith('.ts'));
const named = (paths: string[]): string[] => paths.map((path) => relative(REPOSITORY, path));

describe('layering', () => {
  test('every import stays within the table', () => {
    const imports = sources.flatMap((path) => importsOf(readFileSync(path, 'utf8'), path));
    expect(imports.length).toBeGreaterThan(sources.length);
    expect(imports.map(objection).filter((what) => what !== undefined)).toEqual([]);
  });

  test('every part of src has its place in the table', () => {
    expect([...new Set(sources.map(partOf))].filter((part) => LAYERS[part] === undefined)).toEqual([]);
  });

  // It is published, and runs where there is nothing of the server: in another process, in Node, in a browser.
  test('the client takes nothing but types from the rest, and nothing from the platform', () => {
    const imports = sources
      .filter((path) => partOf(path) === 'client')
      .flatMap(
        (path) =>
          readFileSync(path, 'utf8').match(
            /^(import|export)\b[^;]* from '[^']+'|\bimport\(['"]|^import '.*'/gm,
          ) ?? [],
      );
    expect(imports.length).toBeGreaterThan(10);
    expect(
      imports.filter((line) => !/ from '\.\/[^']+'$|^(import|export) type [^;]* from '\.\.\//.test(line)),
    ).toEqual([]);
  });

  // The check itself: each of these must be objected to, however it is written.
  test.each([
    ['front/a.ts', `import { x } from '../worker/actor.ts';`],
    ['front/a.ts', `import type { X } from '../storage/database.ts';`],
    ['front/a.ts', `export * from '../supervisor/child.ts';`],
    ['front/a.ts', `type X = import('../worker/actor.ts').Actor;`],
    ['front/a.ts', `const x = await import('../worker/actor.ts');`],
    ['worker/a.ts', `import '../front/front.ts';`],
    ['worker/a.ts', `import postgres from 'postgres';`],
    ['worker/a.ts', `import {\n  t,\n} from 'elysia';`],
    ['wire/a.ts', `import { x } from '../routing/partition-map.ts';`],
    ['verify/a.ts', `import { Batch } from '../worker/batch.ts';`],
    ['supervisor/a.ts', `import { prepareDatabase } from '../storage/migrate.ts';`],
    ['reservations/a.ts', `import { readFileSync } from 'node:fs';`],
    ['limits.ts', `import { x } from './clock.ts';`],
    ['main.ts', `import { serve } from './supervisor/supervisor.ts';`],
    ['start.ts', `import postgres from 'postgres';`],
  ])('src/%s: %s is objected to', (file, source) => {
    const [found, ...more] = importsOf(source, join(REPOSITORY, 'src', file));
    expect(more).toEqual([]);
    expect(objection(found)).toBeString();
  });
});

describe('habits', () => {
  test('file names are in kebab-case', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/;
    expect(named(everything.filter((path) => !kebab.test(basename(path))))).toEqual([]);
  });

  test(`no file of src is over ${LINES_MAX} lines`, () => {
    const lines = (path: string): number => readFileSync(path, 'utf8').split('\n').length - 1;
    expect(named(sources.filter((path) => lines(path) > LINES_MAX))).toEqual([]);
  });

  test('nothing is left for later', () => {
    const later = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`);
    expect(named(everything.filter((path) => later.test(readFileSync(path, 'utf8'))))).toEqual([]);
  });

  test('the README names every setting', () => {
    const readme = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
    const missing = Object.values(SETTINGS).filter(({ variable }) => !readme.includes(`\`${variable}\``));
    expect(missing.map(({ variable }) => variable)).toEqual([]);
  });
});
