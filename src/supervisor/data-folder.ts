/**
 * The data folder, held by one server at a time, and the run folder for its sockets.
 *
 *   <data>/lock            locked while a server runs; the lock ends with the process, however that ends
 *   <data>/processes.json  who runs: for the next start, for `ps` and for tests
 *   <data>/run/            sockets; only its owner can enter
 *   <data>/postgres/       the embedded database, with postgres.log beside it
 *
 * The path of a Unix socket holds about a hundred bytes, so the run folder of a data folder with a
 * long path is in the system's temporary folder, under a name derived from that path.
 */
import { Database, SQLiteError } from 'bun:sqlite';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { StartRefused } from './refusal.ts';

/** Bytes of a socket's path on macOS, the stricter one, without the closing zero. */
const SOCKET_PATH_BYTES_MAX = 103;
const LONGEST_SOCKET_NAME = 'worker-64.sock';

export interface Processes {
  supervisor: number;
  postgres?: number;
  guard?: number;
  workers: (number | undefined)[];
  fronts: (number | undefined)[];
}

export class DataFolder {
  private constructor(
    /** Absolute, without symbolic links. */
    readonly path: string,
    private readonly lock: Database,
  ) {}

  /** @throws StartRefused where the folder can't be made or written, or another server holds it */
  static open(setting: string): DataFolder {
    const folder = DataFolder.openUnlessHeld(setting);
    if (folder !== undefined) return folder;
    const path = realpathSync(resolve(setting));
    const pid = readProcesses(path)?.supervisor;
    const other = pid === undefined ? 'another server' : `another server (process ${pid})`;
    throw new StartRefused(
      `${other} runs on the data folder ${path}; stop it, or set HOLDFAST_DATA_DIR to another folder`,
    );
  }

  /**
   * @returns undefined where a server holds it
   * @throws StartRefused where the folder can't be made or written
   */
  static openUnlessHeld(setting: string): DataFolder | undefined {
    const path = makeFolder(resolve(setting));
    const lock = takeLock(path);
    return lock && new DataFolder(path, lock);
  }

  /** Whether a server runs on the folder, which need not exist. */
  static isHeld(setting: string): boolean {
    const path = resolve(setting);
    if (!existsSync(join(path, 'lock'))) return false;
    const lock = takeLock(realpathSync(path));
    lock?.close();
    return lock === undefined;
  }

  /** Who ran when the processes were last written down; undefined before the first time. */
  readProcesses(): Processes | undefined {
    return readProcesses(this.path);
  }

  writeProcesses(processes: Processes): void {
    const temporary = join(this.path, 'processes.json.new');
    writeFileSync(temporary, `${JSON.stringify(processes)}\n`);
    renameSync(temporary, join(this.path, 'processes.json'));
  }

  /** @param owner who besides this process must get in, to make a socket: the user that Postgres runs as */
  makeRunFolder(owner: { uid: number; gid: number } | undefined): string {
    const run = runFolderOf(this.path);
    try {
      mkdirSync(run, { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST')
        throw new StartRefused(`the folder ${run} cannot be created: ${codeOf(error)}`);
    }
    // In a shared temporary folder, somebody else may have made it first to read along.
    const found = lstatSync(run);
    const self = process.geteuid?.() ?? found.uid;
    if (!found.isDirectory() || (found.uid !== self && self !== 0)) {
      throw new StartRefused(`${run} belongs to somebody else (uid ${found.uid}); remove it`);
    }
    // Whoever the embedded database has run as, when there was one here: with DATABASE_URL there is no owner.
    const earlier = lstatSync(join(this.path, 'postgres'), { throwIfNoEntry: false })?.uid;
    if (self === 0 && ![0, owner?.uid, earlier].includes(found.uid)) {
      throw new StartRefused(
        `${run} belongs to uid ${found.uid}, which is not the user of the database; remove it`,
      );
    }
    if (self === 0) chownSync(run, owner?.uid ?? 0, owner?.gid ?? 0);
    chmodSync(run, 0o700);
    return run;
  }

  release(): void {
    rmSync(join(this.path, 'processes.json'), { force: true });
    this.lock.close();
  }
}

/** @param path of the data folder, without symbolic links */
export function runFolderOf(path: string): string {
  const beside = join(path, 'run');
  const name = `holdfast-${new Bun.CryptoHasher('sha256').update(path).digest('hex').slice(0, 16)}`;
  const run = [beside, join(realpathSync(tmpdir()), name), join('/tmp', name)].find(socketsFit);
  if (run === undefined)
    throw new StartRefused(`the path of the temporary folder ${tmpdir()} is too long for sockets`);
  return run;
}

function socketsFit(folder: string): boolean {
  return Buffer.byteLength(join(folder, LONGEST_SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX;
}

function makeFolder(path: string): string {
  try {
    // As root, Postgres runs as another user, who must be able to pass through; what is inside is 0700.
    const mode = process.geteuid?.() === 0 ? 0o711 : 0o700;
    const created = mkdirSync(path, { recursive: true, mode });
    if (created !== undefined) chmodSync(path, mode);
    accessSync(path, constants.W_OK | constants.X_OK);
    return realpathSync(path);
  } catch (error) {
    throw new StartRefused(
      `HOLDFAST_DATA_DIR is ${path}, which cannot be written (${codeOf(error)}); allowed is ${WRITABLE}`,
    );
  }
}

const WRITABLE = 'a folder that this user can create or write';

/** @returns undefined where another process has it */
function takeLock(path: string): Database | undefined {
  try {
    const lock = new Database(join(path, 'lock'), { create: true });
    lock.exec('pragma busy_timeout = 0; begin exclusive');
    return lock;
  } catch (error) {
    if (error instanceof SQLiteError && error.code === 'SQLITE_BUSY') return undefined;
    throw new StartRefused(
      `HOLDFAST_DATA_DIR is ${path}, which cannot be locked (${codeOf(error)}); allowed is ${WRITABLE}`,
    );
  }
}

function readProcesses(path: string): Processes | undefined {
  try {
    return JSON.parse(readFileSync(join(path, 'processes.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

export function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? String(error);
}
