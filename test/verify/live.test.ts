/** `verify` while clients hold, cancel and count: whatever is under way, the books balance at any moment. */
import { expect, test } from 'bun:test';
import { openBooks } from '../helpers/books.ts';
import { Load } from '../helpers/load.ts';
import { startServer } from '../helpers/server.ts';
import { verify } from '../helpers/verify.ts';

const RUNS = 6;

test('under load', async () => {
  const server = await startServer({ env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' } });
  const sql = openBooks(server);
  const load = new Load(server.port, 'live');
  await load.start();
  const entries: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const { code, stdout, stderr } = await verify(server.home);
    expect([code, stderr], stdout).toEqual([0, '']);
    entries.push(Number(/([\d,]+) ledger entries/.exec(stdout)?.[1].replaceAll(',', '')));
  }
  await load.stop();
  console.log('ledger entries at each run:', entries);
  expect([...entries].sort((a, b) => a - b)).toEqual(entries);
  expect(entries[RUNS - 1]).toBeGreaterThan(entries[0]);
  await load.check(sql);
  await sql.end();
  await server.stop();
}, 60_000);
