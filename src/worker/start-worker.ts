/** The process around a worker: Unix sockets, Postgres, what reads and prunes it beside, and an end. */
import { rm } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import { COMMIT_LANES } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { FromChild, Running, ToChild, WorkerSpec } from '../process.ts';
import { openCommitStore } from '../storage/commit-store.ts';
import { Connections, openDatabase, openLane } from '../storage/database.ts';
import { openReadStore } from '../storage/read-store.ts';
import { openSearchStore } from '../storage/search-store.ts';
import { connect, listen } from '../wire/link.ts';
import { ApiKeys } from './api-keys.ts';
import { Pruner } from './pruner.ts';
import { Searches } from './searches.ts';
import { runWorker } from './worker.ts';

/** The exit code of a worker that another owner has fenced off; its supervisor starts a new one. */
const EXIT_FENCED = 3;
const EXIT_DEFECT = 4;

/** @param say to the supervisor */
export async function startWorker(
  { worker, map, database, retention }: WorkerSpec,
  say: (message: FromChild) => void,
): Promise<Running> {
  const name = `worker ${worker}`;
  const clock = systemClock;
  await rm(map.sockets[worker], { force: true });
  const searchStore = openSearchStore(database, `${name} searches`);
  const searches = new Searches(searchStore, map.owner.length, clock);
  const apiKeys = new ApiKeys(() => openDatabase(database, `${name} api keys`));
  const running = await runWorker({
    worker,
    map,
    clock,
    stores: Array.from({ length: COMMIT_LANES }, (_, lane) =>
      openCommitStore(database, `${name} lane ${lane}`),
    ),
    reader: openReadStore(database, `${name} reads`),
    searches: {
      receive: (request, answer) =>
        request.kind === 'read-api-keys' ? apiKeys.receive(answer) : searches.receive(request, answer),
    },
    wire: { connect, listen },
    keysMs: retention.keysMs,
    memoryBytes: () => process.memoryUsage.rss(),
    fail,
  });
  const pruning = new Connections(() => openLane(database, `${name} prune`));
  const pruner = new Pruner(pruning, running.owned, retention, clock);
  void pruner.run();
  return {
    hear(message: ToChild) {
      switch (message.type) {
        case 'map':
          return running.adopt(message.map);
        case 'give':
          return void running.give(message.partitions).then((claims) => say({ type: 'gave', claims }));
        case 'take':
          return void running
            .take(message.partitions, message.claims)
            .then((served) => say({ type: 'took', served }));
      }
    },
    async drain() {
      await Promise.all([pruner.stop(), running.drain()]);
      await Promise.all([searchStore.close(), apiKeys.close()]);
    },
  };
}

function fail(reason: 'fenced' | 'defect', detail: string): never {
  log.error(reason === 'fenced' ? 'worker.fenced' : 'invariant.broken', { detail });
  process.exit(reason === 'fenced' ? EXIT_FENCED : EXIT_DEFECT);
}
