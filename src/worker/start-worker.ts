/** The process around a worker: Unix sockets, Postgres, and an end. */
import { rm } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import { COMMIT_LANES } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Running, WorkerSpec } from '../process.ts';
import { openCommitStore } from '../storage/commit-store.ts';
import { openReadStore } from '../storage/read-store.ts';
import { connect, listen } from '../wire/link.ts';
import { runWorker } from './worker.ts';

/** The exit code of a worker that another owner has fenced off; its supervisor starts a new one. */
const EXIT_FENCED = 3;
const EXIT_DEFECT = 4;

export async function startWorker({ worker, map, database }: WorkerSpec): Promise<Running> {
  const name = `worker ${worker}`;
  await rm(map.sockets[worker], { force: true });
  return runWorker({
    worker,
    map,
    clock: systemClock,
    stores: Array.from({ length: COMMIT_LANES }, (_, lane) =>
      openCommitStore(database, `${name} lane ${lane}`),
    ),
    reader: openReadStore(database, `${name} reads`),
    wire: { connect, listen },
    memoryBytes: () => process.memoryUsage.rss(),
    fail,
  });
}

function fail(reason: 'fenced' | 'defect', detail: string): never {
  log.error(reason === 'fenced' ? 'worker fenced off' : 'invariant broken', { detail });
  process.exit(reason === 'fenced' ? EXIT_FENCED : EXIT_DEFECT);
}
