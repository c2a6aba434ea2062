/** Runs commands as their users do: the real binary, in a pipe or at a terminal. */
import { join } from 'node:path';
import { REPOSITORY } from './server.ts';

export const HOLDFAST = [process.execPath, join(REPOSITORY, 'src', 'main.ts')];

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

type Env = Record<string, string | undefined>;

export async function holdfast(
  args: string[],
  { env, stdin }: { env?: Env; stdin?: string } = {},
): Promise<Ran> {
  const child = Bun.spawn([...HOLDFAST, ...args], {
    env: { ...process.env, ...env },
    stdin: stdin === undefined ? 'ignore' : new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

/**
 * At a terminal of 80 columns and 24 rows.
 *
 * @param keys are pressed once, as soon as what was shown so far is enough for them
 * @returns the exit code, and everything that was written to the terminal
 */
export async function atTerminal(
  args: string[],
  env: Env,
  keys?: { when: (shown: string) => boolean; press: string },
): Promise<{ code: number; shown: string }> {
  let shown = '';
  let pressed = false;
  const decoder = new TextDecoder();
  const child = Bun.spawn([...HOLDFAST, ...args], {
    env: { ...process.env, ...env, TERM: 'xterm-256color' },
    terminal: {
      cols: 80,
      rows: 24,
      data(terminal, bytes) {
        shown += decoder.decode(bytes, { stream: true });
        if (keys === undefined || pressed || !keys.when(shown)) return;
        pressed = true;
        terminal.write(keys.press);
      },
    },
  });
  const code = await child.exited;
  child.terminal?.close();
  return { code, shown };
}
