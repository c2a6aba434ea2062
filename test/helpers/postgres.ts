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
    const spec = { url: home.databaseUrl };
    return { home, spec, goAway: notOurs, comeBack: notOurs, stop: () => home.remove() };
  }
  const folder = DataFolder.open(home.dataDir);
  chmodSync(home.dataDir, 0o711);
  let postgres: EmbeddedPostgres;
  const start = (): Promise<DatabaseSpec> => {
    postgres = EmbeddedPostgres.find(home.dataDir, () => {});
    return postgres.start(folder.makeRunFolder(postgres.user), new AbortController().signal);
  };
  return {
    home,
    spec: await start(),
    goAway: () => postgres.stop(),
    async comeBack() {
      await start();
    },
    async stop() {
      await postgres.stop();
      folder.release();
      await home.remove();
    },
  };
}
