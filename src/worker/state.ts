/**
 * The state of one partition, and the few ways in which it changes. What is decided is in the
 * files beside this one (decide-*.ts); they change levels and reservations through this class only, which
 * sees that every change is in the batch, in the ledger and in the partition's history.
 *
 * An answer leaves only when everything that it was computed from is durable; so neither a grant nor a
 * refusal, nor a read, can be undone by a crash.
 */
import type { Key } from '../reservations/key.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { Sold } from '../reservations/sold.ts';
import type { GrantedLine, LedgerKind } from '../reservations/types.ts';
import type { Found, FoundReservation } from '../storage/find-reservation.ts';
import type { Answer } from '../wire/link.ts';
import type { HoldRequest, Outcome, Reply, Traceable } from '../wire/messages.ts';
import type { Author, Batch } from './batch.ts';
import type { NewHold, NewReservation, Note } from './batch-entries.ts';
import { Claims } from './claims.ts';
import { Growth } from './columns.ts';
import { Holds } from './holds.ts';
import { Keys } from './keys.ts';
import { type Locations, NONE, Snapshot } from './snapshot.ts';
import { Wheel } from './wheel.ts';

/** What a home has decided to do with an open reservation. */
export interface Decision {
  outcome: Exclude<Outcome, 'held'>;
  /** Of a confirmation in part. */
  sold?: Sold;
}

/** What a partition can't do alone. */
export interface Host {
  /** Queues a command of the partition's own behind those that wait. */
  post(partition: number, command: OwnCommand): void;
  /** Asks the home of a reservation what became of it; the answer comes back as a `settle`. */
  askHome(partition: number, home: number, id: string): void;
  /** Tells participants that the reservation is held; an answer isn't needed. */
  tellHeld(participants: readonly number[], id: string, expiresAt: number): void;
  /** Tells participants of a closing until all have acknowledged it. @returns their lines, if all still had them */
  settle(participants: readonly number[], id: string, decision: Decision): Promise<GrantedLine[] | undefined>;
  /** Reads a reservation that is not in memory. */
  find(home: number, id: string): Promise<Found>;
  /** Reads what was answered to an Idempotency-Key. */
  findAnswer(partition: number, key: Key): Promise<Uint8Array | undefined>;
}

/** Commands that a partition sends to itself, when what it waited for is there. */
export type OwnCommand =
  | { kind: 'settled'; id: string }
  | { kind: 'asked'; id: string; found: Found; answer: Answer }
  | { kind: 'rehold'; request: HoldRequest & Traceable; key: Turn['key']; found: Found; answer: Answer }
  | { kind: 'forget'; id: string }
  | { kind: 'remember'; key: Key; reply: Reply; answer: Answer };

/** The batch being formed, and the time that its decisions are made at, in milliseconds. */
export interface Turn {
  batch: Batch;
  now: number;
  /** The Idempotency-Key of what is being decided, and whether the batch has it already. */
  key?: Key & { remembered: boolean };
}

export class PartitionState implements Author {
  readonly snapshot: Snapshot;
  private readonly growth = new Growth();
  /** Of what comes and goes with each sale: copied less often, it takes the worker a twelfth less time. */
  private readonly growthOfHolds = new Growth(1 / 4);
  readonly holds = new Holds(this.growthOfHolds);
  /** Idempotency-Keys of what was decided here. */
  readonly keys = new Keys(this.growth);
  /** Idempotency-Keys that have their payload, wherever it is decided, by this partition. */
  readonly claims = new Claims(this.growth);
  readonly wheel: Wheel;
  private lastBatch: Batch | undefined;
  /** Each entry in the ledger gives its level another version: it is the sum of them. */
  ledgerSeq = 0;
  /** Open reservations whose home this is. */
  open = 0;

  constructor(
    readonly partition: number,
    locations: Locations,
    readonly host: Host,
    now: number,
  ) {
    this.snapshot = new Snapshot(locations, this.growth);
    this.wheel = new Wheel(now, this.growthOfHolds);
  }

  /** Rows will be restored, perhaps millions, until `restored`. */
  restoring(): void {
    this.growth.doubles = true;
    this.growthOfHolds.doubles = true;
  }

  /** @throws Error where levels are missing */
  restored(): void {
    this.growth.doubles = false;
    this.growthOfHolds.doubles = false;
    for (const structure of [this.snapshot, this.holds, this.wheel, this.keys, this.claims.keys])
      structure.fit();
    this.snapshot.checkRestored();
  }

  /** Must be called before the first change in a batch. */
  change({ batch }: Turn): void {
    if (this.lastBatch === batch) return;
    this.lastBatch = batch;
    batch.change();
    // A batch that has landed is let go, with its rows.
    batch.whenDurable(() => {
      if (this.lastBatch === batch) this.lastBatch = undefined;
    });
  }

  /** A level has changed: by how much, why, and for which reservation. */
  record(
    turn: Turn,
    level: number,
    kind: LedgerKind,
    onHandDelta: number,
    reservedDelta: number,
    reservation: string | null,
    note?: Note,
  ): void {
    this.touch(turn, level);
    turn.batch.ledger(this, level, kind, onHandDelta, reservedDelta, reservation, note);
  }

  private touch({ batch, now }: Turn, level: number): void {
    batch.touch(this, level);
    this.snapshot.version[level]++;
    this.snapshot.updatedAt[level] = now;
  }

  /** A count has made a level, and found so much there. */
  create(turn: Turn, level: number, onHand: number): void {
    turn.batch.create(this, level, onHand);
    this.snapshot.version[level] = 1;
    this.snapshot.updatedAt[level] = turn.now;
  }

  /** Writes down a new open reservation that is line 0 and of one level, and the level's change. */
  insertHold(turn: Turn, slot: number, level: number, quantity: number, reservation: NewHold): void {
    this.touch(turn, level);
    this.holds.writtenAt[slot] = turn.batch.hold(this, level, quantity, reservation);
    this.holds.writtenIn[slot] = turn.batch.number;
  }

  /** Writes down any other. */
  insert({ batch }: Turn, slot: number, reservation: NewReservation): void {
    this.holds.writtenAt[slot] = batch.reservation(reservation);
    this.holds.writtenIn[slot] = batch.number;
  }

  /** Writes down what has become of an open reservation; a batch has one row of it, however often it changes. */
  amend({ batch }: Turn, slot: number, status: string, sold: string | null = null): void {
    const { holds } = this;
    const amendment = { status, expiresAt: holds.expiresAt[slot], sold };
    holds.writtenAt[slot] =
      holds.writtenIn[slot] === batch.number
        ? batch.amend(holds.writtenAt[slot], amendment)
        : batch.changeOf(this.partition, holds.idOf(slot), 'held', amendment);
    holds.writtenIn[slot] = batch.number;
  }

  /**
   * Gives this partition's stock of a reservation back, or takes it off the shelf.
   * @param as the status that its row gets, if it is not the outcome's name
   */
  release(turn: Turn, slot: number, { outcome, sold }: Decision, as: string = outcome): void {
    const { holds } = this;
    const id = holds.idOf(slot);
    const lines = holds.linesOf(slot);
    this.change(turn);
    const isWhole = lines.length === 1 && sold === undefined && as === outcome;
    if (isWhole && holds.writtenIn[slot] !== turn.batch.number) {
      const [{ level, quantity }] = lines;
      this.lower(level, outcome === 'confirmed' ? quantity : 0, quantity);
      this.touch(turn, level);
      holds.writtenAt[slot] = turn.batch.close(this, level, quantity, id, outcome, holds.expiresAt[slot]);
      holds.writtenIn[slot] = turn.batch.number;
      return;
    }
    const left = outcome === 'confirmed' ? sold?.slice() : undefined;
    for (const { number, level, quantity } of lines) {
      let units = outcome === 'confirmed' ? quantity : 0;
      if (left !== undefined) {
        units = Math.min(quantity, left[number] ?? 0);
        left[number] -= units;
      }
      if (units > 0) this.giveUp(turn, level, 'confirmed', units, units, id);
      if (units < quantity)
        this.giveUp(turn, level, outcome === 'confirmed' ? 'released' : outcome, 0, quantity - units, id);
    }
    this.amend(turn, slot, as, sold === undefined ? null : `{${sold.join(',')}}`);
  }

  private giveUp(turn: Turn, level: number, kind: LedgerKind, sold: number, units: number, id: string): void {
    this.lower(level, sold, units);
    this.record(turn, level, kind, -sold, -units, id);
  }

  private lower(level: number, sold: number, units: number): void {
    const { snapshot } = this;
    if (snapshot.reserved[level] < units)
      throw new Error(`level ${level} has less reserved than is released`);
    snapshot.reserved[level] -= units;
    snapshot.onHand[level] -= sold;
  }

  /** Forgets a reservation, if it is there. */
  forget(id: string): void {
    const slot = this.holds.find(id);
    if (slot !== NONE) this.drop(slot);
  }

  /** Whether something is due; it stays due until it is decided. */
  isDue(now: number): boolean {
    const slot = this.wheel.takeDue(now);
    if (slot === NONE) return false;
    this.wheel.set(slot, 0);
    return true;
  }

  drop(slot: number): void {
    this.wheel.remove(slot);
    this.holds.remove(slot);
  }

  /** Runs once everything that has been decided here is durable. */
  whenDurable(run: () => void): void {
    if (this.lastBatch === undefined) run();
    else this.lastBatch.whenDurable(run);
  }

  /** Another request may still be telling participants that it is closed: whoever says so, too, waits until they have heard. */
  async whenTold({ unsettled, heldAs, sold }: FoundReservation, outcome: Decision['outcome']): Promise<void> {
    if (unsettled.length > 0) await this.host.settle(unsettled, heldAs, { outcome, sold });
  }

  refuse(answer: Answer, code: ProblemCode): void {
    this.whenDurable(() => answer({ kind: 'problem', code }));
  }

  /** Reads the database once it has everything that was decided here; `failed` gets the problem, if there is one. */
  find(id: string, found: (found: Found) => void, failed: Answer): void {
    this.whenDurable(() => {
      this.host
        .find(this.partition, id)
        .then(found, () => failed({ kind: 'problem', code: 'partition-unavailable' }));
    });
  }
}
