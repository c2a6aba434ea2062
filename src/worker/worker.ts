/**
 * A worker: the actors of its partitions, their commit lanes, and the socket that fronts and other workers
 * reach it by. It touches nothing but what it is given: start-worker.ts gives it a process, Unix sockets
 * and Postgres, the simulation its own.
 *
 * It listens before its partitions are loaded, and answers `partition-unavailable` until they are. When
 * it learns that it lost a partition it ends at once, dropping everything it holds in memory: what was
 * not committed was never acknowledged.
 */
import type { Clock } from '../clock.ts';
import { COMMIT_LANES, DATABASE_AWAY_MS, WHEEL_TICK_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Running } from '../process.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { CommitStore } from '../storage/commit-store.ts';
import type { UnsettledRow } from '../storage/load-partitions.ts';
import type { ReadStore } from '../storage/read-store.ts';
import type { Answer, Wire } from '../wire/link.ts';
import type { PartitionStatus, Request } from '../wire/messages.ts';
import { Actor } from './actor.ts';
import { getReservation } from './decide-close.ts';
import { exportLevels } from './decide-stock.ts';
import { Lane } from './lane.ts';
import { LevelReads } from './level-reads.ts';
import { Partition } from './partition.ts';
import { Peers } from './peers.ts';
import { Pulse } from './pulse.ts';
import { recover } from './recovery.ts';
import { recall } from './remember.ts';
import type { Searches } from './searches.ts';
import { Locations } from './snapshot.ts';
import type { Host } from './state.ts';
import { follow } from './traces.ts';
import { partitionsTaken, watchWorker } from './worker-metrics.ts';

const ASK_HOME_DEADLINE_MS = 2000;

/** What a worker is, and everything that it touches outside of its memory. */
export interface WorkerParts {
  worker: number;
  map: PartitionMap;
  clock: Clock;
  /** One for each commit lane. */
  stores: CommitStore[];
  reader: ReadStore;
  searches: Pick<Searches, 'receive'>;
  wire: Wire;
  /** How long idempotency keys are remembered, in milliseconds. */
  keysMs: number;
  memoryBytes(): number;
  /** Ends the process: another owner has fenced it off, or an invariant is broken. */
  fail(reason: 'fenced' | 'defect', detail: string): void;
}

export async function runWorker(parts: WorkerParts): Promise<Running> {
  const { worker, map, clock, stores, reader, wire, searches, keysMs } = parts;
  const lanes = stores.map((store) => new Lane(store, clock, parts.fail));
  const pulse = new Pulse(reader.ping, reader.failureText, clock);
  const laneOf = (partition: number): Lane => lanes[partition % COMMIT_LANES];
  const levelReads = new LevelReads(laneOf, (partition) =>
    awaySince(partition) === undefined ? undefined : pulse.silentSeconds(),
  );
  const actors = new Map<number, Actor>();
  let serving = false;
  let draining = false;

  const peers = new Peers(map, worker, clock, wire.connect, dispatch);
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
    find: reader.findReservation,
    findAnswer: reader.findAnswer,
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

  function dispatch(request: Request, reply: Answer, caller?: object): void {
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
    if (request.kind === 'get-levels') return levelReads.read(actor.partition, request, answer);
    if (isAway(request.partition) && request.kind !== 'release')
      return answer({ kind: 'problem', code: 'overloaded' });
    switch (request.kind) {
      case 'export-levels':
        return exportLevels(actor.partition, request, answer);
      case 'get-reservation':
        return getReservation(actor.partition, request.id, answer);
      case 'claim':
        return actor.partition.claims.claim(request, clock.now(), answer, caller);
      case 'release':
        actor.partition.claims.release(request, clock.now());
        return answer({ kind: 'claimed', known: true });
      case 'recall':
        return recall(actor.partition, request.key, answer);
      default:
        return actor.receive(request, answer);
    }
  }

  /** Since when the database takes no commits of a partition, in milliseconds; undefined while it does. */
  function awaySince(partition: number): number | undefined {
    const { problem, problemSince } = pulse.problem === undefined ? laneOf(partition) : pulse;
    return problem === undefined ? undefined : problemSince;
  }

  /** For so long that nothing more is kept waiting for it. */
  function isAway(partition: number): boolean {
    const since = awaySince(partition);
    return since !== undefined && clock.now() - since >= DATABASE_AWAY_MS;
  }

  function databaseProblem(): string | undefined {
    return troubled()?.problem;
  }

  function troubled(): { problem: string | undefined; problemSince: number } | undefined {
    return [pulse, ...lanes].find(({ problem }) => problem !== undefined);
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
      worker,
      databaseProblem: databaseProblem(),
      databaseProblemSince: troubled()?.problemSince,
      partitions,
      commits: lanes.reduce((sum, lane) => sum + lane.commits, 0),
      commands: lanes.reduce((sum, lane) => sum + lane.commands, 0),
      memoryBytes: parts.memoryBytes(),
    };
  }

  const locations = new Locations();
  map.owner.forEach((owner, partition) => {
    if (owner !== worker) return;
    actors.set(
      partition,
      new Actor(new Partition(partition, locations, host, clock.now()), laneOf(partition)),
    );
  });

  watchWorker({
    actors: () => [...actors.values()],
    epoch: () => Math.max(...lanes.map(({ epoch }) => epoch)),
    isServing: () => serving,
    databaseProblem,
  });
  const server = wire.listen(
    map.sockets[worker],
    dispatch,
    (reason) => log.warn('link.malformed', { worker, reason }),
    (caller) => {
      for (const { partition } of actors.values()) partition.claims.forsake(caller, clock.now());
    },
  );

  const startedAt = clock.now();
  const unsettled: UnsettledRow[] = [];
  for (const lane of lanes) {
    const owned = [...actors.values()]
      .map((actor) => actor.partition)
      .filter(({ partition }) => laneOf(partition) === lane);
    const recovered = await recover(reader, owned, clock, keysMs);
    lane.epoch = recovered.epoch;
    partitionsTaken.value += owned.length;
    unsettled.push(...recovered.unsettled);
  }
  serving = true;
  for (const { participant, id, decision, sold } of unsettled)
    void peers.settle([participant], id, { outcome: decision, sold });
  void pulse.beat();
  let cancelTick: () => void;
  const tick = (): void => {
    cancelTick = clock.after(WHEEL_TICK_MS, tick);
    const now = clock.now();
    levelReads.wake();
    for (const actor of actors.values()) {
      actor.wake(now);
      actor.partition.forgetOldKeys(now, keysMs);
    }
  };
  tick();
  log.info('worker.serving', {
    worker,
    partitions: actors.size,
    loadedInMs: clock.now() - startedAt,
  });

  return {
    async drain() {
      draining = true;
      cancelTick();
      pulse.stop();
      await Promise.all(lanes.map((lane) => lane.drained()));
      for (const lane of lanes) lane.close();
      peers.close();
      server.stop();
      await Promise.all([...stores.map((store) => store.close()), reader.close()]);
    },
  };
}
