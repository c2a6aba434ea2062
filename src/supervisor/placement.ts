/**
 * Which worker is to own which partition: the one place where that changes, and one change at a time.
 *
 * DESIGN. The map says who is to own, the database who does (src/storage/take-partitions.ts says why there is never more than
 * one), and each worker keeps its own record of what it was given. A move:
 *
 *   the owner is told to give ─▶ it has given (or has died: then nothing was moved, and its successor takes what the map says)
 *     ─▶ the new map goes to every process ─▶ the other is told to take ─▶ it serves
 *
 * From the moment the map has changed the partition is the other's: if that one dies, its successor finds it in the map. A worker
 * that is down gives nothing, so that is left out: first its process is ended for certain, so that what takes its place is started
 * with the new map. Nothing here is written down: a supervisor that dies takes its workers along, and
 * the next one begins with equal shares.
 */
import { LOADING_TURN_MS, MOVED_AT_ONCE, MOVES_WAITING_MAX } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { ClaimUnderWay, MoveOutcome } from '../process.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { KeptProcess } from './kept-process.ts';

export class Placement {
  private lastTurn: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  /** Partitions that were taken over, and from whom. */
  private readonly displaced = new Map<number, number>();
  /** Workers that are being restarted: nothing is moved there by hand. */
  readonly restarting = new Set<number>();
  /** Workers that there are at all times. */
  private readonly size: number;

  constructor(
    /** The newest one. */
    public map: PartitionMap,
    private readonly workers: () => KeptProcess[],
    private readonly publish: (map: PartitionMap) => void,
  ) {
    this.size = map.sockets.length;
  }

  ownedBy(worker: number): number[] {
    return [...this.map.owner.keys()].filter((partition) => this.map.owner[partition] === worker);
  }
  /** What a worker lost because it was down, and nobody has moved since. */
  displacedFrom(worker: number): number[] {
    return [...this.displaced].flatMap(([partition, from]) => (from === worker ? [partition] : []));
  }

  /** What an operator asks for. */
  async move(partition: number, to: number): Promise<MoveOutcome> {
    if (to >= this.size) return refusal('unknown-worker', `there are workers 0 to ${this.size - 1}`);
    if (this.restarting.has(to)) return refusal('worker-unavailable', `worker ${to} is being restarted`);
    if (this.waiting >= MOVES_WAITING_MAX) {
      return refusal('moves-waiting', `${MOVES_WAITING_MAX} moves wait for their turn already`);
    }
    return this.inTurn(async () => {
      if (this.map.owner[partition] === to) return { kind: 'there', mapVersion: this.map.version };
      const reason = await this.shift([partition], to);
      if (reason !== undefined) return refusal('worker-unavailable', reason);
      return { kind: 'moved', mapVersion: this.map.version };
    });
  }

  /** Moves many, some at a time, so that each is out of reach for a moment only. @returns why not all of them were */
  async moveAll(partitions: number[], to: number): Promise<string | undefined> {
    for (let from = 0; from < partitions.length; from += MOVED_AT_ONCE) {
      const some = partitions.slice(from, from + MOVED_AT_ONCE);
      const reason = await this.inTurn(() => this.shift(some, to));
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** Gives what a worker owns that is down to those that are not, in equal shares. */
  takeOver(from: number): Promise<void> {
    return this.inTurn(async () => {
      const partitions = this.ownedBy(from);
      const others = this.workers().flatMap(({ isServing }, worker) =>
        isServing && worker !== from && worker < this.size ? [worker] : [],
      );
      if (partitions.length === 0 || others.length === 0) return;
      // It may be on its feet again, or never wake up: what counts is that it is gone before others begin.
      await this.workers()[from].endForCertain();
      this.workers()[from].deaths = [];
      log.warn('worker.taken-over', { worker: from, partitions: partitions.length, by: others });
      const shares = others.map((_, share) => partitions.filter((_, i) => i % others.length === share));
      for (const partition of partitions) this.displaced.set(partition, from);
      this.assign(shares.map((share, i) => [share, others[i]]));
      await Promise.all(shares.map((share, i) => this.have(others[i], share, [])));
      log.info('partitions.moved', { partitions, to: others, mapVersion: this.map.version });
    });
  }

  /** There is one worker more, which owns nothing yet. */
  grow(socket: string): Promise<void> {
    return this.inTurn(async () => {
      this.change({ ...this.map, sockets: [...this.map.sockets, socket] });
    });
  }

  /** Again without it, unless it owns something. `end` is run first, for what it still has to answer. @returns whether it is gone */
  shrink(end: () => Promise<void>): Promise<boolean> {
    return this.inTurn(async () => {
      if (this.ownedBy(this.size).length > 0) return false;
      await end();
      this.change({ ...this.map, sockets: this.map.sockets.slice(0, this.size) });
      return true;
    });
  }

  /** @returns why not all were moved, or are not served yet */
  private async shift(partitions: number[], to: number): Promise<string | undefined> {
    const taker = this.workers()[to];
    if (!taker?.isServing) return `worker ${to} is not serving`;
    for (const [from, some] of Map.groupBy(partitions, (partition) => this.map.owner[partition])) {
      if (from === to) continue;
      const giver = this.workers()[from];
      if (!giver?.isServing) return `worker ${from}, which has it, is not serving`;
      const gave = await giver.order({ type: 'give', partitions: some });
      if (gave?.type !== 'gave') return `worker ${from} ended before it had given it up`;
      if (gave.claims === undefined) return `worker ${from} has not loaded it yet`;
      for (const partition of some) this.displaced.delete(partition);
      this.assign([[some, to]]);
      if (!(await this.have(to, some, gave.claims)))
        return `worker ${to} has it now, and has not loaded it within ${LOADING_TURN_MS / 1000} s; it goes on trying`;
      log.info('partitions.moved', { partitions: some, to: [to], mapVersion: this.map.version });
    }
    return undefined;
  }

  /** If it ends meanwhile, whoever is started in its place finds them in the map. @returns false where it takes too long */
  private async have(worker: number, partitions: number[], claims: ClaimUnderWay[]): Promise<boolean> {
    const took = await this.workers()[worker].order({ type: 'take', partitions, claims });
    return took?.type !== 'took' || took.served;
  }

  private assign(shares: [partitions: number[], worker: number][]): void {
    const owner = [...this.map.owner];
    for (const [partitions, worker] of shares) for (const partition of partitions) owner[partition] = worker;
    this.change({ ...this.map, owner });
  }

  private change(map: PartitionMap): void {
    this.map = { ...map, version: this.map.version + 1 };
    this.publish(this.map);
  }

  private async inTurn<T>(run: () => Promise<T>): Promise<T> {
    this.waiting++;
    const turn = this.lastTurn.then(run);
    this.lastTurn = turn.catch(() => {}).finally(() => this.waiting--);
    return turn;
  }
}

function refusal(
  why: Extract<MoveOutcome, { kind: 'refused' }>['why'],
  reason: string,
): Extract<MoveOutcome, { kind: 'refused' }> {
  return { kind: 'refused', why, reason };
}
