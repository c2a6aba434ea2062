/**
 * Starts everything in order, keeps it running, and drains it in the opposite order.
 *
 *   data folder (locked) → ports free? → Postgres → migrations → workers and fronts → ready
 *   SIGTERM or SIGINT: fronts finish what they have → workers commit what they have → Postgres stops
 *
 * Whatever goes wrong before everything is ready ends the start with one line and code 1, and leaves
 * nothing running. A second signal, or a drain that takes too long, kills; acknowledged work is
 * durable anyway.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { systemClock } from '../clock.ts';
import { databasePlace, isLoopback, readSettings, type Settings, WrongSetting } from '../config.ts';
import { identify, log, showUpTo } from '../observability/log.ts';
import { watchProcess } from '../observability/process-metrics.ts';
import type { DatabaseSpec, FrontSpec, GuardSpec, Retention, TlsFiles, WorkerSpec } from '../process.ts';
import { evenMap } from '../routing/partition-map.ts';
import { Control } from './control.ts';
import { DataFolder } from './data-folder.ts';
import { EmbeddedPostgres } from './embedded-postgres.ts';
import { Gathering } from './gathering.ts';
import { KeptProcess, spawnChild } from './kept-process.ts';
import { whenLauncherEnds } from './launcher.ts';
import { endLeftovers } from './leftovers.ts';
import { Placement } from './placement.ts';
import { requireFreePort } from './port.ts';
import { StartRefused } from './refusal.ts';
import { type Kept, Replacing } from './replacing.ts';
import { ROLLING, type Successor } from './rolling.ts';
import { requireTlsFiles } from './tls-files.ts';
import { Watchdog } from './watchdog.ts';

export const DRAIN_MS = 15_000;
/** `bun run` passes on the signals that a terminal has already sent to everyone: within this, it is the same one. */
const SAME_SIGNAL_MS = 1000;
const READY_POLL_MS = 10;
const HOUR_MS = 3_600_000;
/** A front is asked at an address of this machine, which its certificate need not name. */
const OWN_CERTIFICATE = { tls: { rejectUnauthorized: false } };

/** @returns the exit code, when everything has stopped */
export async function serve(env: Record<string, string | undefined>): Promise<number> {
  identify('supervisor');
  try {
    return await new Supervisor(readSettings(env)).run();
  } catch (error) {
    if (!(error instanceof WrongSetting)) throw error;
    console.error(`holdfast: ${error.message}`);
    return 1;
  }
}

class Supervisor {
  private readonly stopping = new AbortController();
  private folder: DataFolder | undefined;
  private postgres: EmbeddedPostgres | undefined;
  private readonly kept: Kept = { workers: [], fronts: [], standby: [] };
  private placement: Placement | undefined;
  private control: Control | undefined;
  /** With DATABASE_URL: keeps other servers away from the database. */
  private guard: KeptProcess | undefined;
  private readonly gathering = new Gathering(
    () => [...this.kept.workers, ...this.kept.fronts],
    () => this.postgres,
  );
  private code = 0;
  private tls: TlsFiles | undefined;

  constructor(private readonly settings: Settings) {}

  async run(): Promise<number> {
    showUpTo(this.settings.logLevel);
    watchProcess();
    this.obeySignals();
    this.surviveDefects();
    try {
      await this.start();
      await this.unlessStopped(new Promise(() => {}));
    } catch (error) {
      if (!this.stopping.signal.aborted) {
        this.code = 1;
        if (error instanceof StartRefused) console.error(`holdfast: ${error.message}`);
        else log.error('start.failed', { error });
      }
    }
    await this.stop();
    return this.code;
  }

  /** A defect of the supervisor: what it keeps is still drained, so that nothing is left without one. */
  private surviveDefects(): void {
    const failed = (error: unknown): void => {
      log.error('supervisor.failed', { error });
      this.code = 1;
      this.stopping.abort();
    };
    process.on('uncaughtException', failed);
    process.on('unhandledRejection', failed);
  }

  private async start(): Promise<void> {
    const { signal } = this.stopping;
    const { host, port, fronts, workers, partitions, dataDir } = this.settings;
    const tls = requireTlsFiles(this.settings);
    this.tls = tls;
    const folder = DataFolder.open(dataDir);
    this.folder = folder;
    await endLeftovers(folder.readProcesses(), folder.path);
    for (let front = 0; front < fronts; front++) await requireFreePort(host, port + front);
    signal.throwIfAborted();

    const { database, run } = await this.startDatabase(folder);
    await this.prepare(folder, database);

    const sockets = Array.from({ length: workers }, (_, worker) => join(run, `worker-${worker}.sock`));
    for (const socket of sockets) rmSync(socket, { force: true });
    const placement = new Placement(
      evenMap(1, partitions, sockets),
      () => this.kept.workers,
      (map) => {
        for (const child of this.children) child.tell({ type: 'map', map });
      },
    );
    this.placement = placement;
    const watchdog = new Watchdog(() => this.kept.workers, placement);
    const retention = retentionOf(this.settings);
    const { map } = placement;
    const newWorker = (worker: number): KeptProcess =>
      this.keep({ role: 'worker', worker, database, map, retention }, worker);
    this.kept.workers = sockets.map((_, worker) => newWorker(worker));
    this.kept.fronts = Array.from({ length: fronts }, (_, front) => this.keep(this.frontSpec(front), front));
    await this.unlessStopped(
      Promise.all([...this.kept.workers, ...this.kept.fronts].map((child) => child.start())),
    );
    console.log(this.banner(folder, run));
    await this.everythingServes();
    watchdog.watch();
    this.stopping.signal.addEventListener('abort', () => watchdog.stop());
    this.control = this.openControl(run, placement, newWorker);
    console.log(`\nready in ${(performance.now() / 1000).toFixed(1)} s; Ctrl-C drains and stops`);
  }

  private async startDatabase(folder: DataFolder): Promise<{ database: DatabaseSpec; run: string }> {
    const { databaseUrl: url } = this.settings;
    if (url !== undefined) return { database: { url }, run: folder.makeRunFolder(undefined) };
    this.postgres = EmbeddedPostgres.find(folder.path, () => this.writeProcesses());
    const run = folder.makeRunFolder(this.postgres.user);
    return { database: await this.postgres.start(run, this.stopping.signal), run };
  }

  /** In a process of its own, because only storage may know Postgres. */
  private async prepare(folder: DataFolder, database: DatabaseSpec): Promise<void> {
    this.stopping.signal.throwIfAborted();
    const { host, partitions } = this.settings;
    const spec = { database, partitions, exposedAt: isLoopback(host) ? undefined : host };
    if (database.url !== undefined) {
      const guard: GuardSpec = { role: 'guard', ...spec, starting: true };
      this.guard = this.keep(guard, 0);
      await this.unlessStopped(this.guard.start());
      // A server that runs goes on without keys, letting nobody in; so does its guard, when it has to come back.
      guard.exposedAt = undefined;
      guard.starting = false;
      return;
    }
    const ended = Promise.withResolvers<void>();
    const child = spawnChild(
      { role: 'migrate', index: 0, spec, dataFolder: folder.path },
      () => {},
      (reason, code) => (code === 0 ? ended.resolve() : ended.reject(new StartRefused(reason))),
    );
    this.stopping.signal.addEventListener('abort', () => child.kill('SIGKILL'));
    await this.unlessStopped(ended.promise);
  }

  private frontSpec(front: number, standby = false): FrontSpec {
    const { host, port, fronts } = this.settings;
    const { map } = this.placement!;
    const mayBeOpen = isLoopback(host);
    return { role: 'front', front, host, port: port + front, map, standby, fronts, mayBeOpen, tls: this.tls };
  }

  private openControl(
    run: string,
    placement: Placement,
    newWorker: (worker: number) => KeptProcess,
  ): Control {
    const replacing = new Replacing(placement, this.kept, {
      spare: this.settings.workers,
      socketOf: (worker) => join(run, `worker-${worker}.sock`),
      newWorker,
      newFront: (front) => this.frontOnStandby(front),
    });
    return Control.open(run, { [ROLLING]: (say) => replacing.restartRolling(say) });
  }

  private frontOnStandby(front: number): Successor {
    const spec = this.frontSpec(front, true);
    return {
      child: this.keep(spec, front),
      // Should it die from now on, the next one need not wait to be told.
      listensAtStart() {
        spec.standby = false;
      },
    };
  }

  private get children(): KeptProcess[] {
    const { workers, fronts, standby } = this.kept;
    return [...workers, ...fronts, ...standby];
  }

  /** Whenever it is started, it gets the map of then. */
  private keep(spec: WorkerSpec | FrontSpec | GuardSpec, index: number): KeptProcess {
    if ('map' in spec)
      Object.defineProperty(spec, 'map', { enumerable: true, get: () => this.placement!.map });
    const command = { role: spec.role, index, spec, dataFolder: this.folder!.path };
    return new KeptProcess(command, () => this.writeProcesses(), {
      gather: this.gathering.gather,
      move: (partition, worker) => this.placement!.move(partition, worker),
    });
  }

  /** Ready means what it says: every partition is loaded and every front reaches every worker. */
  private async everythingServes(): Promise<void> {
    for (let front = 0; front < this.settings.fronts; front++) {
      const url = `${this.origin(front)}/readyz`;
      while (
        !(await fetch(url, OWN_CERTIFICATE).then(
          ({ ok }) => ok,
          () => false,
        ))
      ) {
        await Bun.sleep(READY_POLL_MS);
        this.stopping.signal.throwIfAborted();
      }
    }
  }

  private async stop(): Promise<void> {
    if (this.folder === undefined) return;
    if (this.code === 0) console.log('\nstopping: requests in flight are finished first');
    this.control?.close();
    const cancel = systemClock.after(DRAIN_MS, () => this.kill('the drain takes too long'));
    await Promise.all([...this.kept.fronts, ...this.kept.standby].map((front) => front.drain()));
    await Promise.all(this.kept.workers.map((worker) => worker.drain()));
    await this.guard?.drain();
    cancel();
    // It has a bound of its own: a checkpoint on a slow disk is worth more time than a hung child.
    await this.postgres?.stop();
    this.folder.release();
    if (this.code === 0) console.log('stopped');
  }

  private kill(reason: string): void {
    log.warn('stop.killed', { reason });
    this.code = 1;
    for (const child of this.children) child.kill();
    this.guard?.kill();
    this.postgres?.kill();
  }

  private obeySignals(): void {
    let firstAt = 0;
    const obey = (): void => {
      const now = systemClock.now();
      if (!this.stopping.signal.aborted) {
        firstAt = now;
        this.stopping.abort();
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        this.kill('a second signal');
      }
    };
    process.on('SIGINT', obey);
    process.on('SIGTERM', obey);
    if (!hangUpIsIgnored()) process.on('SIGHUP', obey);
    whenLauncherEnds(obey);
  }

  private async unlessStopped<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this.stopping;
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      promise.then(resolve, reject);
    });
  }

  private writeProcesses(): void {
    try {
      this.folder?.writeProcesses({
        supervisor: process.pid,
        postgres: this.postgres?.pid,
        guard: this.guard?.pid,
        workers: this.kept.workers.map(({ pid }) => pid),
        fronts: [...this.kept.fronts, ...this.kept.standby].map(({ pid }) => pid),
      });
    } catch (error) {
      // A full disk must not end what still serves.
      log.warn('processes.not-written', { error });
    }
  }

  private origin(front: number): string {
    const { host, port } = this.settings;
    const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
    return `${this.tls ? 'https' : 'http'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port + front}`;
  }

  private banner(folder: DataFolder, run: string): string {
    const { databaseUrl, fronts, workers, partitions } = this.settings;
    const origins = this.kept.fronts.map((_, front) => this.origin(front));
    const database =
      databaseUrl === undefined
        ? `embedded Postgres; psql -h ${run} -U holdfast postgres`
        : `${databasePlace(databaseUrl)} (DATABASE_URL)`;
    return [
      `Holdfast ${packageJson.version}`,
      '',
      `  API         ${origins.join('  ')}`,
      `  Swagger UI  ${origins[0]}/swagger`,
      `  dashboard   ${origins[0]}/dashboard`,
      `  data        ${folder.path}`,
      `  database    ${database}`,
      `  processes   fronts: ${fronts}, workers: ${workers}, partitions: ${partitions}`,
    ].join('\n');
  }
}

function retentionOf({ retentionDays, keyHours }: Settings): Retention {
  const historyMs = retentionDays === undefined ? undefined : retentionDays * 24 * HOUR_MS;
  // What a key was answered is shown from the reservation, which must still be there.
  return { historyMs, keysMs: Math.min(keyHours * HOUR_MS, historyMs ?? Number.POSITIVE_INFINITY) };
}

/** Under nohup, closing the terminal must not stop the server; installing a handler would undo that. */
function hangUpIsIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 1n;
  } catch {
    return false;
  }
}
