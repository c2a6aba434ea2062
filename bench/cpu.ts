/**
 * Where the time goes: CPU seconds of each process, read from /proc before and after a run. Linux only;
 * elsewhere there is nothing to read and the report leaves it out. The kernel counts in hundredths of
 * a second, which is a few per mille of a run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { sum } from './numbers.ts';

const TICKS_PER_SECOND = 100;

/** CPU seconds so far, by part. */
export type Cpu = Record<string, number>;

export interface Parts {
  /** Process ids by the part's name. */
  processes: Record<string, number[]>;
  /** The postmaster, whose children are split into sessions and the rest. */
  postmaster: number;
}

export function readCpu({ processes, postmaster }: Parts): Cpu | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  const cpu: Cpu = {};
  for (const [part, pids] of Object.entries(processes))
    cpu[part] = sum(pids.map((pid) => secondsOf(pid).own));
  const main = secondsOf(postmaster);
  cpu['postgres sessions'] = 0;
  cpu['postgres background'] = main.own + main.ofEndedChildren;
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const { parent, own } = secondsOf(pid);
    if (parent === postmaster) cpu[isSession(pid) ? 'postgres sessions' : 'postgres background'] += own;
  }
  const [, user, nice, system, idle, wait, irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .map((ticks) => Number(ticks) / TICKS_PER_SECOND);
  cpu.machine = user + nice + system + irq + softirq;
  cpu.idle = idle + wait;
  return cpu;
}

export function cpuBetween(before: Cpu | undefined, after: Cpu | undefined): Cpu | undefined {
  if (before === undefined || after === undefined) return undefined;
  return Object.fromEntries(Object.entries(after).map(([part, seconds]) => [part, seconds - before[part]]));
}

/** Of the server itself, its database included. */
export function serverCpu({ machine: _, idle: __, generator: ___, ...parts }: Cpu): number {
  return sum(Object.values(parts));
}

/** What the machine did besides the parts that are known. */
export function othersOf({ machine, idle: _, ...parts }: Cpu): number {
  return Math.max(0, machine - sum(Object.values(parts)));
}

/** proc_pid_stat(5), counted from the end of the command's name, which may hold anything. */
function secondsOf(pid: number): { parent: number; own: number; ofEndedChildren: number } {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return { parent: 0, own: 0, ofEndedChildren: 0 };
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number);
  return {
    parent: Number(fields[1]),
    own: (user + system) / TICKS_PER_SECOND,
    ofEndedChildren: (childrenUser + childrenSystem) / TICKS_PER_SECOND,
  };
}

/** Postgres writes into its command line what a process does: `postgres: user database [local] …`. */
function isSession(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('[local]');
  } catch {
    return false;
  }
}
