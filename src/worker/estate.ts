/**
 * The partitions that a worker owns, and how they become more and fewer while it works, one order after another. It is the worker's
 * own record of what it owns: maps say whom to ask, and may be older or newer than this.
 *
 *   take: the database names this worker's owner (storage/take-partitions.ts) ─▶ rows are loaded ─▶ served
 *   give: nothing more is taken from callers ─▶ the last commit gives it up ─▶ forgotten, with all of its memory
 *
 * What is on its way to either end does not fail: the database may be away for as long as it likes, and then it goes on. But the
 * next order waits for a loading only for LOADING_TURN_MS: rows that can't be loaded, now or ever, must not keep a
 * worker from all others. What is not loaded is not given up either, since nothing is known of it. Nor does it keep those that it came
 * with: after a failure that is not the connection's, each of them is loaded by itself, and only what can't be loaded is left.
 */
import type { Clock } from '../clock.ts';
import { COMMIT_LANES, LOADING_TURN_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { ClaimUnderWay } from '../process.ts';
import type { UnsettledRow } from '../storage/load-partitions.ts';
import type { ReadStore } from '../storage/read-store.ts';
import { Actor } from './actor.ts';
import type { Lane } from './lane.ts';
import { Partition } from './partition.ts';
import { recover } from './recovery.ts';
import { Locations } from './snapshot.ts';
import type { Host } from './state.ts';
import { partitionsTaken } from './worker-metrics.ts';

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 5000;

export interface EstateParts {
  lanes: Lane[];
  reader: ReadStore;
  clock: Clock;
  keysMs: number;
  host: Host;
  /** Told of decisions that participants may not have heard. */
  onUnsettled(row: UnsettledRow): void;
  fail(reason: 'fenced' | 'defect', detail: string): void;
}

export class Estate {
  private readonly actors = new Map<number, Actor>();
  private readonly locations = new Locations();
  private lastTurn: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(private readonly parts: EstateParts) {}

  find(partition: number): Actor | undefined {
    return this.actors.get(partition);
  }
  get all(): Actor[] {
    return [...this.actors.values()];
  }
  laneOf(partition: number): Lane {
    return this.parts.lanes[partition % COMMIT_LANES];
  }

  /** At the start of a worker: each of its lanes becomes an owner. Rejects where the database fails. */
  async found(partitions: number[]): Promise<void> {
    const actors = this.enter(partitions);
    const unsettled: UnsettledRow[] = [];
    for (const lane of this.parts.lanes) unsettled.push(...(await this.load(lane, actors)));
    this.serve(actors, unsettled);
  }

  /** In addition to what is owned. @returns whether all are served; where some are not yet, their loading goes on */
  take(partitions: number[], claims: ClaimUnderWay[]): Promise<boolean> {
    return this.inTurn(async () => {
      const missing = partitions.filter((partition) => !this.actors.has(partition));
      const loaded = this.parts.lanes.map(async (lane) => {
        const ofLane = missing.filter((partition) => this.laneOf(partition) === lane);
        if (ofLane.length > 0) await this.takeUntilLoaded(lane, ofLane, claims);
      });
      await this.atMost(LOADING_TURN_MS, Promise.all(loaded));
      return partitions.every((partition) => this.actors.get(partition)?.state === 'serving');
    });
  }

  private async takeUntilLoaded(lane: Lane, partitions: number[], claims: ClaimUnderWay[]): Promise<void> {
    let groups = [partitions];
    for (let retryMs = RETRY_MS_MIN; ; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
      const left: number[][] = [];
      for (const group of groups) left.push(...(await this.takeOnce(lane, group, claims)));
      if (left.length === 0) return;
      groups = left;
      await new Promise<void>((resolve) => this.parts.clock.after(retryMs, resolve));
    }
  }

  /** @returns what is to be tried again, and together; nothing once this worker ends */
  private async takeOnce(lane: Lane, partitions: number[], claims: ClaimUnderWay[]): Promise<number[][]> {
    if (this.closed) return [];
    const { clock, reader, fail } = this.parts;
    // Anew each time: what a broken stream has left half loaded is dropped.
    const actors = this.enter(partitions);
    try {
      const unsettled = await this.load(lane, actors, lane.epoch);
      for (const { partition } of actors)
        for (const claim of claims)
          if (claim.partition === partition.partition) partition.claims.takeOver(claim, clock.now());
      this.serve(actors, unsettled);
      return [];
    } catch (error) {
      const kind = reader.failureKind(error);
      if (kind === 'fenced') {
        fail('fenced', `epoch ${lane.epoch} is over: it can take no partitions`);
        return [];
      }
      log.warn('partitions.not-taken', { partitions, reason: reader.failureText(error) });
      for (const actor of actors) actor.state = 'failing';
      // Where it was not the connection, it may be the rows of one of them.
      return kind === 'ambiguous' ? [partitions] : partitions.map((partition) => [partition]);
    }
  }

  /**
   * Resolves when this worker has given them up and can never write to them again.
   * @returns the claims to go with them; undefined where it keeps all of them, because some are not loaded
   */
  give(partitions: number[]): Promise<ClaimUnderWay[] | undefined> {
    return this.inTurn(async () => {
      const leaving = partitions.flatMap((partition) => this.actors.get(partition) ?? []);
      if (leaving.some(({ state }) => state !== 'serving')) return undefined;
      const claims = leaving.flatMap(({ partition }) => partition.claims.handOver(partition.partition));
      await Promise.all(leaving.map((actor) => actor.leave()));
      for (const { partition } of leaving) this.actors.delete(partition.partition);
      return claims;
    });
  }

  private atMost(ms: number, done: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.parts.clock.after(ms, resolve);
      done.then(() => resolve(), reject).finally(cancel);
    });
  }

  private async inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.lastTurn.then(run);
    this.lastTurn = turn.catch(() => {});
    return turn;
  }

  /** Ends what still waits for the database. */
  close(): void {
    this.closed = true;
  }

  private enter(partitions: number[]): Actor[] {
    const { host, clock } = this.parts;
    return partitions.map((number) => {
      // To itself, not to whichever actor has the partition by then: it may have left and come back.
      const own: Host = { ...host, post: (_, command) => actor.post(command) };
      const partition = new Partition(number, this.locations, own, clock.now());
      const isFailing = this.actors.get(number)?.state === 'failing';
      const actor = new Actor(partition, this.laneOf(number), isFailing ? 'failing' : 'loading');
      this.actors.set(number, actor);
      return actor;
    });
  }

  private async load(lane: Lane, actors: Actor[], joining?: number): Promise<UnsettledRow[]> {
    const { reader, clock, keysMs } = this.parts;
    const owned = actors
      .map(({ partition }) => partition)
      .filter(({ partition }) => this.laneOf(partition) === lane);
    const { epoch, lastPage, unsettled } = await recover(reader, owned, clock, keysMs, joining);
    lane.epoch = epoch;
    lane.page = Math.max(lane.page, lastPage);
    partitionsTaken.value += owned.length;
    return unsettled;
  }

  private serve(actors: Actor[], unsettled: UnsettledRow[]): void {
    for (const actor of actors) actor.serve();
    for (const row of unsettled) this.parts.onUnsettled(row);
  }
}
