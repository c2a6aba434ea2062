/**
 * `verify` beside a running server: balanced books, and each rule broken on purpose, by changes that nothing
 * of Holdfast would make. Afterwards the tables are what they were.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { bookRules } from '../../src/storage/book-rules.ts';
import { type BooksSql, openBooks } from '../helpers/books.ts';
import { FORGEABLE_LEDGER } from '../helpers/forgeable-ledger.ts';
import { startServer, type TestServer } from '../helpers/server.ts';
import { forEachAtOnce, Shop, skusOfWorker } from '../helpers/shop.ts';
import { verify } from '../helpers/verify.ts';

setDefaultTimeout(60_000);

const TABLES = ['stock_level', 'reservation', 'ledger_page'];
const [first, second] = [...skusOfWorker(0, 'rule', 1), ...skusOfWorker(1, 'rule', 1)];

let server: TestServer;
let sql: BooksSql;

beforeAll(async () => {
  server = await startServer({ env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' } });
  sql = openBooks(server);
  const shop = new Shop(server, 2);
  await shop.stockUp([first, second], 'berlin', 100);
  await shop.stockUp([first, second], 'hamburg', 100);
  const orders = [[first], [second], [first, second], [second, first], [first, first, second]].map((skus) =>
    skus.map((sku) => ({ sku, quantity: 2 })),
  );
  const ids: string[] = [];
  await forEachAtOnce([...orders, ...orders, ...orders], 8, async (lines, i) => {
    ids[i] = (await shop.hold(lines)).body.id;
  });
  for (const id of ids.slice(0, 5)) expect((await shop.cancel(id)).status).toBe(200);
  for (const lines of orders) await shop.hold(lines, { expiresInSeconds: 1 });
  await Bun.sleep(2500);
  await sql.unsafe(FORGEABLE_LEDGER);
  for (const table of TABLES)
    await sql.unsafe(`create table saved_${table} as select * from holdfast.${table}`);
});

afterEach(async () => {
  const restored = TABLES.map((table) => `insert into holdfast.${table} select * from saved_${table};`);
  await sql.unsafe(
    `begin; truncate ${TABLES.map((table) => `holdfast.${table}`)}; ${restored.join('\n')}; commit`,
  );
});

afterAll(async () => {
  await sql.end();
  await server.stop();
});

/** As a worker would have written it. `sold` as the column of that name; null for everything. */
async function sell(id: string, sold: string | null, units: number): Promise<void> {
  await sql.unsafe(`
    with closed as (
      update holdfast.reservation set status = 'confirmed', closed_at = now(), sold = ${sold === null ? null : `'${sold}'`}
       where id = '${id}' returning partition, lines[2] as level, lines[3] as held),
    entries as (
      insert into holdfast.ledger (partition, seq, level, page, previous, kind, on_hand_delta, reserved_delta, reservation, at)
      select c.partition, tail + n, c.level, t.page + 1, case n when 1 then last_page else t.page + 1 end,
             kind::holdfast.ledger_kind, case n when 1 then -${units} else 0 end, case n when 1 then -${units} else ${units} - held end, '${id}', now()
        from closed c join holdfast.stock_level using (partition, level)
        cross join lateral (select max(seq) as tail, max(page) as page from holdfast.ledger g where g.partition = c.partition) t
        cross join (values (1, 'confirmed'), (2, 'released')) k (n, kind)
       where n = 1 or held > ${units} returning partition, page)
    update holdfast.stock_level s
       set on_hand = on_hand - ${units}, reserved = reserved - held, version = version + e.entries, last_page = e.page
      from closed c join (select partition, page, count(*) as entries from entries group by 1, 2) e using (partition)
     where s.partition = c.partition and s.level = c.level`);
}

const single = `(select id from holdfast.reservation where status = 'held' and cardinality(lines) = 3 and participants = '{}'
                    and home = partition order by id limit 1)`;

test('books balance while the server runs', async () => {
  const { code, stdout, stderr } = await verify(server.home);
  expect([code, stderr]).toEqual([0, '']);
  for (const { name } of bookRules(0)) expect(stdout).toContain(`  ok     ${name}\n`);
  expect(stdout).toMatch(
    /\n4 stock levels, 20 reservations \(10 open\), \d+ ledger entries, read in \d+\.\d s\n/,
  );
  expect(stdout).toEndWith('\nthe books balance\n');
});

test.each([
  [null, 2],
  ['{1}', 1],
])('a sale of %p balances, and is one of so many units', async (sold, units) => {
  const [{ id }] = await sql.unsafe(single);
  await sell(id, sold, units);
  expect((await verify(server.home)).stdout).toEndWith('\nthe books balance\n');
  await sql`update holdfast.reservation set sold = '{0}' where id = ${id}`;
  const { code, stdout } = await verify(server.home);
  expect(code).toBe(1);
  expect(stdout).toContain(`reservation ${id} in partition`);
  expect(stdout).toContain(`by the ledger it took 2 and gave back 2, of which ${units} were sold`);
});

const level = `"${first}" at "hamburg"`;
const isLevel = `sku = '${first}' and location = 'hamburg'`;
const entriesOfLevel = `(partition, level) = (select partition, level from holdfast.stock_level where ${isLevel})`;
const part = `status = 'held' and home <> partition`;

/** By rule: changes, and what the line that reports them must name. */
const FORGERIES: [rule: string, forgery: string, named: string][] = [
  [
    'onHand and reserved are what the ledger adds up to',
    `update holdfast.stock_level set on_hand = on_hand + 1 where ${isLevel}`,
    `${level} (partition `,
  ],
  [
    'onHand and reserved are what the ledger adds up to',
    `delete from holdfast.stock_level where ${isLevel}`,
    'which is not there: onHand is null',
  ],
  [
    'reserved is what open reservations hold',
    `update holdfast.stock_level set reserved = reserved + 1 where ${isLevel}`,
    `${level} (partition `,
  ],
  [
    'reserved is what open reservations hold',
    `update holdfast.reservation set lines = '{0,99999,1}' where id = ${single}`,
    'level 99999 of partition ',
  ],
  [
    'the ledger of a partition has no gaps, and its pages rise',
    `delete from holdfast.ledger where seq = 2 and ${entriesOfLevel}`,
    'between entries 1 and 3, 1 missing',
  ],
  [
    'the ledger of a partition has no gaps, and its pages rise',
    `delete from holdfast.ledger g where seq = (select max(seq) from holdfast.ledger l where l.partition = g.partition)`,
    'its last entry is ',
  ],
  [
    'the ledger of a partition has no gaps, and its pages rise',
    `insert into holdfast.ledger select * from holdfast.ledger where seq = 2 and ${entriesOfLevel}`,
    'entry 2 is there twice',
  ],
  [
    'the ledger of a partition has no gaps, and its pages rise',
    `update holdfast.stock_level set version = version + 7 where ${isLevel}`,
    'but its levels have changed ',
  ],
  [
    'each entry names the page of the one before it of its level, and each level that of its last',
    `update holdfast.stock_level set last_page = last_page - 1 where ${isLevel}`,
    `${level} (partition `,
  ],
  [
    'each entry names the page of the one before it of its level, and each level that of its last',
    `update holdfast.ledger set previous = 1 where seq = (select max(seq) from holdfast.ledger where ${entriesOfLevel})
        and ${entriesOfLevel}`,
    `${level} (partition `,
  ],
  // As many of each page as before, and the first entry is lost to who reads.
  [
    'each entry names the page of the one before it of its level, and each level that of its last',
    `update holdfast.ledger set previous = case previous when 0 then page else 0 end
      where ${entriesOfLevel} and seq in (select seq from holdfast.ledger where ${entriesOfLevel} order by seq limit 2)`,
    `${level} (partition `,
  ],
  [
    'the ledger of a partition has no gaps, and its pages rise',
    `with moved as (update holdfast.stock_level set last_page = last_page + 100000 where ${isLevel})
     update holdfast.ledger set page = page + 100000, previous = case previous when 0 then 0 else previous + 100000 end
      where ${entriesOfLevel}`,
    ', and what follows it on ',
  ],
  [
    'a reservation took its units once, and gave back or sold what it closed with',
    `insert into holdfast.ledger
     select partition, -seq, level, page, previous, kind, 0, reserved_delta, reservation, at from holdfast.ledger
      where kind = 'cancelled'`,
    '(cancelled, units: 2): by the ledger it took 2 and gave back 4',
  ],
  [
    'a reservation took its units once, and gave back or sold what it closed with',
    `update holdfast.ledger set reserved_delta = 2 * reserved_delta
      where reservation in (select id from holdfast.reservation where status = 'cancelled')`,
    '(cancelled, units: 2): by the ledger it took 4 and gave back 4',
  ],
  [
    'a reservation took its units once, and gave back or sold what it closed with',
    `delete from holdfast.reservation where status = 'expired' and home = partition`,
    ', which is not there: by the ledger it took 2 and gave back 2',
  ],
  [
    'what a home has said will never be is not there',
    `insert into holdfast.reservation
     select partition, 'never', id, home, created_at, expires_at, null, null, '{}', '{}'
       from holdfast.reservation where id = ${single}`,
    'has said that it will never be, and has it as held',
  ],
  [
    'what a home holds, its participants hold',
    `delete from holdfast.reservation where ${part}`,
    'does not hold its part',
  ],
  [
    'a closed part of a reservation is closed as its home is',
    `update holdfast.reservation set status = 'expired' where status = 'cancelled' and home <> partition`,
    'has its part as expired, its home ',
  ],
];

test.each(FORGERIES)('%s: broken by %s', async (rule, forgery, named) => {
  expect((await sql.unsafe(forgery)).count).toBeGreaterThan(0);
  const { code, stdout, stderr } = await verify(server.home);
  expect([code, stderr]).toEqual([1, '']);
  const section = stdout.slice(stdout.indexOf(`  wrong  ${rule}\n`)).split(/\n {2}\S/)[0];
  expect(section).toStartWith(`  wrong  ${rule}\n`);
  expect(section).toContain(named);
  expect(stdout).toMatch(/\nthe books do not balance: \d+ differences?(, \d+ notes?)?\n$/);
});

test('every rule that is no note is broken by one of them', () => {
  const rules = bookRules(0).filter(({ note }) => note === undefined);
  expect([...new Set(FORGERIES.map(([rule]) => rule))].sort()).toEqual(rules.map(({ name }) => name).sort());
});

test('what may mend itself, or be right, is a note: it is shown, and the books balance', async () => {
  await sql.unsafe(`
    update holdfast.stock_level set safety_stock = 1000 where ${isLevel};
    update holdfast.reservation set status = 'held', created_at = created_at - interval '1 hour'
     where status = 'never'`);
  const { code, stdout } = await verify(server.home);
  expect(stdout).toContain('  note   nothing is promised beyond what is there\n');
  expect(stdout).toContain(`${level} (partition `);
  expect(stdout).toEndWith('\nthe books balance, 1 note\n');
  expect(code).toBe(0);
});

test('a part whose home closed long ago is a note, and one that may still hear of it is nothing', async () => {
  const close = (when: string): string => `
    with closed as (
      update holdfast.reservation set status = 'never', closed_at = now() - interval '${when}'
       where home = partition and status = 'held' and participants <> '{}'
         and id = (select min(id::text)::uuid from holdfast.reservation where ${part}) returning *)
    select id from closed`;
  expect((await sql.unsafe(close('1 second'))).count).toBe(1);
  expect((await verify(server.home)).stdout).not.toContain('note');
  await sql`update holdfast.reservation set closed_at = now() - interval '1 hour' where status = 'never'`;
  const { stdout } = await verify(server.home);
  expect(stdout).toContain('  note   what a participant holds, its home holds\n');
  expect(stdout).toContain('still holds its part, which its home ');
});
