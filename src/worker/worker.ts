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
import { COMMIT_LANES, WHEEL_TICK_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Running } from '../process.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { CommitStore } from '../storage/commit-store.ts';
import type { UnsettledRow } from '../storage/load-partitions.ts';
import type { ReadStore } from '../storage/read-store.ts';
import type { Answer, Wire } from '../wire/link.ts';
import type {
  HotSku,
  PartitionStatus,
  ReadApiKeysRequest,
  Request,
  SearchRequest,
} from '../wire/messages.ts';
import { Actor } from './actor.ts';
import { getReservation } from './decide-close.ts';
import { exportLevels, getLevels } from './decide-stock.ts';
import { HotSkus } from './hot-skus.ts';
import { Lane } from './lane.ts';
import { Partition } from './partition.ts';
import { Peers } from './peers.ts';
import { Pulse } from './pulse.ts';
import { recover } from './recovery.ts';
import { recall } from './remember.ts';
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
  /** What is read from the database for fronts, whatever becomes of the partitions. */
  searches: { receive(request: SearchRequest | ReadApiKeysRequest, answer: Answer): void };
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
  const pulse = new Pulse(checkOwned, reader.failureText, clock);
  const laneOf = (partition: number): Lane => lanes[partition % COMMIT_LANES];
  const actors = new Map<number, Actor>();
  const hotSkus = new HotSkus();
  let serving = false;
  let draining = false;

  const peers = new Peers(map, worker, clock, wire.connect, dispatch, reader.isHeld);
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

  function dispatch(request: Request, reply: Answer): void {
    if (request.kind === 'status') return reply({ kind: 'status', status: status() });
    if (request.kind === 'read-api-keys') return searches.receive(request, reply);
    if (request.kind === 'hottest') return reply({ kind: 'hottest', skus: hottest() });
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
      case 'hold':
        // No front would name a partition that is not there.
        if ([request.home, ...request.participants].some((partition) => partition >= map.owner.length))
          return answer({ kind: 'problem', code: 'partition-unavailable' });
        if (request.role !== 'probe') hotSkus.count(actor.partition, request.lines, clock.now());
        return actor.receive(request, answer);
      default:
        return actor.receive(request, answer);
    }
  }

  /** One that commits nothing is not fenced: it would go on reading out what is no longer so. */
  async function checkOwned(): Promise<void> {
    for (const { epoch } of lanes) {
      if ((await reader.readCommitSeq(epoch)) !== undefined) continue;
      parts.fail('fenced', `epoch ${epoch} is over: another owner has taken its partitions`);
    }
  }

  function databaseProblem(): string | undefined {
    return pulse.problem ?? lanes.find((lane) => lane.problem !== undefined)?.problem;
  }

  function hottest(): HotSku[] {
    return hotSkus.hottest(clock.now(), (partition) => actors.get(partition)?.partition.snapshot);
  }

  function status() {
    const partitions: PartitionStatus[] = [...actors.values()].map(
      ({ partition, mailboxDepth, decided }) => ({
        partition: partition.partition,
        state: serving ? 'serving' : 'loading',
        epoch: laneOf(partition.partition).epoch,
        levels: partition.snapshot.levels,
        held: partition.holds.count,
        mailboxDepth,
        commitSeq: laneOf(partition.partition).commitSeq,
        commands: decided,
      }),
    );
    return {
      worker,
      databaseProblem: databaseProblem(),
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
  const server = wire.listen(map.sockets[worker], dispatch, (reason) =>
    log.warn('link.malformed', { worker, reason }),
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
