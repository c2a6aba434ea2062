/** Two servers with a data folder each and one database between them: the second does not start, whatever becomes of the lock's session. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import postgres from 'postgres';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { type Home, makeHome, startRefused, startServer, until } from '../helpers/server.ts';

const SLOW_MS = 60_000;

let database: TestDatabase;
let bridge: Server;
let url: string;
const homes: Home[] = [];

beforeAll(async () => {
  database = await startPostgres();
  const { spec } = database;
  // The embedded one has a Unix socket only.
  bridge = createServer((socket) => {
    const other = connect(join(spec.socketFolder ?? '', `.s.PGSQL.${spec.port}`));
    for (const end of [socket, other]) end.on('error', () => {});
    socket.pipe(other).pipe(socket);
  }).listen(0, '127.0.0.1');
  const { port } = bridge.address() as { port: number };
  url = spec.url ?? `postgres://${spec.user}@127.0.0.1:${port}/${spec.database}`;
  for (let i = 0; i < 2; i++) homes.push(await makeHome());
}, SLOW_MS);

afterAll(async () => {
  bridge?.close();
  for (const home of homes) await home.remove();
  await database?.stop();
}, SLOW_MS);

test(
  'the second one is refused in one line; the first goes on when its session ends, and holds the lock again',
  async () => {
    const env = { DATABASE_URL: url, HOLDFAST_WORKERS: '1', HOLDFAST_FRONTS: '1', HOLDFAST_PARTITIONS: '4' };
    const server = await startServer({ home: homes[0], env });
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    const holders = () => sql<{ pid: number }[]>`
      select l.pid from pg_locks l join pg_stat_activity a on a.pid = l.pid
       where l.locktype = 'advisory' and l.granted and a.application_name = 'holdfast guard'`;
    try {
      const refused = async (): Promise<void> => {
        const { code, stdout, stderr } = await startRefused(homes[1], env);
        expect([code, stdout]).toEqual([1, '']);
        expect(stderr).toMatch(
          /^holdfast: another server runs on the database \S+; stop it, or set DATABASE_URL to another database\n$/,
        );
      };
      await refused();
      const [{ pid }] = await holders();
      await sql`select pg_terminate_backend(${pid})`;
      await until(async () => (await holders()).some((holder) => holder.pid !== pid), 10_000, server.output);
      await refused();
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
      expect(server.output()).not.toContain('child.died');
      await server.stop();
      expect(await holders()).toHaveLength(0);
      // Free again, for the other one.
      await (await startServer({ home: homes[1], env })).stop();
    } finally {
      await server.kill9();
      await sql.end();
    }
  },
  SLOW_MS,
);
