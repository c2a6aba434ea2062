/** API keys for tests: made here for a front alone, or by the command line for a whole server. */
import { join } from 'node:path';
import { makeApiKey } from '../../src/access/api-key.ts';
import type { ApiKey, Keyring } from '../../src/access/keyring.ts';
import type { Scope } from '../../src/access/scopes.ts';
import { type Home, REPOSITORY } from './server.ts';
import { homeEnv } from './verify.ts';

export interface TestKey extends ApiKey {
  text: string;
  /** What a request with it has. */
  headers: { authorization: string };
}

export function testKey(scopes: Scope[], more: Partial<ApiKey> = {}): TestKey {
  const { text, id, hash } = makeApiKey();
  return { id, hash, name: scopes.join(), scopes, ...more, text, headers: bearer(text) };
}

export function keyringOf(...keys: TestKey[]): Keyring {
  return { everMade: true, keys: keys.map(({ text: _text, headers: _headers, ...key }) => key) };
}

export function bearer(text: string): { authorization: string } {
  return { authorization: `Bearer ${text}` };
}

/** Runs `keys` as its users do. */
export async function keysCommand(home: Pick<Home, 'dataDir' | 'databaseUrl'>, ...args: string[]) {
  const child = Bun.spawn([process.execPath, join(REPOSITORY, 'src', 'main.ts'), 'keys', ...args], {
    cwd: REPOSITORY,
    env: homeEnv(home),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

/** @returns the new key's text */
export async function createKey(home: Home, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await keysCommand(home, 'create', '--name', 'test', ...args);
  if (code !== 0) throw new Error(`no key was made\n${stderr}`);
  return stdout.trim();
}
