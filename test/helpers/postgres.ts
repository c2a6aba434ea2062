/** A real Postgres for tests that need no server: embedded, or a database of its own on DATABASE_URL. */
import { chmodSync } from 'node:fs';
import type { DatabaseSpec } from '../../src/process.ts';
import { DataFolder } from '../../src/supervisor/data-folder.ts';
import { EmbeddedPostgres } from '../../src/supervisor/embedded-postgres.ts';
import { type Home, makeHome } from './server.ts';

export interface TestDatabase {
  /** Its data folder is locked, as by a server. */
  home: Home;
  spec: DatabaseSpec;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestDatabase> {
  const home = await makeHome();
  if (home.databaseUrl !== undefined)
    return { home, spec: { url: home.databaseUrl }, stop: () => home.remove() };
  const folder = DataFolder.open(home.dataDir);
  chmodSync(home.dataDir, 0o711);
  const postgres = await EmbeddedPostgres.find(home.dataDir, () => {});
  const spec = await postgres.start(folder.makeRunFolder(postgres.user), new AbortController().signal);
  return {
    home,
    spec,
    async stop() {
      await postgres.stop();
      folder.release();
      await home.remove();
    },
  };
}
