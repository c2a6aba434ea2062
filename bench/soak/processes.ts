/**
 * Memory and descriptors of every process of a server, from /proc. Of Postgres, what its processes have for themselves,
 * added up: what they share is bounded by its settings, and every one of them would count it again. Of a front, descriptors
 * without the connections of its clients, whose number is theirs to choose.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Pids } from '../holdfast.ts';

export interface ProcessState {
  bytes: number;
  descriptors: number;
}

const KIB = 1024;
const ESTABLISHED = '01';
const INODE = 9;

/** By name: `front 0`, `worker 1`, `Postgres` …  @param port of the first front */
export function processStates(
  { supervisor, fronts, workers, postgres }: Pids,
  port: number,
): Record<string, ProcessState> {
  const states: Record<string, ProcessState> = { supervisor: stateOf(supervisor, 'VmRSS') };
  for (const [index, pid] of fronts.entries()) {
    const state = stateOf(pid, 'VmRSS');
    states[`front ${index}`] = {
      ...state,
      descriptors: state.descriptors - connectionsOf(pid, port + index),
    };
  }
  for (const [index, pid] of workers.entries()) states[`worker ${index}`] = stateOf(pid, 'VmRSS');
  const all = [postgres, ...childrenOf(postgres)].map((pid) => stateOf(pid, 'RssAnon'));
  states.Postgres = {
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    descriptors: all.reduce((sum, { descriptors }) => sum + descriptors, 0),
  };
  return states;
}

/** proc_pid_status(5); nothing of a process that has just ended. */
export function stateOf(pid: number, field: 'VmRSS' | 'RssAnon'): ProcessState {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kibibytes = Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
    return { bytes: kibibytes * KIB, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { bytes: 0, descriptors: 0 };
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

/** Descriptors of a process that are connections to its port; proc_net_tcp(5), proc_pid_fd(5). */
function connectionsOf(pid: number, port: number): number {
  const near = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = new Set<string>();
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(near) && fields[3] === ESTABLISHED) sockets.add(`socket:[${fields[INODE]}]`);
  }
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((descriptor) => sockets.has(targetOf(join(folder, descriptor)))).length;
}

/** Empty where the descriptor has just been closed. */
function targetOf(descriptor: string): string {
  try {
    return readlinkSync(descriptor);
  } catch {
    return '';
  }
}
