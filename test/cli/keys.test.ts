/** `keys` without a server: on a database that is not there yet, and everything that can be wrong with its arguments. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { keysCommand } from '../helpers/api-keys.ts';
import { type Home, makeHome, processesOf } from '../helpers/server.ts';

const SLOW_MS = 60_000;
let home: Home;
beforeAll(async () => {
  home = await makeHome();
});
afterAll(() => home.remove());

/** The lines of the log among those of a command. */
function events(stderr: string): Record<string, unknown>[] {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

test(
  'a key is made before there is a database, listed, revoked, and shown once',
  async () => {
    const [name, scopes] = ['Kasse „Süd“', ['reserve', 'stock']];
    const made = await keysCommand(
      home,
      'create',
      ...['--name', name, '--scope', 'reserve', '--scope', 'stock', '--scope', 'stock'],
      ...['--expires', '90d', '--rate', '500/s'],
    );
    expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^hf_[0-9a-f]{12}_[0-9a-f]{64}\n$/)]);
    const [, id, secret] = made.stdout.trim().split('_');
    const created = events(made.stderr).find(({ event }) => event === 'admin.key-created')!;
    const expires = new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10);
    expect(created).toMatchObject({ id, name, scopes, rate: '500/s', by: expect.any(String) });
    expect(created.expiresAt).toStartWith(expires);
    expect(made.stderr).toContain('within 2 s');

    const listed = await keysCommand(home, 'list');
    const [headings, row, ...more] = listed.stdout.trimEnd().split('\n');
    expect([headings.split(/ +/)[0], more]).toEqual(['id', []]);
    expect(row).toMatch(new RegExp(`^${id}  good +reserve,stock  500/s .* ${expires}T\\S+Z +${name}$`));

    const revoked = await keysCommand(home, 'revoke', id);
    expect([revoked.code, revoked.stdout]).toEqual([0, '']);
    expect(events(revoked.stderr)).toContainEqual(
      expect.objectContaining({ event: 'admin.key-revoked', id }),
    );
    const again = await keysCommand(home, 'revoke', id);
    expect([again.code, again.stderr]).toEqual([0, `the key ${id} was revoked before\n`]);
    const after = await keysCommand(home, 'list');
    expect(after.stdout).toContain(`${id}  revoked`);

    const unknown = await keysCommand(home, 'revoke', '000000000000');
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      'holdfast: there is no key 000000000000; `bun run keys list` shows them\n',
    ]);
    for (const { stdout, stderr } of [listed, revoked, again, after])
      expect(stdout + stderr).not.toContain(secret);
    expect(made.stderr).not.toContain(secret);
    expect(processesOf(home.dataDir)).toEqual([]);
  },
  SLOW_MS,
);

test('where there is no database, there is nothing to list', async () => {
  const nowhere = { dataDir: `${home.dataDir}-none`, databaseUrl: undefined };
  const { code, stderr } = await keysCommand(nowhere, 'list');
  expect([code, stderr]).toEqual([1, expect.stringContaining('there is no database in HOLDFAST_DATA_DIR')]);
});

const create = ['create', '--name', 'a', '--scope', 'read'];

test.concurrent.each<[string[], string]>([
  [['make'], "unknown command 'make'"],
  [['list', 'all'], 'too many arguments'],
  [['revoke'], "missing required argument 'id'"],
  [['create', '--scope', 'read'], "required option '--name <name>' not specified"],
  [['create', '--name', 'a\tb', '--scope', 'read'], 'Allowed is a text of 1 to 100 characters'],
  [['create', '--name', 'a'.repeat(101), '--scope', 'read'], 'Allowed is a text of 1 to 100 characters'],
  [['create', '--name', 'a'], "required option '--scope <scope...>' not specified"],
  [['create', '--name', 'a', '--scope', 'write'], 'Allowed choices are read, reserve, stock, admin'],
  [[...create, '--expires', '90'], 'Allowed is 1 to 99999 hours or days'],
  [[...create, '--expires', '0d'], 'Allowed is 1 to 99999 hours or days'],
  [[...create, '--rate', '500'], 'Allowed is 1 to 1000000 by s, m or h'],
  [[...create, '--rate', '0/s'], 'Allowed is 1 to 1000000 by s, m or h'],
  [[...create, '--rate', '1000001/s'], 'Allowed is 1 to 1000000 by s, m or h'],
])('%j is refused, with code 2', async (args, reason) => {
  const { code, stdout, stderr } = await keysCommand(home, ...args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toStartWith('holdfast keys: ');
  expect(stderr).toContain(reason);
});
