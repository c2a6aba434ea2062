/** A real Postgres for tests that need no server: embedded, or a database of its own on DATABASE_URL. */
import { chmodSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { DatabaseSpec } from '../../src/process.ts';
import { DataFolder } from '../../src/supervisor/data-folder.ts';
import { EmbeddedPostgres } from '../../src/supervisor/embedded-postgres.ts';
import { type Home, makeHome } from './server.ts';

export interface TestDatabase {
  /** Its data folder is locked, as by a server. */
  home: Home;
  spec: DatabaseSpec;
  /** As DATABASE_URL: the embedded one listens on a socket alone, and gets a port for it. */
  url(): Promise<string>;
  /** Of the embedded one: stopped as an operator would, and started again at the same place. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestDatabase> {
  const home = await makeHome();
  if (home.databaseUrl !== undefined) {
    const notOurs = async (): Promise<never> => {
      throw new Error('that Postgres is not ours to stop');
    };
    const url = home.databaseUrl;
    return {
      home,
      spec: { url },
      url: async () => url,
      goAway: notOurs,
      comeBack: notOurs,
      stop: () => home.remove(),
    };
  }
  const folder = DataFolder.open(home.dataDir);
  chmodSync(home.dataDir, 0o711);
  let postgres: EmbeddedPostgres;
  const start = (): Promise<DatabaseSpec> => {
    postgres = EmbeddedPostgres.find(home.dataDir, () => {});
    return postgres.start(folder.makeRunFolder(postgres.user), new AbortController().signal);
  };
  const spec = await start();
  const relay = relayTo(join(spec.socketFolder!, `.s.PGSQL.${spec.port}`));
  return {
    home,
    spec,
    async url() {
      if (!relay.listening) await new Promise<void>((done) => relay.listen(0, '127.0.0.1', done));
      const { port } = relay.address() as AddressInfo;
      return `postgres://${spec.user}@127.0.0.1:${port}/${spec.database}`;
    },
    goAway: () => postgres.stop(),
    async comeBack() {
      await start();
    },
    async stop() {
      relay.close();
      await postgres.stop();
      folder.release();
      await home.remove();
    },
  };
}

function relayTo(socket: string) {
  return createServer((client) => {
    const server = connect(socket);
    const pipe = (from: typeof client, to: typeof client): void => {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    };
    pipe(client, server);
    pipe(server, client);
  });
}
