/** What is written, and when: by a process of its own, because its stderr is the log. */
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LEVELS } from '../../src/observability/log.ts';
import { REPOSITORY, startServer, until } from '../helpers/server.ts';

const LOG = join(REPOSITORY, 'src', 'observability', 'log.ts');
const SLOW_MS = 60_000;

/** Runs these statements, and returns the lines that they log. */
function logged(statements: string): Record<string, unknown>[] {
  const script = `import { identify, log, shows, showUpTo } from ${JSON.stringify(LOG)};\n${statements}`;
  const { stderr, exitCode } = Bun.spawnSync([process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(exitCode).toBe(0);
  return stderr
    .toString()
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('an event is one line of JSON with its time, level, name, process and fields', () => {
  const [line, ...more] = logged(`
    identify('worker 0');
    log.error('start.failed', { error: new Error('two\\nlines') });`);
  expect(more).toEqual([]);
  expect(line).toMatchObject({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: 'error',
    event: 'start.failed',
    process: 'worker 0',
    error: expect.stringContaining('two\nlines'),
  });
});

const each = LEVELS.map((level) => `log.${level}('commit.failed', { reason: '${level}' });`).join('\n');
test.each([
  ['error', ['error']],
  ['warn', ['error', 'warn']],
  ['info', ['error', 'warn', 'info']],
  ['debug', ['error', 'warn', 'info', 'debug']],
])('up to %s, %j are written', (level, expected) => {
  expect(logged(`showUpTo('${level}');\n${each}`).map((line) => line.level)).toEqual(expected);
});

test('unless told otherwise, up to info', () => {
  expect(logged(each).map((line) => line.level)).toEqual(['error', 'warn', 'info']);
});

test('events are named alike, and those that the README explains are there', () => {
  const source = readFileSync(join(REPOSITORY, 'src', 'observability', 'events.ts'), 'utf8');
  const events = [...source.matchAll(/^ {2}'([^']+)':/gm)].map(([, name]) => name);
  expect(events.length).toBeGreaterThan(20);
  expect(events.filter((name) => !/^[a-z]+\.[a-z]+(-[a-z]+)*$/.test(name))).toEqual([]);
  const readme = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
  const [, table] = /\n\| event [^\n]*\n([\s\S]*?)\n\n/.exec(readme)!;
  const explained = [...table.matchAll(/`([a-z]+\.[a-z-]+)`/g)].map(([, name]) => name);
  expect(explained.length).toBeGreaterThan(8);
  expect(explained.filter((name) => !events.includes(name))).toEqual([]);
});

test(
  'a server writes what its level says, in every process',
  async () => {
    const quiet = await startServer({ env: { HOLDFAST_LOG_LEVEL: 'error', HOLDFAST_FRONTS: '1' } });
    await fetch(`${quiet.url}/v1/stock/A`);
    await quiet.stop();
    expect(quiet.output()).not.toContain('"event"');

    const loud = await startServer({ env: { HOLDFAST_LOG_LEVEL: 'debug', HOLDFAST_FRONTS: '1' } });
    const given = { 'x-request-id': 'look-for-me' };
    const { status } = await fetch(`${loud.url}/v1/stock/a%20sku?secret=1`, { headers: given });
    await until(() => loud.output().includes('look-for-me'), 3000, loud.output);
    await loud.stop();
    expect(loud.output()).toContain('"event":"worker.serving"');
    const line = loud
      .output()
      .split('\n')
      .find((one) => one.includes('look-for-me'))!;
    expect(JSON.parse(line)).toMatchObject({
      level: 'debug',
      event: 'request.served',
      process: 'front 0',
      requestId: 'look-for-me',
      method: 'GET',
      route: '/v1/stock/{sku}',
      path: '/v1/stock/a%20sku',
      status,
    });
    expect(line).not.toContain('secret');
  },
  SLOW_MS,
);
