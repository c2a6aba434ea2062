/**
 * Ceilings and rivals as processes: each says over Bun's IPC where it listens, takes settings while
 * it runs, so that one warm process can be tuned for each workload, and ends with its parent. Their allocator is set as Holdfast's is.
 */
import { join } from 'node:path';
import type { AnyElysia } from 'elysia';
import { CHILD_MEMORY } from '../src/supervisor/child-memory.ts';

/** A process under test or beside it; ends, and is waited for, when it is disposed of. */
export interface Service extends AsyncDisposable {
  url: string;
  pid: number;
  /** @param setting what the service's `onSetting` takes */
  set(setting: unknown): Promise<void>;
}

type FromService = { port: number } | { set: true } | { failed: string };

const START_MS = 10_000;
/** Where a service finds what it is to connect to, as JSON. */
const SPEC = 'BENCH_SERVICE';

/** The child's side. */
export function serveForBench<Setting>(
  app: AnyElysia,
  onSetting: (setting: Setting) => void | Promise<void> = () => {},
): void {
  const say = (message: FromService) => process.send!(message);
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  process.on('message', async (setting: Setting) => {
    try {
      await onSetting(setting);
      say({ set: true });
    } catch (error) {
      say({ failed: String(error) });
    }
  });
  app.listen({ hostname: '127.0.0.1', port: 0, reusePort: false, development: false }, ({ port }) => {
    say({ port: port! });
  });
}

/** The child's side: what it was started with. */
export function serviceSpec<Spec>(): Spec {
  return JSON.parse(process.env[SPEC]!);
}

/** @param file in this folder */
export async function startService(file: string, spec: unknown = {}): Promise<Service> {
  const listening = Promise.withResolvers<number>();
  let settled = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file)], {
    env: { ...CHILD_MEMORY, ...process.env, [SPEC]: JSON.stringify(spec) },
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc(message: FromService) {
      if ('port' in message) listening.resolve(message.port);
      else if ('set' in message) settled.resolve();
      else settled.reject(new Error(`${file}: ${message.failed}`));
    },
  });
  const giveUp = setTimeout(() => child.kill('SIGKILL'), START_MS);
  void child.exited.then((code) => {
    const ended = new Error(`${file} ended with code ${code}`);
    listening.reject(ended);
    settled.reject(ended);
  });
  settled.promise.catch(() => {});
  const port = await listening.promise;
  clearTimeout(giveUp);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    set(setting) {
      settled = Promise.withResolvers();
      child.send(setting);
      return settled.promise;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
