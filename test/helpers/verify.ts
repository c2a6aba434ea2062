/** Runs `verify` as its users do, as a process of its own, on the data folder or database of a home. */
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
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr, rssBytes: child.resourceUsage()?.maxRSS ?? Number.NaN };
}
