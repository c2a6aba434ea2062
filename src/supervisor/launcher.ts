/**
 * `bun run start` and `npx` put processes between the user and the server, and not each of them
 * passes a signal on: npx ends the shell under it, which ends alone, and anything killed with -9 ends
 * alone. A server that lost its launcher so is one that nobody can see any more, and it holds the port;
 * it is therefore stopped as by a signal.
 *
 * Started without them, as by `nohup bun src/start.ts serve &`, it outlives whoever started it.
 */
import { readFileSync } from 'node:fs';
import { systemClock } from '../clock.ts';

const POLL_MS = 500;

export function whenLauncherEnds(run: () => void): void {
  if (process.env.npm_lifecycle_event !== 'start') return;
  // The script's parent is `bun run`; under npx, its parent is the shell, or npm itself.
  const launcher = process.ppid;
  const above = isUnderNpx(launcher) ? parentOf(launcher) : undefined;
  const look = (): void => {
    if (process.ppid === launcher && (above === undefined || parentOf(launcher) === above)) {
      systemClock.after(POLL_MS, look);
    } else {
      run();
    }
  };
  look();
}

/** `bun run` hides what npx tells its children from its own, so its environment is asked, not ours. */
function isUnderNpx(launcher: number): boolean {
  try {
    return readFileSync(`/proc/${launcher}/environ`, 'utf8').split('\0').includes('npm_command=exec');
  } catch {
    return false;
  }
}

/** undefined where there is no such process, or the system has no /proc to ask without much ado. */
function parentOf(pid: number): number | undefined {
  try {
    // The second field is the program's name in parentheses, which may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    return Number(fields[1]);
  } catch {
    return undefined;
  }
}
