/** Runs `verify` as its users do, as a process of its own, on the data folder or database of a home. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Home, REPOSITORY } from './server.ts';

export interface Verified {
  code: number;
  stdout: string;
  stderr: string;
  /** The most memory that the process had. */
  rssBytes: number;
}

export const VERIFY = [process.execPath, join(REPOSITORY, 'src', 'start.ts'), 'verify'];

export function homeEnv(home: Pick<Home, 'dataDir' | 'databaseUrl'>): Record<string, string | undefined> {
  return { ...process.env, HOLDFAST_DATA_DIR: home.dataDir, DATABASE_URL: home.databaseUrl };
}

export async function verify(
  home: Pick<Home, 'dataDir' | 'databaseUrl'>,
  ...args: string[]
): Promise<Verified> {
  const child = Bun.spawn([...VERIFY, ...args], {
    cwd: REPOSITORY,
    env: homeEnv(home),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const most = watchMemory(child.pid);
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr, rssBytes: most() ?? child.resourceUsage()?.maxRSS ?? Number.NaN };
}

const WATCH_MS = 50;

/**
 * The most memory that a process had until lately, where the system tells. What the kernel gives of one that has ended
 * counts its parent's memory, too, which it shared until it became a program of its own.
 */
function watchMemory(pid: number): () => number | undefined {
  let most: number | undefined;
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      most = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024 || most;
    } catch {}
  };
  const watching = setInterval(look, WATCH_MS);
  return () => {
    clearInterval(watching);
    return most;
  };
}
