/** The server that all tests of a file share: two workers, two fronts, a client that asks both in turn, and the books in the database. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { type BooksSql, faultsOf, openBooks } from './books.ts';
import { startServer, type TestServer } from './server.ts';
import { Shop } from './shop.ts';

const START_OR_STOP_MS = 60_000;
const TWO_OF_EACH = { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2' };

export interface Shared {
  server: TestServer;
  shop: Shop;
  sql: BooksSql;
}

/**
 * Starts it before the tests, and stops it after them: then the books must balance, and it must not have found that they did not.
 * @param onStart told what the tests are to use
 * @param settled whether every participant must have heard by then
 */
export function shareServer(onStart: (shared: Shared) => void | Promise<void>, settled = false): void {
  let shared: Shared | undefined;
  beforeAll(async () => {
    const server = await startServer({ env: TWO_OF_EACH });
    shared = { server, shop: new Shop(server, 2), sql: openBooks(server) };
    await onStart(shared);
  }, START_OR_STOP_MS);
  afterAll(async () => {
    if (shared === undefined) return;
    const { server, sql } = shared;
    expect(await faultsOf(sql, { settled })).toEqual([]);
    await sql.end();
    expect(server.output()).not.toMatch(/invariant\.broken|books\.unbalanced/);
    await server.stop();
  }, START_OR_STOP_MS);
}
