/** `holdfast import` and `export` against a real server: whole files, bad lines, pipes, terminals, and what is not there. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atTerminal, HOLDFAST, holdfast } from '../helpers/cli.ts';
import { freePorts, REPOSITORY, startServer, type TestServer } from '../helpers/server.ts';

const START_MS = 30_000;
const STOCK = join(REPOSITORY, 'examples', 'stock.csv');
const MANY = 200_000;
let server: TestServer;
let folder: string;
/** As in the shell of whoever started the server: it is found by its settings. */
let env: Record<string, string>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  server = await startServer({ env: { HOLDFAST_FRONTS: '1' } });
  env = { PORT: String(server.port) };
}, START_MS);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
}, START_MS);

const inFolder = (name: string): string => join(folder, name);

function manyLevels(): string {
  const file = inFolder('many.csv');
  const lines = Array.from({ length: MANY }, (_, i) => `many-${i},here,${i}\n`);
  writeFileSync(file, `sku,location,onHand\n${lines.join('')}`);
  return file;
}

test('what was imported is exported, as CSV and as NDJSON, and imports again as unchanged', async () => {
  expect(await holdfast(['import', STOCK], { env })).toEqual({
    code: 0,
    stdout: '2,542 set, 0 unchanged, 0 rejected\n',
    stderr: '',
  });
  const csv = inFolder('out.csv');
  expect(await holdfast(['export', csv], { env })).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await holdfast(['import', csv], { env })).toMatchObject({
    code: 0,
    stdout: '0 set, 2,542 unchanged, 0 rejected\n',
  });
  const { stdout } = await holdfast(['export', '--url', server.url]);
  const levels = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(levels).toHaveLength(2542);
  const rows = levels.map(({ sku, location, onHand }) => JSON.stringify({ sku, location, onHand }));
  expect(
    await holdfast(['import', '-', '--format', 'ndjson'], { env, stdin: rows.join('\n') }),
  ).toMatchObject({
    code: 0,
    stdout: '0 set, 2,542 unchanged, 0 rejected\n',
  });
});

test('lines that are rejected are shown, and the code is 1', async () => {
  const stdin = 'sku,location,onHand\nmug,here,1\nmug,here,-1\nmug,,1\n';
  const { code, stdout, stderr } = await holdfast(['import', '-', '--format', 'csv'], { env, stdin });
  expect([code, stdout]).toEqual([1, '1 set, 0 unchanged, 2 rejected\n']);
  expect(stderr).toMatch(/^line 3: onHand .*\nline 4: location .*\n$/);
});

test('a terminal sees how far it is, at what rate, and what is left; and the file is streamed', async () => {
  const file = manyLevels();
  const imported = await atTerminal(['import', file], env);
  expect(imported.code).toBe(0);
  expect(imported.shown).toMatch(/import .* \d+ % {2}[\d,]+ levels {2}[\d,]+\/s {2}\S+ left/);
  expect(imported.shown).toContain(' 100 %  200,001 levels');
  expect(imported.shown).toContain('200,000 set, 0 unchanged, 0 rejected');
  const exported = await atTerminal(['export', inFolder('many-out.csv')], env);
  expect(exported.code).toBe(0);
  expect(exported.shown).toMatch(/export .* \d+ % {2}[\d,]+ levels {2}[\d,]+\/s {2}\S+ left/);
  // Hidden for the bar, and shown again.
  expect(exported.shown.lastIndexOf('\x1b[?25h')).toBeGreaterThan(exported.shown.lastIndexOf('\x1b[?25l'));
}, 20_000);

test('Ctrl-C ends an import, with 130', async () => {
  const file = manyLevels();
  const { code, shown } = await atTerminal(['import', file], env, {
    when: (soFar) => soFar.includes('import'),
    press: '\x03',
  });
  expect(shown).toContain('holdfast: interrupted');
  expect(code).toBe(130);
});

test('who reads only the beginning of an export is no error', async () => {
  const child = Bun.spawn(
    ['sh', '-c', '"$@" | head -n 1', 'sh', ...HOLDFAST, 'export', '--url', server.url],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout).sku).toBeString();
});

test('an export that breaks off leaves no file, and what was there stays', async () => {
  const breaking = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/csv' });
    response.write('sku,location\nmug,here\n', () => response.destroy());
  }).listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${(breaking.address() as AddressInfo).port}`;
  const file = inFolder('kept.csv');
  writeFileSync(file, 'kept');
  const { code, stderr } = await holdfast(['export', file, '--url', url]);
  breaking.close();
  expect([code, readFileSync(file, 'utf8')]).toEqual([1, 'kept']);
  expect(stderr).toMatch(/^holdfast: the export from \S+ broke off after \d+ lines: [^\n]*\n$/);
  expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
});

describe('one line, and code 1', () => {
  const one = async (args: string[], more: Record<string, string> = {}): Promise<string> => {
    const { code, stdout, stderr } = await holdfast(args, { env: { ...env, ...more } });
    expect([code, stdout]).toEqual([1, '']);
    const [line, ...rest] = stderr.split('\n');
    expect(rest).toEqual(['']);
    return line;
  };

  test('no server', async () => {
    const port = String(await freePorts(1));
    expect(await one(['export'], { PORT: port })).toBe(
      `holdfast: nothing answers at http://127.0.0.1:${port}; start a server with: holdfast serve, or name one with --url`,
    );
    expect(await one(['import', STOCK], { PORT: port })).toContain('nothing answers at');
  });

  test('another server', async () => {
    const other = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => new Response('Hello', { status: 404 }),
    });
    const url = other.url.origin;
    const line = `holdfast: what answers at ${url} is not Holdfast (404); name the server with --url`;
    expect(await one(['export', '--url', url])).toBe(line);
    expect(await one(['import', STOCK, '--url', url])).toBe(line);
    await other.stop(true);
  });

  test('an API key that is missing, unknown, or not enough', async () => {
    const seen: (string | null)[] = [];
    const refusing = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch({ headers }) {
        seen.push(headers.get('authorization'));
        const status = headers.get('authorization') === 'Bearer weak' ? 403 : 401;
        const headers_ = { 'content-type': 'application/problem+json' };
        return Response.json(
          { status, detail: 'It has only read.', code: 'x' },
          { status, headers: headers_ },
        );
      },
    });
    const args = ['export', '--url', refusing.url.origin];
    expect(await one(args)).toContain('asks for an API key: give one with --key or HOLDFAST_API_KEY');
    expect(await one(args, { HOLDFAST_API_KEY: 'nonsense' })).toContain('does not know this API key');
    expect(await one([...args, '--key', 'weak'])).toContain(
      'does not allow this with this API key: It has only read.',
    );
    expect(seen).toEqual([null, 'Bearer nonsense', 'Bearer weak']);
    await refusing.stop(true);
  });

  test('files that are not there, or none', async () => {
    expect(await one(['import', inFolder('nope.csv')])).toBe(
      `holdfast: there is no file ${inFolder('nope.csv')}`,
    );
    expect(await one(['import', folder, '--format', 'csv'])).toBe(`holdfast: ${folder} is a folder`);
    const nowhere = inFolder('no/such/out.csv');
    expect(await one(['export', nowhere])).toBe(`holdfast: ${nowhere} cannot be written: ENOENT`);
  });

  test('a header that is wrong, of a file that is large', async () => {
    const file = inFolder('wrong.csv');
    writeFileSync(file, `sku,nonsense\n${'mug,here\n'.repeat(1_000_000)}`);
    expect(await one(['import', file])).toStartWith('holdfast: The first line has "nonsense"');
  });

  test('a wrong setting', async () => {
    expect(await one(['export'], { PORT: 'x' })).toContain('PORT is "x"; allowed is a whole number');
  });
});

test('a format that nobody can know is asked for', async () => {
  const { code, stderr } = await holdfast(['import', '-'], { env });
  expect([code, stderr]).toEqual([
    2,
    'holdfast import: the format of - is not known; say --format csv or --format ndjson; see holdfast import --help\n',
  ]);
});
