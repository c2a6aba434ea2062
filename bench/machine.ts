/** What a figure depends on besides the code: a result without it says nothing later. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

export interface Circumstances {
  date: string;
  commit: string;
  /** Whether files differed from that commit. */
  modified: boolean;
  machine: { cpu: string; cores: number; memoryGiB: number; system: string };
  bun: string;
  /** Median time to make one 8 KiB page durable. */
  fsyncMs: number;
}

const SYNCS = 101;
const PAGE_BYTES = 8192;
/** What a figure depends on; the results themselves change with each run. */
const MEASURED = ['src', 'bench', 'bun.lock', ':!bench/results.*'];

/** @param folder on the disk that the database uses */
export function circumstances(folder: string): Circumstances {
  const models = cpus();
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short=12', 'HEAD') || 'unknown',
    modified: git('status', '--porcelain', '--untracked-files=no', '--', ...MEASURED) !== '',
    machine: {
      cpu: models[0].model,
      cores: models.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${process.arch}`,
    },
    bun: Bun.version,
    fsyncMs: measureFsync(join(folder, 'fsync')),
  };
}

function measureFsync(file: string): number {
  const page = new Uint8Array(PAGE_BYTES);
  const descriptor = openSync(file, 'w');
  const times = Array.from({ length: SYNCS }, () => {
    const startedAt = performance.now();
    writeSync(descriptor, page, 0, PAGE_BYTES, 0);
    fdatasyncSync(descriptor);
    return performance.now() - startedAt;
  });
  closeSync(descriptor);
  rmSync(file);
  return Number(times.sort((a, b) => a - b)[SYNCS >> 1].toFixed(3));
}

function git(...args: string[]): string {
  const { stdout, success } = Bun.spawnSync(['git', ...args], {
    cwd: join(import.meta.dir, '..'),
    stderr: 'ignore',
  });
  return success ? stdout.toString().trim() : '';
}
