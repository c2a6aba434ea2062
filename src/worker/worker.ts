/**
 * A worker: the actors of its partitions, their commit lanes, and the socket that fronts and other workers
 * reach it by. It touches nothing but what it is given: start-worker.ts gives it a process, Unix sockets
 * and Postgres, the simulation its own.
 *
 * It listens before its partitions are loaded, and answers `partition-unavailable` until they are; partitions may come and
 * go while it works (estate.ts). When it learns that one was taken from it by force it ends at once, dropping everything it
 * holds in memory: what was not committed was never acknowledged.
 */
import type { Clock } from '../clock.ts';
import { DATABASE_AWAY_MS, DRAIN_ANSWERS_MS, DRAIN_POLL_MS, WHEEL_TICK_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { ClaimUnderWay } from '../process.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { CommitStore } from '../storage/commit-store.ts';
import type { ReadStore } from '../storage/read-store.ts';
import type { Answer, Wire } from '../wire/link.ts';
import type {
  HotSku,
  PartitionStatus,
  ReadApiKeysRequest,
  Request,
  SearchRequest,
} from '../wire/messages.ts';
import { getReservation } from './decide-close.ts';
import { exportLevels } from './decide-stock.ts';
import { Estate } from './estate.ts';
import { HotSkus } from './hot-skus.ts';
import { Lane } from './lane.ts';
import { LevelReads } from './level-reads.ts';
import { Peers } from './peers.ts';
import { Pulse } from './pulse.ts';
import { recall } from './remember.ts';
import type { Host } from './state.ts';
import { follow } from './traces.ts';
import { watchWorker } from './worker-metrics.ts';

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

export interface RunningWorker {
  drain(): Promise<void>;
  /** From now on, other partitions are where this map says. */
  adopt(map: PartitionMap): void;
  /** @see Estate.give */
  give(partitions: number[]): Promise<ClaimUnderWay[] | undefined>;
  /** @see Estate.take */
  take(partitions: number[], claims: ClaimUnderWay[]): Promise<boolean>;
  owned(): number[];
}

export async function runWorker(parts: WorkerParts): Promise<RunningWorker> {
  const { worker, map, clock, stores, reader, wire, searches, keysMs } = parts;
  const lanes = stores.map((store) => new Lane(store, clock, parts.fail));
  const pulse = new Pulse(checkOwned, reader.failureText, clock);
  const levelReads = new LevelReads(
    (partition) => estate.laneOf(partition),
    (partition) => (awaySince(partition) === undefined ? undefined : pulse.silentSeconds()),
  );
  const hotSkus = new HotSkus();
  let draining = false;

  const peers = new Peers(map, worker, clock, wire.connect, dispatch, reader.isHeld);
  const host: Host = {
    post: (partition, command) => estate.find(partition)?.post(command),
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

  const estate = new Estate({
    lanes,
    reader,
    clock,
    keysMs,
    host,
    onUnsettled: ({ participant, id, decision, sold }) =>
      void peers.settle([participant], id, { outcome: decision, sold }),
    fail: parts.fail,
  });

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
    estate.find(partition)?.receive(settle, () => {});
  }

  const isNowhere = (partition: number): boolean => partition >= map.owner.length;

  function dispatch(request: Request, reply: Answer, caller?: object): void {
    if (request.kind === 'status') return reply({ kind: 'status', status: status() });
    if (request.kind === 'read-api-keys') return searches.receive(request, reply);
    if (request.kind === 'hottest') return reply({ kind: 'hottest', skus: hottest() });
    const answer = request.trace === undefined ? reply : follow(request, reply);
    if (request.kind === 'find-reservations' || request.kind === 'read-ledger') {
      return draining
        ? answer({ kind: 'problem', code: 'partition-unavailable' })
        : searches.receive(request, answer);
    }
    const actor = estate.find(request.partition);
    if (draining || actor?.state !== 'serving') {
      return answer({ kind: 'problem', code: 'partition-unavailable' });
    }
    if (request.kind === 'get-levels') return levelReads.read(actor.partition, request, answer);
    if (isAway(request.partition) && !isToBeKept(request))
      return answer({ kind: 'problem', code: 'overloaded' });
    switch (request.kind) {
      case 'export-levels':
        return exportLevels(actor.partition, request, answer);
      case 'get-reservation':
        return getReservation(actor.partition, request.id, answer);
      case 'claim':
        return actor.partition.claims.claim(request, clock.now(), answer, caller);
      case 'prolong':
        actor.partition.claims.prolong(request, clock.now(), caller);
        return answer({ kind: 'claimed', known: true });
      case 'release':
        actor.partition.claims.release(request, clock.now());
        return answer({ kind: 'claimed', known: true });
      case 'recall':
        return recall(actor.partition, request.key, answer);
      case 'hold':
        // No front would name a partition that is not there.
        if (isNowhere(request.home) || request.participants.some(isNowhere))
          return answer({ kind: 'problem', code: 'partition-unavailable' });
        if (request.role !== 'probe') hotSkus.count(actor.partition, request.lines, clock.now());
        return actor.receive(request, answer);
      default:
        return actor.receive(request, answer);
    }
  }

  /** One that commits nothing is not fenced: it would go on reading out what is no longer so. One that ends forgets itself. */
  async function checkOwned(): Promise<void> {
    for (const { epoch } of lanes) {
      if ((await reader.readCommitSeq(epoch)) !== undefined || draining) continue;
      parts.fail('fenced', `epoch ${epoch} is over: another owner has taken its partitions`);
    }
  }

  /** Since when the database takes no commits of a partition, in milliseconds; undefined while it does. */
  function awaySince(partition: number): number | undefined {
    const { problem, problemSince } = pulse.problem === undefined ? estate.laneOf(partition) : pulse;
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

  function hottest(): HotSku[] {
    return hotSkus.hottest(clock.now(), (partition) => {
      const actor = estate.find(partition);
      return actor?.state === 'serving' ? actor.partition.snapshot : undefined;
    });
  }

  function status() {
    const partitions: PartitionStatus[] = estate.all.map(({ partition, state, mailboxDepth, decided }) => ({
      partition: partition.partition,
      state: state === 'left' ? 'leaving' : state,
      epoch: estate.laneOf(partition.partition).epoch,
      levels: partition.snapshot.levels,
      held: partition.holds.count,
      mailboxDepth,
      commitSeq: estate.laneOf(partition.partition).commitSeq,
      commands: decided,
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

  watchWorker({
    actors: () => estate.all,
    epoch: () => Math.max(...lanes.map(({ epoch }) => epoch)),
    databaseProblem,
    overloaded: () => lanes.some(({ admission }) => admission.isOverloaded),
  });
  const server = wire.listen(
    map.sockets[worker],
    dispatch,
    (reason) => log.warn('link.malformed', { worker, reason }),
    (caller) => {
      for (const { partition } of estate.all) partition.claims.forsake(caller, clock.now());
    },
  );

  const startedAt = clock.now();
  const mine = [...map.owner.keys()].filter((partition) => map.owner[partition] === worker);
  await estate.found(mine);
  void pulse.beat();
  let cancelTick: () => void;
  const tick = (): void => {
    cancelTick = clock.after(WHEEL_TICK_MS, tick);
    const now = clock.now();
    levelReads.wake();
    for (const actor of estate.all) {
      actor.wake(now);
      actor.partition.forgetOldKeys(now, keysMs);
    }
  };
  tick();
  log.info('worker.serving', {
    worker,
    partitions: mine.length,
    loadedInMs: clock.now() - startedAt,
  });

  return {
    adopt: (map) => peers.adopt(map),
    give: (partitions) => estate.give(partitions),
    take: (partitions, claims) => estate.take(partitions, claims),
    owned: () => estate.all.map(({ partition }) => partition.partition),
    async drain() {
      draining = true;
      cancelTick();
      pulse.stop();
      estate.close();
      await Promise.all(lanes.map((lane) => lane.drained()));
      // What is decided and durable may still wait to hear of another partition, or for a read.
      const giveUpAt = clock.now() + DRAIN_ANSWERS_MS;
      while (server.unanswered > 0 && clock.now() < giveUpAt)
        await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
      for (const lane of lanes) lane.close();
      // In vain while the database is away; the next server does it.
      await Promise.all(lanes.map(({ epoch }) => reader.forgetOwner(epoch).catch(() => {})));
      peers.close();
      server.stop();
      await Promise.all([...stores.map((store) => store.close()), reader.close()]);
    },
  };
}

/** What needs no database, and what has had an effect already and is only to be written down. */
function isToBeKept(request: Request): boolean {
  if (request.kind === 'seal') return request.summary !== undefined;
  return request.kind === 'release' || request.kind === 'prolong';
}
