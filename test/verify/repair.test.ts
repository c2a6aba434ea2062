/**
 * `verify` on the data folder of a server that is stopped, and `--repair`: it corrects what entries of the ledger
 * can correct, and a server goes on from there; it refuses where it could do harm.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { takePartitions } from '../../src/storage/take-partitions.ts';
import { borrowDatabase } from '../../src/supervisor/borrowed-database.ts';
import { faultsOf } from '../helpers/books.ts';
import { FORGEABLE_LEDGER } from '../helpers/forgeable-ledger.ts';
import { type Home, makeHome, processesOf, startServer, type TestServer, until } from '../helpers/server.ts';
import { Shop, skusOfWorker } from '../helpers/shop.ts';
import { homeEnv, VERIFY, verify } from '../helpers/verify.ts';

setDefaultTimeout(60_000);

const [first, second] = [...skusOfWorker(0, 'repair', 1), ...skusOfWorker(1, 'repair', 1)];
const env = { HOLDFAST_WORKERS: '2' };

let home: Home;
let server: TestServer | undefined;
/** Of reservations of two units of both SKUs each. */
const ids: string[] = [];

beforeAll(async () => {
  home = await makeHome();
  server = await startServer({ home, env });
  const shop = new Shop(server);
  await shop.stockUp([first, second], 'berlin', 100);
  const lines = [first, second].map((sku) => ({ sku, quantity: 2 }));
  for (let i = 0; i < 4; i++) ids.push((await shop.hold(lines)).body.id);
  expect((await shop.cancel(ids[3])).status).toBe(200);
  const refused = await verify(home, '--repair', '--yes');
  expect([refused.code, refused.stdout]).toEqual([2, '']);
  expect(refused.stderr).toBe(
    `holdfast: a server runs on the data folder ${home.dataDir}; stop it before verify --repair\n`,
  );
  await server.stop();
  server = undefined;
});

afterAll(async () => {
  await server?.kill9();
  await home.remove();
});

/** Runs these with no server, on the embedded database or the one of DATABASE_URL. */
async function withDatabase<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
  const { databaseUrl: url } = home;
  const borrowed =
    url === undefined
      ? await borrowDatabase(home.dataDir, new AbortController().signal)
      : { database: { url }, async giveBack() {} };
  const sql = openDatabase(borrowed.database, 'test');
  try {
    return await run(sql);
  } finally {
    await sql.end();
    await borrowed.giveBack();
  }
}

const forge = (...statements: string[]): Promise<void> =>
  withDatabase(async (sql) => {
    await sql.unsafe(FORGEABLE_LEDGER);
    for (const statement of statements) expect((await sql.unsafe(statement)).count).toBeGreaterThan(0);
  });

test('without a server the database is started for as long as it takes', async () => {
  const { code, stdout, stderr } = await verify(home);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('2 stock levels, 4 reservations (3 open), 12 ledger entries, read in ');
  expect(processesOf(home.dataDir)).toEqual([]);
  expect((await verify(home, '--repair')).stderr).toContain('there is no terminal; add --yes');
  expect((await verify(home, '--repair', '--yes')).stdout).toEndWith('\nthe books balance\n');
});

/** A terminal with somebody at it who types this when asked. */
async function repairAtTerminal(typed: string): Promise<{ code: number; output: string }> {
  let output = '';
  const decoder = new TextDecoder();
  const child = Bun.spawn([...VERIFY, '--repair'], {
    env: homeEnv(home),
    terminal: {
      data(terminal, bytes) {
        output += decoder.decode(bytes, { stream: true });
        if (output.endsWith('yes/no ')) terminal.write(typed);
      },
    },
  });
  const code = await child.exited;
  child.terminal?.close();
  return { code, output: output.replaceAll('\r\n', '\n') };
}

test('it asks, and writes only after a yes', async () => {
  await forge(`update holdfast.stock_level set on_hand = on_hand - 7 where sku = '${first}'`);
  const no = await repairAtTerminal('no\n');
  expect(no.output).toContain(`"${first}" at "berlin"`);
  expect(no.output).toEndWith('\nwrite 1 correction? yes/no no\nnothing was written\n');
  expect(no.code).toBe(1);
  // Ctrl-C, and Ctrl-D.
  expect((await repairAtTerminal('\u0003')).code).toBe(2);
  expect((await repairAtTerminal('\u0004')).code).toBe(1);
  expect((await verify(home)).code).toBe(1);
  const yes = await repairAtTerminal('yes\n');
  expect(yes.output).toContain('\n1 correction written; the books now\n');
  expect(yes.output).toEndWith('\nthe books balance\n');
  expect(yes.code).toBe(0);
  const [entry, level] = await withDatabase(async (sql) => [
    ...(await sql`
      select kind, on_hand_delta, reserved_delta, reason from holdfast.ledger where kind = 'corrected'`),
    ...(await sql`select on_hand, version from holdfast.stock_level where sku = ${first}`),
  ]);
  expect({ ...entry }).toEqual({
    kind: 'corrected',
    on_hand_delta: -7,
    reserved_delta: 0,
    reason: 'verify: onHand was 93 by the level and 100 by its ledger, reserved 6 and 6',
  });
  expect({ ...level }).toEqual({ on_hand: 93, version: 7 });
});

/** What can be corrected, and what `reserved` of both SKUs then is. */
const FORGERIES: [what: string, forgery: string, reserved: number][] = [
  ['reserved of a level', `update holdfast.stock_level set reserved = reserved + 5`, 6],
  ['the last page of a level', `update holdfast.stock_level set last_page = last_page + 1000`, 6],
  ['the last page of a level, too low', `update holdfast.stock_level set last_page = 1`, 6],
  ['versions, fewer than entries', `update holdfast.stock_level set version = version - 2`, 6],
  [
    'a count in the ledger',
    `update holdfast.ledger set on_hand_delta = on_hand_delta + 3 where kind = 'counted'`,
    6,
  ],
  [
    'what a reservation took, by the ledger',
    `update holdfast.ledger set reserved_delta = 5 where kind = 'held' and reservation = 'ID0'`,
    6,
  ],
  ['a reservation that is not there any more', `delete from holdfast.reservation where id = 'ID0'`, 4],
  [
    'a reservation that was closed without giving back',
    `update holdfast.reservation set status = 'cancelled', closed_at = now() where id = 'ID1'`,
    2,
  ],
];

test.each(FORGERIES)('repaired: %s', async (_what, forgery, reserved) => {
  await forge(forgery.replace('ID0', ids[0]).replace('ID1', ids[1]));
  const { code, stdout, stderr } = await verify(home, '--repair', '--yes');
  expect(stderr).toBe('');
  expect(stdout).toContain('corrections written; the books now\n');
  expect(stdout).toEndWith('\nthe books balance\n');
  expect(code).toBe(0);
  await withDatabase(async (sql) => {
    expect(await sql`select distinct reserved from holdfast.stock_level`.values()).toEqual([
      [reserved],
    ] as never);
    expect(await faultsOf(sql)).toEqual([]);
  });
});

test('a server goes on from what was repaired', async () => {
  await forge(`update holdfast.stock_level set on_hand = 50, reserved = 11`);
  expect((await verify(home, '--repair', '--yes')).code).toBe(0);
  server = await startServer({ home, env });
  const shop = new Shop(server);
  for (const sku of [first, second]) {
    expect(await shop.level(sku, 'berlin')).toMatchObject({ onHand: 50, reserved: 2, available: 48 });
    expect((await shop.hold([{ sku, quantity: 48 }])).status).toBe(201);
    expect((await shop.hold([{ sku, quantity: 1 }])).status).toBe(409);
  }
  expect((await shop.cancel(ids[2])).body.status).toBe('cancelled');
  expect(await shop.level(first, 'berlin')).toMatchObject({ onHand: 50, reserved: 48 });
  expect((await verify(home)).stdout).toEndWith('\nthe books balance\n');
  expect(server.output()).not.toContain('books.unbalanced');
  await server.stop();
  server = undefined;
});

test('what no entry of the ledger can correct is said, and stays', async () => {
  await forge(
    `delete from holdfast.ledger where seq = 2`,
    `delete from holdfast.ledger g where seq = (select max(seq) from holdfast.ledger l where l.partition = g.partition)`,
  );
  expect((await verify(home)).stdout).toContain(': its last entry is ');
  const first = await verify(home, '--repair', '--yes');
  expect(first.code).toBe(1);
  expect(first.stdout).toContain('corrections written; the books now\n');
  const [, after] = first.stdout.split('; the books now\n');
  expect(after).toContain('between entries 1 and 3, 1 missing');
  // Of both partitions, and at the end of each, too.
  expect(after.match(/between entries \d+ and \d+, 1 missing/g)).toHaveLength(4);
  expect(first.stdout).toEndWith('what is left cannot be corrected by an entry of the ledger\n');
  const second = await verify(home, '--repair', '--yes');
  expect(second.code).toBe(1);
  expect(second.stdout).toEndWith('\nnone of this can be corrected by an entry of the ledger\n');
});

test('an owner from before can commit no more', async () => {
  await forge(`update holdfast.stock_level set on_hand = 40`);
  const epoch = await withDatabase((sql) => takePartitions(sql, [1]));
  expect((await verify(home, '--repair', '--yes')).stdout).toContain('2 corrections written');
  await withDatabase(async (sql) => {
    expect(await sql`select epoch from holdfast.owner where epoch = ${epoch}`.values()).toEqual([] as never);
  });
});

test('beside workers that have another data folder it is refused, too', async () => {
  const other = await makeHome();
  server = await startServer({ home, env });
  const socket = join(/psql -h (\S+) -U/.exec(server.output())?.[1] ?? '', '.s.PGSQL.5432');
  const proxy = createServer((from) => from.pipe(connect(socket)).pipe(from)).listen(0, '127.0.0.1');
  const { port } = proxy.address() as { port: number };
  const databaseUrl = home.databaseUrl ?? `postgres://holdfast@127.0.0.1:${port}/postgres`;
  const { code, stderr } = await verify({ dataDir: other.dataDir, databaseUrl }, '--repair', '--yes');
  expect([code, stderr]).toEqual([
    2,
    'holdfast: a server runs on the database; stop it before verify --repair\n',
  ]);
  proxy.close();
  await server.stop();
  server = undefined;
  await other.remove();
});

test.each([
  ['--yes alone', ['--yes'], {}, '--yes goes with --repair'],
  [
    'a wrong setting',
    [],
    { HOLDFAST_WORKERS: 'x' },
    'HOLDFAST_WORKERS is "x"; allowed is a whole number from 1 to 64',
  ],
  [
    'a folder without a database',
    [],
    { HOLDFAST_DATA_DIR: '/no/such', DATABASE_URL: '' },
    'there is no database in HOLDFAST_DATA_DIR /no/such; set it to the data folder of a server, or set DATABASE_URL',
  ],
  [
    'a database that is not there',
    [],
    { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:9/shop' },
    'the database at 127.0.0.1:9/shop cannot be reached: connect ECONNREFUSED 127.0.0.1:9',
  ],
])('%s is one line, and code 2', async (_what, args, more, line) => {
  const child = Bun.spawn([...VERIFY, ...args], {
    env: { ...homeEnv(home), ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect([code, stdout, stderr]).toEqual([2, '', `holdfast: ${line}\n`]);
});

test('a database without a schema, or with another one, is refused', async () => {
  await forge(
    `update holdfast.migration set number = number + 100 where number = (select max(number) from holdfast.migration)`,
  );
  expect((await verify(home)).stderr).toContain('it was used by a newer version\n');
  await forge(`delete from holdfast.migration where number > 100`);
  expect((await verify(home)).stderr).toMatch(
    /^holdfast: the database at .* is at schema \d+ and this Holdfast needs \d+: start its server once/,
  );
  await forge(`alter schema holdfast rename to other`).catch(() => {});
  const { code, stderr } = await verify(home);
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/^holdfast: the database at .* is not one of Holdfast's\n$/),
  ]);
});

test('stopped on its way, it leaves nothing running', async () => {
  const child = Bun.spawn(VERIFY, { env: homeEnv(home), stdio: ['ignore', 'pipe', 'pipe'] });
  await until(
    () => processesOf(home.dataDir).length > 0,
    10_000,
    () => 'it has not started its database',
  );
  child.kill('SIGTERM');
  expect([await child.exited, await new Response(child.stderr).text()]).toEqual([
    2,
    'holdfast: verify was stopped\n',
  ]);
  expect(processesOf(home.dataDir)).toEqual([]);
  expect(await Bun.file(join(home.dataDir, 'processes.json')).exists()).toBe(false);
});
