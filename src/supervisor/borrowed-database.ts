/**
 * The embedded database of a data folder, for a command that is no server: the one of the server that
 * runs on the folder, or, where none runs, one that is started for as long as the command takes. The
 * folder is then locked, so that no server comes up meanwhile.
 */
import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DatabaseSpec } from '../process.ts';
import { DataFolder, runFolderOf } from './data-folder.ts';
import { EmbeddedPostgres, embeddedAt } from './embedded-postgres.ts';
import { endLeftovers } from './leftovers.ts';
import { StartRefused } from './refusal.ts';

export interface BorrowedDatabase {
  database: DatabaseSpec;
  /** Whether it is a running server's. */
  served: boolean;
  /** Stops it where it was started for this. */
  giveBack(): Promise<void>;
}

/**
 * @param create also where there is none yet, which makes one
 * @throws StartRefused where the folder has no database, or it can't be started
 */
export async function borrowDatabase(
  dataDir: string,
  signal: AbortSignal,
  create = false,
): Promise<BorrowedDatabase> {
  const path = resolve(dataDir);
  if (!create && !existsSync(join(path, 'postgres', 'PG_VERSION'))) {
    throw new StartRefused(
      `there is no database in HOLDFAST_DATA_DIR ${path}; set it to the data folder of a server, or set DATABASE_URL`,
    );
  }
  const folder = DataFolder.openUnlessHeld(path);
  if (folder !== undefined) return startFor(folder, signal);
  return { database: embeddedAt(runFolderOf(realpathSync(path))), served: true, async giveBack() {} };
}

async function startFor(folder: DataFolder, signal: AbortSignal): Promise<BorrowedDatabase> {
  let postgres: EmbeddedPostgres | undefined;
  const giveBack = async (): Promise<void> => {
    await postgres?.stop();
    folder.release();
  };
  try {
    await endLeftovers(folder.readProcesses(), folder.path);
    postgres = EmbeddedPostgres.find(folder.path, () =>
      folder.writeProcesses({ supervisor: process.pid, postgres: postgres?.pid, workers: [], fronts: [] }),
    );
    const database = await postgres.start(folder.makeRunFolder(postgres.user), signal);
    return { database, served: false, giveBack };
  } catch (error) {
    await giveBack();
    throw error;
  }
}
