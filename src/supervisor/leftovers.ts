/**
 * Processes that a killed supervisor left behind. They notice that it is gone and end by themselves;
 * the next start waits for them, since a front still holds its port, and ends those that hang.
 *
 * A process id alone proves nothing, because ids are used again: a process counts as ours only
 * while its command line names our data folder.
 */
import { readFileSync } from 'node:fs';
import { systemClock } from '../clock.ts';
import type { Processes } from './data-folder.ts';

const LEAVE_BY_THEMSELVES_MS = 3000;
const POLL_MS = 20;

/** The command line of a running process; undefined where there is none, or only its exit code is left. */
export function commandLine(pid: number): string | undefined {
  const text = process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
  return text === '' ? undefined : text;
}

function fromProc(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

function fromPs(pid: number): string {
  return Bun.spawnSync(['ps', '-ww', '-o', 'args=', '-p', String(pid)])
    .stdout.toString()
    .trim();
}

/** @param dataFolder the real path that the children carry in their command line */
export async function endLeftovers(left: Processes | undefined, dataFolder: string): Promise<void> {
  const pids = [...(left?.workers ?? []), ...(left?.fronts ?? []), left?.guard].filter(
    (pid) => typeof pid === 'number',
  );
  const remaining = (): number[] =>
    pids.filter(
      (pid) => commandLine(pid)?.includes(`main.ts`) && commandLine(pid)?.endsWith(` ${dataFolder}`),
    );
  const until = systemClock.now() + LEAVE_BY_THEMSELVES_MS;
  while (remaining().length > 0 && systemClock.now() < until) await Bun.sleep(POLL_MS);
  for (const pid of remaining()) process.kill(pid, 'SIGKILL');
  while (remaining().length > 0) await Bun.sleep(POLL_MS);
}
