/** The quick tour over a real server, and the audit that it ends with. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from '../../examples/generate.ts';
import type { Level, Placed } from '../../examples/shop-client.ts';
import { audit, Granted } from '../../examples/tour-books.ts';
import { freePorts, REPOSITORY, startServer, type TestServer } from '../helpers/server.ts';

const START_MS = 30_000;

async function tour(...args: string[]) {
  const child = Bun.spawn([process.execPath, join(REPOSITORY, 'src', 'start.ts'), 'tour', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

test('the generator gives the files that are in the repository, byte for byte', () => {
  const { stock, orders } = generate();
  expect(stock === readFileSync(join(REPOSITORY, 'examples', 'stock.csv'), 'utf8')).toBeTrue();
  expect(orders === readFileSync(join(REPOSITORY, 'examples', 'orders.ndjson'), 'utf8')).toBeTrue();
});

describe('bun run tour', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  }, START_MS);
  afterAll(async () => {
    await server.stop();
  }, START_MS);

  test('balances the books, also when it is run again', async () => {
    for (const reservedBefore of [false, true]) {
      const { stdout, stderr, code } = await tour('--url', server.url, '--orders', '2000');
      expect(code, stdout + stderr).toBe(0);
      expect(stdout).toContain('2,000 orders');
      expect(stdout).toMatch(/orders granted +[1-9]/);
      expect(stdout).toMatch(/orders failed +0$/m);
      expect(stdout).toMatch(/oversold +0$/m);
      expect(stdout).toMatch(/books balanced +yes$/m);
      expect(stderr).toContain('2000 of 2000');
      if (reservedBefore) expect(stdout).toMatch(/orders refused +[1-9]/);
    }
  }, 20_000);
});

test('a server that is not there is said in one line', async () => {
  const url = `http://127.0.0.1:${await freePorts(1)}`;
  const { stderr, code } = await tour('--url', url);
  expect(code).toBe(1);
  expect(stderr).toStartWith(`holdfast: nothing answers at ${url}; start a server with: bun run start`);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});

describe('audit', () => {
  const level = (reserved: number, changes: Partial<Level> = {}): Level => {
    const counts = { onHand: 10, reserved, safetyStock: 0, backorderLimit: 0, ...changes };
    const available = counts.onHand - counts.reserved - counts.safetyStock + counts.backorderLimit;
    return { sku: 'MUG', location: 'berlin', ...counts, available, ...changes };
  };
  const order = (quantity: number) => ({ lines: [{ sku: 'MUG', quantity }], reference: 'order-1' });
  const allocated = (quantity: number): Placed => ({
    kind: 'granted',
    lines: [{ sku: 'MUG', allocations: [{ location: 'berlin', quantity }] }],
  });
  const granted = (quantity: number, placed: Placed = allocated(quantity)): Granted => {
    const sum = new Granted();
    sum.add(order(quantity), placed);
    return sum;
  };
  const lost: Placed = { kind: 'unknown', reason: 'timeout' };

  test.each([
    ['as granted', level(0), level(3), granted(3), { faults: 0, oversold: 0, ranOut: 0 }],
    ['a unit more than granted', level(0), level(4), granted(3), { faults: 1, oversold: 0, ranOut: 0 }],
    ['a unit less than granted', level(0), level(2), granted(3), { faults: 1, oversold: 0, ranOut: 0 }],
    ['beyond what was there', level(0), level(12), granted(12), { faults: 0, oversold: 2, ranOut: 0 }],
    ['already negative before', level(12), level(12), new Granted(), { faults: 0, oversold: 0, ranOut: 0 }],
    ['further below zero', level(12), level(13), granted(1), { faults: 0, oversold: 1, ranOut: 0 }],
    ['a lost answer that held', level(0), level(2), granted(2, lost), { faults: 0, oversold: 0, ranOut: 0 }],
    ['more than it asked for', level(0), level(3), granted(2, lost), { faults: 1, oversold: 0, ranOut: 0 }],
    ['earlier ones ran out', level(5), level(3), granted(2), { faults: 0, oversold: 0, ranOut: 4 }],
    ['more than were held ran out', level(1), level(0), granted(2), { faults: 1, oversold: 0, ranOut: 0 }],
    ['on hand moved', level(0), level(3, { onHand: 11 }), granted(3), { faults: 1, oversold: 0, ranOut: 0 }],
    ['a wrong sum', level(0), level(3, { available: 8 }), granted(3), { faults: 1, oversold: 0, ranOut: 0 }],
  ])('%s', (_case, before, after, sum, expected) => {
    const { faults, oversold, ranOut } = audit([before], [after], sum);
    expect({ faults: faults.length, oversold, ranOut }).toEqual(expected);
  });

  test('a level that disappears or appears', () => {
    expect(audit([level(0)], [], new Granted()).faults).toHaveLength(1);
    expect(audit([], [level(0)], new Granted()).faults).toHaveLength(1);
    expect(audit([], [], granted(1)).faults).toHaveLength(1);
  });
});
