/**
 * Invariant I7: in steady state the write path runs no SELECT of stock or reservations. Postgres itself
 * is the witness: pg_stat_statements, told to count the statements inside of functions too.
 */
import { expect, test } from 'bun:test';
import type { BooksSql } from '../helpers/books.ts';
import type { TestServer } from '../helpers/server.ts';
import { shareServer } from '../helpers/shared-server.ts';
import { forEachAtOnce, type Reservation, type Shop, skusOfWorker } from '../helpers/shop.ts';

const SLOW_MS = 60_000;
const COMMANDS = 1500;
const embedded = !process.env.DATABASE_URL;

let server: TestServer;
let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ server, shop, sql } = shared);
});

interface Statement {
  query: string;
  calls: number;
}

async function statements(): Promise<Statement[]> {
  const rows = await sql<Statement[]>`
    select s.query, s.calls::float8 as calls from pg_stat_statements s join pg_database d on d.oid = s.dbid
     where d.datname = current_database()`;
  return rows.map((row) => ({ ...row }));
}

/** An import that changes and makes levels, an export, and a batch. */
async function bulk(skus: string[]): Promise<void> {
  const send = async (path: string, type: string, body: string): Promise<string> => {
    const headers = { 'content-type': type };
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
    expect(response.status).toBe(200);
    return response.text();
  };
  const lines = skus.flatMap((sku) => [`${sku},berlin,80000`, `${sku},hamburg,10`]);
  const imported = await send('/v1/stock/import', 'text/csv', ['sku,location,onHand', ...lines].join('\n'));
  expect(JSON.parse(imported)).toMatchObject({ accepted: lines.length });
  const exported = await (await fetch(`${server.url}/v1/stock/export`)).text();
  expect(exported.split('\n')).toHaveLength(lines.length + 1);
  const wishes = skus.map((sku) => ({ lines: [{ sku, quantity: 1 }], expiresInSeconds: 3600 }));
  const { results } = JSON.parse(
    await send('/v1/reservations/batch', 'application/json', JSON.stringify(wishes)),
  );
  expect(results.map(({ status }: { status: number }) => status)).toEqual(skus.map(() => 201));
}

/** What looks in the background for rows that are old enough to be deleted, once a minute, is no part of the write path. */
const OF_PRUNING = /^\s*with seen as materialized/;

/** Reads rows of a table of Holdfast's: names one after `from` or `join`. */
function reads({ query }: Statement): boolean {
  const names =
    /\b(from|join)\s+(only\s+)?(holdfast\.)?(stock_level|reservation|ledger|ledger_page|partition)\b/i;
  return names.test(query) && !OF_PRUNING.test(query);
}

// Another Postgres may not have the module loaded, which takes a restart of that server.
test.if(embedded)(
  'thousands of writes read nothing',
  async () => {
    await sql.unsafe(`create extension pg_stat_statements`);
    await sql.unsafe(`alter system set pg_stat_statements.track = 'all'`);
    await sql`select pg_reload_conf()`;
    const skus = [...skusOfWorker(0, 'busy', 10), ...skusOfWorker(1, 'busy', 10)];
    await shop.stockUp(skus, 'berlin', 100_000);
    await sql`select pg_stat_statements_reset()`;

    const held: Reservation[] = [];
    await forEachAtOnce(Array.from({ length: COMMANDS }), 128, async (_, i) => {
      const sku = skus[i % skus.length];
      const lines = [{ sku, quantity: 1 }];
      if (i % 3 === 0) lines.push({ sku: skus[(i + 11) % skus.length], quantity: 2 });
      // Every tenth runs out by itself.
      const { status, body } = await shop.hold(lines, i % 10 === 0 ? { expiresInSeconds: 1 } : {});
      expect(status).toBe(201);
      if (i % 10 !== 0) held.push(body);
      if (i % 2 === 0) expect((await shop.put(sku, 'berlin', 90_000 + i)).status).toBe(200);
      // Refusals and reads of levels are answered from memory.
      if (i % 5 === 0) expect((await shop.hold([{ sku, quantity: 1_000_000 }])).status).toBe(409);
      if (i % 5 === 0) await shop.levels([sku]);
    });
    await forEachAtOnce(held, 128, async ({ id }) => {
      expect((await shop.cancel(id)).status).toBe(200);
    });
    for (let reserved = 1; reserved > 0; await Bun.sleep(50)) {
      reserved = (await shop.levels(skus)).reduce((sum, level) => sum + level.reserved, 0);
    }

    await bulk(skus);

    const seen = await statements();
    // The witness was awake.
    for (const part of [
      'with fence as (',
      'insert into reservation',
      'update stock_level',
      'insert into ledger_page',
    ]) {
      const calls = seen.filter(({ query }) => query.includes(part)).map((statement) => statement.calls);
      expect(calls.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(10);
    }
    expect(seen.filter(reads)).toEqual([]);

    // And it would have noticed: reading a reservation does ask the database.
    expect((await shop.read(held[0].id)).status).toBe(200);
    const afterwards = (await statements()).filter(reads);
    expect(afterwards.length).toBeGreaterThan(0);
    expect(afterwards.every(({ query }) => query.includes('holdfast.reservation'))).toBe(true);
  },
  SLOW_MS,
);
