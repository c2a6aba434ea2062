/**
 * Starts Holdfast as its users do, as real processes on a port and a data folder of their own, and
 * sees to it that nothing stays behind: a stop that leaves a process fails the test.
 *
 * With DATABASE_URL set, each home has a fresh database on that server; otherwise the embedded one.
 */
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { watch } from './conformance.ts';

export const REPOSITORY = join(import.meta.dir, '..', '..');
const READY_MS = 30_000;
const STOP_MS = 20_000;
const POLL_MS = 20;

/** What outlives a server: its data folder and, with DATABASE_URL, its database. */
export interface Home {
  dataDir: string;
  databaseUrl: string | undefined;
  remove(): Promise<void>;
}

export interface TestServer {
  home: Home;
  /** Of the first front, without a slash at the end. */
  url: string;
  port: number;
  pid: number;
  /** What it has printed so far, both streams. */
  output(): string;
  workerPids(): number[];
  frontPids(): number[];
  /** undefined with DATABASE_URL */
  postgresPid(): number | undefined;
  /** Resolves with the exit code. */
  exited: Promise<number>;
  /** SIGTERM; fails unless it ends with code 0 and leaves nothing. Removes the home that it made itself. */
  stop(): Promise<void>;
  /** SIGKILL to every process, the database's included. Also removes the home that it made itself. */
  kill9(): Promise<void>;
}

export interface StartOptions {
  env?: Record<string, string>;
  /** To start again where another server was; the caller removes it. */
  home?: Home;
  /** Instead of `bun src/start.ts serve`; runs in the repository, in a process group of its own. */
  command?: string[];
}

export async function makeHome(): Promise<Home> {
  // Open to others to pass through, since as root Postgres runs as another user.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-test-')));
  chmodSync(folder, 0o755);
  const database = process.env.DATABASE_URL ? await createDatabase(process.env.DATABASE_URL) : undefined;
  return {
    dataDir: join(folder, 'data'),
    databaseUrl: database?.url,
    async remove() {
      rmSync(folder, { recursive: true, force: true });
      await database?.drop();
    },
  };
}

const running = new Set<TestServer>();

/** A test that fails before its stop must not leave its server to the machine; see preload.ts. */
export async function killWhatIsLeft(): Promise<void> {
  for (const server of running) {
    await server.kill9();
    await server.home.remove();
  }
}

export async function startServer({ env, home: given, command }: StartOptions = {}): Promise<TestServer> {
  const home = given ?? (await makeHome());
  const port = env?.PORT === undefined ? await freePorts(4) : Number(env.PORT);
  const child = Bun.spawn(command ?? [process.execPath, join(REPOSITORY, 'src', 'start.ts'), 'serve'], {
    cwd: REPOSITORY,
    env: serverEnv(home, { PORT: String(port), ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const tls = env?.HOLDFAST_TLS_CERT ? { ca: readFileSync(env.HOLDFAST_TLS_CERT, 'utf8') } : undefined;
  let output = '';
  const collecting = Promise.all([collect(child.stdout), collect(child.stderr)]);
  async function collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
  }

  const server: TestServer = {
    home,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    output: () => output,
    workerPids: () => pids(home).workers,
    frontPids: () => pids(home).fronts,
    postgresPid: () => pids(home).postgres,
    exited: child.exited,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const code = await within(STOP_MS, child.exited, () => `the server did not stop\n${output}`);
      await collecting;
      running.delete(server);
      const left = processesOf(home.dataDir);
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      if (given === undefined) await home.remove();
      if (code !== 0) throw new Error(`the server ended with code ${code}\n${output}`);
      if (left.length > 0) throw new Error(`left running: ${JSON.stringify(left)}\n${output}`);
    },
    async kill9() {
      const { supervisor } = pids(home);
      // The supervisor first, or it would start again what is killed after it.
      for (const pid of [supervisor, child.pid]) kill(pid);
      const giveUpAt = Date.now() + STOP_MS;
      for (let left = processesOf(home.dataDir); left.length > 0; left = processesOf(home.dataDir)) {
        if (Date.now() > giveUpAt) throw new Error(`cannot be killed: ${JSON.stringify(left)}`);
        for (const { pid } of left) kill(pid);
        await Bun.sleep(POLL_MS);
      }
      await child.exited;
      running.delete(server);
      if (given === undefined) await home.remove();
    },
  };

  running.add(server);
  try {
    const isReady = async (): Promise<boolean> =>
      output.includes('\nready in ') &&
      (await fetch(`${server.url}/readyz`, { tls }).catch(() => undefined))?.status === 200;
    await until(isReady, READY_MS, () => {
      if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}\n${output}`);
      return `the server is not ready\n${output}`;
    });
    // Answers over TLS are not held against the document: it is the same, and its checks are elsewhere.
    if (tls === undefined) await watch(...server.frontPids().map((_, front) => port + front));
  } catch (error) {
    await server.kill9();
    throw error;
  }
  return server;
}

/** Starts a server that is expected to refuse to start, and waits for its end. Leaves the home to the caller. */
export async function startRefused(
  home: Home,
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const port = String(await freePorts(4));
  const child = Bun.spawn([process.execPath, join(REPOSITORY, 'src', 'start.ts'), 'serve'], {
    cwd: REPOSITORY,
    env: serverEnv(home, { PORT: port, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

/** Polls until it holds; `late` gives the reason for the failure, or throws earlier. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  ms: number,
  late: () => string,
): Promise<void> {
  const giveUpAt = Date.now() + ms;
  while (!(await holds())) {
    const reason = late();
    if (Date.now() > giveUpAt) throw new Error(`after ${ms / 1000} s: ${reason}`);
    await Bun.sleep(POLL_MS);
  }
}

/** The first of so many free ports in a row, below those that the system gives to outgoing connections. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Processes that name the folder in their command line or, as Postgres' own do, work within it. */
export function processesOf(folder: string): { pid: number; command: string }[] {
  const found =
    process.platform === 'linux'
      ? readdirSync('/proc')
          .filter((name) => /^\d+$/.test(name))
          .map((pid) => ({ pid: Number(pid), command: fromProc(pid, 'cmdline'), cwd: fromProc(pid, 'cwd') }))
      : Bun.spawnSync(['ps', '-axww', '-o', 'pid=,args='])
          .stdout.toString()
          .split('\n')
          .map((line) => ({
            pid: Number.parseInt(line, 10),
            command: line.replace(/^\s*\d+\s*/, ''),
            cwd: '',
          }));
  return found
    .filter(
      ({ pid, command, cwd }) => pid !== process.pid && (command.includes(folder) || cwd.startsWith(folder)),
    )
    .map(({ pid, command }) => ({ pid, command }));
}

function fromProc(pid: string, what: 'cmdline' | 'cwd'): string {
  try {
    if (what === 'cwd') return readlinkSync(`/proc/${pid}/cwd`);
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function serverEnv(home: Home, env: Record<string, string>): Record<string, string | undefined> {
  const own = {
    HOLDFAST_DATA_DIR: home.dataDir,
    DATABASE_URL: home.databaseUrl,
    // As under `bun run start`, a server stops when its launcher is gone: also when that is a killed test run.
    npm_lifecycle_event: 'start',
  };
  return { ...process.env, ...own, ...env };
}

function pids(home: Home): { supervisor?: number; postgres?: number; workers: number[]; fronts: number[] } {
  try {
    const { supervisor, postgres, workers, fronts } = JSON.parse(
      readFileSync(join(home.dataDir, 'processes.json'), 'utf8'),
    );
    const running = (pid: unknown): pid is number => typeof pid === 'number';
    return { supervisor, postgres, workers: workers.filter(running), fronts: fronts.filter(running) };
  } catch {
    return { workers: [], fronts: [] };
  }
}

function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function within<T>(ms: number, promise: Promise<T>, late: () => string): Promise<T> {
  let timer: Timer | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${ms / 1000} s: ${late()}`)), ms);
  });
  return Promise.race([promise, tooLate]).finally(() => clearTimeout(timer));
}

async function createDatabase(serverUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `holdfast_test_${crypto.randomUUID().replaceAll('-', '')}`;
  const run = async (statement: string): Promise<void> => {
    const sql = postgres(serverUrl, { max: 1, onnotice: () => {} });
    await sql.unsafe(statement);
    await sql.end();
  };
  await run(`create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(`drop database if exists ${name} with (force)`) };
}
