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
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestDatabase> {
  const home = await makeHome();
  if (home.databaseUrl !== undefined) {
    const url = home.databaseUrl;
    return { home, spec: { url }, url: async () => url, stop: () => home.remove() };
  }
  const folder = DataFolder.open(home.dataDir);
  chmodSync(home.dataDir, 0o711);
  const postgres = await EmbeddedPostgres.find(home.dataDir, () => {});
  const spec = await postgres.start(folder.makeRunFolder(postgres.user), new AbortController().signal);
  const relay = relayTo(join(spec.socketFolder!, `.s.PGSQL.${spec.port}`));
  return {
    home,
    spec,
    async url() {
      if (!relay.listening) await new Promise<void>((done) => relay.listen(0, '127.0.0.1', done));
      const { port } = relay.address() as AddressInfo;
      return `postgres://${spec.user}@127.0.0.1:${port}/${spec.database}`;
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
