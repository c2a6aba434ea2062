/**
 * A worker process: the actors of its partitions, their commit lanes, the socket that fronts and other
 * workers reach it by, and connections for reads and for searches that no commit waits for.
 *
 * It listens before its partitions are loaded, and answers `partition-unavailable` until they are. When
 * it learns that it lost a partition it ends at once, dropping everything it holds in memory: what was
 * not committed was never acknowledged.
 */
import { rm } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import { COMMIT_LANES, READS_AT_ONCE, REQUEST_DEADLINE_MS, WHEEL_TICK_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Running, WorkerSpec } from '../process.ts';
import { openCommitStore } from '../storage/commit-store.ts';
import { Connections, failureText, openDatabase, openLane } from '../storage/database.ts';
import { findAnswer } from '../storage/find-answer.ts';
import { findReservation } from '../storage/find-reservation.ts';
import type { UnsettledRow } from '../storage/load-partitions.ts';
import { ping } from '../storage/ping.ts';
import { openSearchStore } from '../storage/search-store.ts';
import { type Answer, listen } from '../wire/link.ts';
import type { PartitionStatus, Request } from '../wire/messages.ts';
import { Actor } from './actor.ts';
import { getReservation } from './decide-close.ts';
import { exportLevels, getLevels } from './decide-stock.ts';
import { Lane } from './lane.ts';
import { Partition } from './partition.ts';
import { Peers } from './peers.ts';
import { Pruner } from './pruner.ts';
import { Pulse } from './pulse.ts';
import { recover } from './recovery.ts';
import { recall } from './remember.ts';
import { Searches } from './searches.ts';
import { Locations } from './snapshot.ts';
import type { Host } from './state.ts';
import { follow } from './traces.ts';
import { partitionsTaken, watchWorker } from './worker-metrics.ts';

/** The exit code of a worker that another owner has fenced off; its supervisor starts a new one. */
const EXIT_FENCED = 3;
const EXIT_DEFECT = 4;
const ASK_HOME_DEADLINE_MS = 2000;

const clock = systemClock;

export async function startWorker(spec: WorkerSpec): Promise<Running> {
  const name = `worker ${spec.worker}`;
  const stores = Array.from({ length: COMMIT_LANES }, (_, lane) =>
    openCommitStore(spec.database, `${name} lane ${lane}`),
  );
  const lanes = stores.map((store) => new Lane(store, clock, fail));
  const reader = new Connections(() => openDatabase(spec.database, `${name} reads`, READS_AT_ONCE));
  const searchStore = openSearchStore(spec.database, `${name} searches`);
  const searches = new Searches(searchStore, spec.map.owner.length, clock);
  const pulse = new Pulse(() => reader.use(ping), failureText, clock);
  const laneOf = (partition: number): Lane => lanes[partition % COMMIT_LANES];
  const actors = new Map<number, Actor>();
  let serving = false;
  let draining = false;

  const peers = new Peers(spec.map, spec.worker, clock, dispatch);
  const host: Host = {
    post: (partition, command) => actors.get(partition)!.post(command),
    askHome: (partition, home, id) => void askHome(partition, home, id),
    tellHeld(participants, id, expiresAt) {
      for (const partition of participants) {
        const deadline = peers.deadline();
        // A participant that doesn't hear it asks.
        peers.ask({ kind: 'settle', partition, deadline, id, outcome: 'held', expiresAt }).catch(() => {});
      }
    },
    settle: (participants, id, decision) => peers.settle(participants, id, decision),
    find: (home, id) => reader.use((sql) => findReservation(sql, home, id), REQUEST_DEADLINE_MS),
    findAnswer: (partition, hash) =>
      reader.use((sql) => findAnswer(sql, partition, hash), REQUEST_DEADLINE_MS),
  };

  async function askHome(partition: number, home: number, id: string): Promise<void> {
    const deadline = clock.now() + ASK_HOME_DEADLINE_MS;
    const reply = await peers.ask({ kind: 'ask', partition: home, deadline, id }).catch(() => undefined);
    if (reply?.kind !== 'outcome') return;
    const { outcome, expiresAt, sold } = reply;
    const deadlineOfSettle = peers.deadline();
    const settle = {
      kind: 'settle',
      partition,
      deadline: deadlineOfSettle,
      id,
      outcome,
      expiresAt,
      sold,
    } as const;
    actors.get(partition)!.receive(settle, () => {});
  }

  function dispatch(request: Request, reply: Answer): void {
    if (request.kind === 'status') return reply({ kind: 'status', status: status() });
    const answer = request.trace === undefined ? reply : follow(request, reply);
    if (request.kind === 'find-reservations' || request.kind === 'read-ledger') {
      return draining
        ? answer({ kind: 'problem', code: 'partition-unavailable' })
        : searches.receive(request, answer);
    }
    const actor = actors.get(request.partition);
    if (!serving || draining || actor === undefined) {
      return answer({ kind: 'problem', code: 'partition-unavailable' });
    }
    switch (request.kind) {
      case 'get-levels':
        return getLevels(actor.partition, request, answer);
      case 'export-levels':
        return exportLevels(actor.partition, request, answer);
      case 'get-reservation':
        return getReservation(actor.partition, request.id, answer);
      case 'claim':
        return actor.partition.claims.claim(request, clock.now(), answer);
      case 'release':
        actor.partition.claims.release(request, clock.now());
        return answer({ kind: 'claimed', known: true });
      case 'recall':
        return recall(actor.partition, request.key, answer);
      default:
        return actor.receive(request, answer);
    }
  }

  function databaseProblem(): string | undefined {
    return pulse.problem ?? lanes.find((lane) => lane.problem !== undefined)?.problem;
  }

  function status() {
    const partitions: PartitionStatus[] = [...actors.values()].map(({ partition, mailboxDepth }) => ({
      partition: partition.partition,
      state: serving ? 'serving' : 'loading',
      epoch: laneOf(partition.partition).epoch,
      levels: partition.snapshot.levels,
      held: partition.holds.count,
      mailboxDepth,
      commitSeq: laneOf(partition.partition).commitSeq,
    }));
    return {
      worker: spec.worker,
      databaseProblem: databaseProblem(),
      partitions,
      commits: lanes.reduce((sum, lane) => sum + lane.commits, 0),
      commands: lanes.reduce((sum, lane) => sum + lane.commands, 0),
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  const locations = new Locations();
  spec.map.owner.forEach((worker, partition) => {
    if (worker !== spec.worker) return;
    const { enlist } = laneOf(partition);
    actors.set(partition, new Actor(new Partition(partition, locations, host, clock.now()), enlist));
  });

  watchWorker({
    actors: () => [...actors.values()],
    epoch: () => Math.max(...lanes.map(({ epoch }) => epoch)),
    isServing: () => serving,
    databaseProblem,
  });
  const socket = spec.map.sockets[spec.worker];
  await rm(socket, { force: true });
  const server = listen(socket, dispatch, (reason) =>
    log.warn('link.malformed', { worker: spec.worker, reason }),
  );

  const startedAt = clock.now();
  const unsettled: UnsettledRow[] = [];
  for (const lane of lanes) {
    const owned = [...actors.values()]
      .map((actor) => actor.partition)
      .filter(({ partition }) => laneOf(partition) === lane);
    const recovered = await reader.use((sql) => recover(sql, owned, clock, spec.retention.keysMs));
    lane.epoch = recovered.epoch;
    partitionsTaken.value += owned.length;
    unsettled.push(...recovered.unsettled);
  }
  serving = true;
  for (const { participant, id, decision, sold } of unsettled)
    void peers.settle([participant], id, { outcome: decision, sold });
  void pulse.beat();
  const pruner = new Pruner(
    new Connections(() => openLane(spec.database, `${name} prune`)),
    [...actors.keys()],
    spec.retention,
    clock,
  );
  void pruner.run();
  const ticking = setInterval(() => {
    const now = clock.now();
    for (const actor of actors.values()) {
      actor.wake(now);
      actor.partition.forgetOldKeys(now, spec.retention.keysMs);
    }
  }, WHEEL_TICK_MS);
  log.info('worker.serving', {
    worker: spec.worker,
    partitions: actors.size,
    loadedInMs: clock.now() - startedAt,
  });

  return {
    async drain() {
      draining = true;
      clearInterval(ticking);
      pulse.stop();
      const pruned = pruner.stop();
      await Promise.all(lanes.map((lane) => lane.drained()));
      for (const lane of lanes) lane.close();
      peers.close();
      server.stop();
      const reads = [reader.close(), searchStore.close(), pruned];
      await Promise.all([...stores.map((store) => store.close()), ...reads]);
    },
  };
}

function fail(reason: 'fenced' | 'defect', detail: string): never {
  log.error(reason === 'fenced' ? 'worker.fenced' : 'invariant.broken', { detail });
  process.exit(reason === 'fenced' ? EXIT_FENCED : EXIT_DEFECT);
}
