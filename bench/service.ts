/** Ceiling and rival as processes: each says over Bun's IPC where it listens, and ends with its parent. */
import { join } from 'node:path';
import type { AnyElysia } from 'elysia';

/** A process under test or beside it; ends, and is waited for, when it is disposed of. */
export interface Service extends AsyncDisposable {
  url: string;
  pid: number;
}

const START_MS = 10_000;

/** The child's side. */
export function serveForBench(app: AnyElysia): void {
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  app.listen({ hostname: '127.0.0.1', port: 0, reusePort: false, development: false }, ({ port }) => {
    process.send!({ port });
  });
}

/** @param file in this folder */
export async function startService(file: string, env: Record<string, string> = {}): Promise<Service> {
  const listening = Promise.withResolvers<number>();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc: ({ port }: { port: number }) => listening.resolve(port),
  });
  const giveUp = setTimeout(() => child.kill('SIGKILL'), START_MS);
  void child.exited.then((code) => listening.reject(new Error(`${file} ended with code ${code}`)));
  const port = await listening.promise;
  clearTimeout(giveUp);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
