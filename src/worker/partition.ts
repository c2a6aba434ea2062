/**
 * The state of one partition and every decision about it: the only code that changes levels and
 * reservations.
 *
 * Decisions are synchronous and in memory: there is no await between reading a level and changing it.
 * Changes go into the batch that is being formed. An answer leaves only when everything that it was
 * computed from is durable; so neither a grant nor a refusal, nor a read, can be undone by a crash.
 *
 * A reservation over several partitions: the home's record is the decision (try, confirm/cancel:
 * Pardon and Pautasso, "Atomic distributed transactions: a RESTful design", WS-REST 2014). A participant
 * holds until it is told; when it has heard nothing it asks the home, and a home without a record
 * writes down that there will never be one, and says so.
 */
import { ASK_HOME_AFTER_MS, TOMBSTONE_MS } from '../limits.ts';
import { allocate, giveBack } from '../reservations/allocate.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { GrantedLine, Reservation, Status } from '../reservations/types.ts';
import type { Answer } from '../wire/link.ts';
import type {
  AskRequest,
  CancelRequest,
  GetLevelsRequest,
  HoldRequest,
  Outcome,
  PutLevelRequest,
  SettleRequest,
} from '../wire/messages.ts';
import type { Author, Batch } from './batch.ts';
import { count } from './count.ts';
import { Holds } from './holds.ts';
import { type Locations, NONE, Snapshot } from './snapshot.ts';
import { grantedLines, heldLines } from './views.ts';
import { Wheel } from './wheel.ts';

/** What a partition can't do alone. */
export interface Host {
  /** Queues a command of the partition's own behind those that wait. */
  post(partition: number, command: OwnCommand): void;
  /** Asks the home of a reservation what became of it; the answer comes back as a `settle`. */
  askHome(partition: number, home: number, id: string): void;
  /** Tells participants that the reservation is held; an answer isn't needed. */
  tellHeld(participants: number[], id: string, expiresAt: number): void;
  /** Tells participants of a closing until all have acknowledged it. @returns their lines, if all still had them */
  settle(participants: number[], id: string, outcome: Outcome): Promise<GrantedLine[] | undefined>;
  /** Reads a reservation that is not in memory. */
  find(home: number, id: string): Promise<Reservation | undefined>;
}

export type CallerCommand = HoldRequest | PutLevelRequest | CancelRequest | AskRequest | SettleRequest;

/** Commands that a partition sends to itself, when what it waited for is there. */
export type OwnCommand =
  | { kind: 'settled'; id: string }
  | { kind: 'asked'; id: string; outcome: Status | undefined; answer: Answer }
  | { kind: 'forget'; id: string };

/** A participant asks a little after the expiry, since the home will tell it at the expiry. */
const ASK_AFTER_EXPIRY_MS = 250;
const ASK_AGAIN_MS = 500;

export class Partition implements Author {
  readonly snapshot: Snapshot;
  readonly holds = new Holds();
  private readonly wheel: Wheel;
  private lastBatch: Batch | undefined;
  epoch = 0;
  commitSeq = 0;
  ledgerSeq = 0;

  constructor(
    readonly partition: number,
    locations: Locations,
    private readonly host: Host,
    now: number,
  ) {
    this.snapshot = new Snapshot(locations);
    this.wheel = new Wheel(now);
  }

  /** Whether something is due; it stays due until it is decided. */
  isDue(now: number): boolean {
    const slot = this.wheel.takeDue(now);
    if (slot === NONE) return false;
    this.wheel.set(slot, 0);
    return true;
  }

  /** Decides one thing that is due. @returns false when there is none */
  decideDue(batch: Batch, now: number): boolean {
    const slot = this.wheel.takeDue(now);
    if (slot !== NONE) this.cameDue(batch, now, slot);
    return slot !== NONE;
  }

  /** Reads are not queued: they see what has been decided, and their answer waits until it is durable. */
  getLevels(request: GetLevelsRequest, answer: Answer): void {
    const sku = this.snapshot.findSku(request.sku);
    if (sku === NONE) return this.refuse(answer, 'unknown-sku');
    const levels = this.snapshot.levelsOfSku(sku).map((level) => this.snapshot.read(level));
    this.whenDurable(() => answer({ kind: 'levels', levels }));
  }

  getReservation(id: string, answer: Answer): void {
    this.find(
      id,
      (reservation) => {
        if (reservation === undefined) answer({ kind: 'problem', code: 'unknown-reservation' });
        else answer({ kind: 'reservation', reservation });
      },
      answer,
    );
  }

  decide(batch: Batch, now: number, command: CallerCommand | OwnCommand, answer: Answer): void {
    // Its caller has given up: dropped before it takes effect.
    if ('deadline' in command && command.deadline <= now)
      return answer({ kind: 'problem', code: 'overloaded' });
    switch (command.kind) {
      case 'hold':
        return this.hold(batch, now, command, answer);
      case 'put-level':
        return this.putLevel(batch, now, command, answer);
      case 'cancel':
        return this.cancel(batch, now, command, answer);
      case 'ask':
        return this.ask(batch, now, command, answer);
      case 'settle':
        return this.settle(batch, now, command, answer);
      case 'asked':
        return this.asked(batch, now, command.id, command.outcome, command.answer);
      case 'settled':
      case 'forget':
        return this.forget(command.id);
    }
  }

  private hold(batch: Batch, now: number, request: HoldRequest, answer: Answer): void {
    const { id, role, home, participants, createdAt, expiresAt, reference, lines } = request;
    // Only a tombstone can be there: the home said `never` to a participant, and keeps its word.
    if (this.holds.find(id) !== NONE) return this.refuse(answer, 'partition-unavailable');
    const { taken, refused } = allocate(this.snapshot, lines, request.strategy, request.locations);
    if (role === 'probe') giveBack(this.snapshot, taken);
    if (refused.length > 0) return this.whenDurable(() => answer({ kind: 'refused', lines: refused }));
    const granted = grantedLines(this.snapshot, taken);
    if (role === 'probe') return this.whenDurable(() => answer({ kind: 'granted', lines: granted }));

    this.change(batch);
    const trying = role === 'try';
    const slot = this.holds.add(id, trying ? 'trying' : 'held', home, createdAt, expiresAt, reference);
    let rows = '{';
    for (const { line, level, quantity } of taken) {
      this.holds.addLine(slot, line, level, quantity);
      this.touch(batch, now, level);
      batch.ledger(this, level, 'held', 0, quantity, id, now);
      rows += `${rows === '{' ? '' : ','}${line},${level},${quantity}`;
    }
    for (const participant of participants) this.holds.addParticipant(slot, participant);
    this.wheel.set(slot, trying ? now + ASK_HOME_AFTER_MS : expiresAt);
    batch.reservation(
      this.partition,
      'held',
      id,
      home,
      createdAt,
      expiresAt,
      reference,
      participants,
      `${rows}}`,
    );
    batch.whenDurable(() => {
      answer({ kind: 'granted', lines: granted });
      if (participants.length > 0) this.host.tellHeld(participants, id, expiresAt);
    });
  }

  private putLevel(batch: Batch, now: number, request: PutLevelRequest, answer: Answer): void {
    const counted = count(this.snapshot, request);
    if (typeof counted === 'string') return this.refuse(answer, counted);
    const { level, created, changed, delta } = counted;
    if (changed) {
      this.change(batch);
      batch.ledger(this, level, 'counted', delta, 0, null, now);
      this.touch(batch, now, level, created);
    }
    const after = this.snapshot.read(level);
    this.whenDurable(() => answer({ kind: 'level', created, level: after }));
  }

  private cancel(batch: Batch, now: number, { id }: CancelRequest, answer: Answer): void {
    const slot = this.holds.find(id);
    if (slot === NONE || this.holds.state(slot) !== 'held') return this.cancelClosed(id, answer);
    if (this.holds.expiresAt[slot] <= now) {
      this.closeAtHome(batch, now, slot, 'expired');
      return this.refuse(answer, 'reservation-expired');
    }
    const reservation: Reservation = {
      id,
      status: 'cancelled',
      lines: heldLines(this, slot),
      reference: this.holds.reference(slot),
      createdAt: this.holds.createdAt[slot],
      expiresAt: this.holds.expiresAt[slot],
      closedAt: now,
    };
    this.closeAtHome(batch, now, slot, 'cancelled', (others) => {
      if (others === undefined) return this.getReservation(id, answer);
      reservation.lines.push(...others);
      reservation.lines.sort((a, b) => a.line - b.line);
      answer({ kind: 'reservation', reservation });
    });
  }

  /** What is not open here was closed before, or was never there; only the database can tell. */
  private cancelClosed(id: string, answer: Answer): void {
    this.find(
      id,
      (reservation) => {
        if (reservation === undefined) return answer({ kind: 'problem', code: 'unknown-reservation' });
        if (reservation.status === 'cancelled') return answer({ kind: 'reservation', reservation });
        // Open in the database and not in memory: between two owners.
        if (reservation.status === 'held') return answer({ kind: 'problem', code: 'partition-unavailable' });
        answer({ kind: 'problem', code: `reservation-${reservation.status}` });
      },
      answer,
    );
  }

  private ask(batch: Batch, now: number, { id }: AskRequest, answer: Answer): void {
    const slot = this.holds.find(id);
    if (slot === NONE) {
      // From here on a late `decide` is refused, whatever the database says.
      const asked = this.holds.add(id, 'asked', this.partition, now, now);
      this.wheel.set(asked, now + TOMBSTONE_MS);
      return this.find(
        id,
        (reservation) =>
          this.host.post(this.partition, { kind: 'asked', id, outcome: reservation?.status, answer }),
        (reply) => {
          this.host.post(this.partition, { kind: 'forget', id });
          answer(reply);
        },
      );
    }
    const state = this.holds.state(slot);
    if (state === 'asked') return answer({ kind: 'problem', code: 'partition-unavailable' });
    if (state === 'held' && this.holds.expiresAt[slot] <= now) {
      this.closeAtHome(batch, now, slot, 'expired');
      return this.outcome(answer, 'expired', 0);
    }
    if (state === 'held') return this.outcome(answer, 'held', this.holds.expiresAt[slot]);
    if (state === 'never') return this.outcome(answer, 'never', 0);
    // Settling: the database has the decision.
    this.find(
      id,
      (found) => answer({ kind: 'outcome', outcome: found?.status ?? 'never', expiresAt: 0 }),
      answer,
    );
  }

  private asked(batch: Batch, now: number, id: string, found: Status | undefined, answer: Answer): void {
    const slot = this.holds.find(id);
    if (found !== undefined) {
      this.forget(id);
      return this.outcome(answer, found, 0);
    }
    this.change(batch);
    this.holds.setState(slot, 'never');
    batch.reservation(this.partition, 'never', id, this.partition, now, now, undefined, [], '{}');
    this.outcome(answer, 'never', 0);
  }

  private settle(batch: Batch, now: number, { id, outcome, expiresAt }: SettleRequest, answer: Answer): void {
    const slot = this.holds.find(id);
    const state = slot === NONE ? undefined : this.holds.state(slot);
    if (state !== 'trying' && state !== 'decided') {
      return this.whenDurable(() => answer({ kind: 'settled', lines: [] }));
    }
    const lines = heldLines(this, slot);
    if (outcome === 'held') {
      this.holds.setState(slot, 'decided');
      this.holds.expiresAt[slot] = expiresAt;
      this.wheel.set(slot, expiresAt + ASK_AFTER_EXPIRY_MS);
    } else {
      this.release(batch, now, slot, outcome);
      this.drop(slot);
    }
    this.whenDurable(() => answer({ kind: 'settled', lines }));
  }

  private cameDue(batch: Batch, now: number, slot: number): void {
    switch (this.holds.state(slot)) {
      case 'held':
        return this.closeAtHome(batch, now, slot, 'expired');
      case 'trying':
      case 'decided':
        // Asked again a little later, should the answer not come.
        this.wheel.set(slot, now + ASK_AGAIN_MS);
        return this.host.askHome(this.partition, this.holds.home[slot], this.holds.idOf(slot));
      case 'asked':
      case 'never':
        return this.drop(slot);
    }
  }

  /** Makes the decision to close, and sees that every participant hears of it. `then` gets their lines. */
  private closeAtHome(
    batch: Batch,
    now: number,
    slot: number,
    outcome: Exclude<Status, 'held'>,
    then: (others: GrantedLine[] | undefined) => void = () => {},
  ): void {
    const participants = this.holds.participants(slot);
    const id = this.holds.idOf(slot);
    this.release(batch, now, slot, outcome);
    if (participants.length === 0) {
      this.drop(slot);
      return batch.whenDurable(() => then([]));
    }
    this.wheel.remove(slot);
    this.holds.setState(slot, 'settling');
    this.holds.dropLines(slot);
    batch.whenDurable(() => this.spread(participants, id, outcome, then));
  }

  private spread(
    participants: number[],
    id: string,
    outcome: Outcome,
    then: (others: GrantedLine[] | undefined) => void,
  ): void {
    void this.host.settle(participants, id, outcome).then((others) => {
      this.host.post(this.partition, { kind: 'settled', id });
      then(others);
    });
  }

  /** Gives this partition's stock back, or takes it off the shelf, and writes that down. */
  private release(batch: Batch, now: number, slot: number, outcome: Exclude<Outcome, 'held'>): void {
    const { snapshot, holds } = this;
    const id = holds.idOf(slot);
    this.change(batch);
    for (let line = holds.firstLine[slot]; line !== NONE; line = holds.nextLine[line]) {
      const level = holds.lineLevel[line];
      if (level < 0) continue;
      const quantity = holds.lineQuantity[line];
      const sold = outcome === 'confirmed' ? quantity : 0;
      snapshot.reserved[level] -= quantity;
      snapshot.onHand[level] -= sold;
      this.touch(batch, now, level);
      batch.ledger(this, level, outcome, -sold, -quantity, id, now);
    }
    batch.closed(this.partition, id, outcome, now);
  }

  private forget(id: string): void {
    const slot = this.holds.find(id);
    if (slot !== NONE) this.drop(slot);
  }

  private drop(slot: number): void {
    this.wheel.remove(slot);
    this.holds.remove(slot);
  }

  /** Restores an open reservation at start. Its lines' units are already in the levels' `reserved`. */
  restore(
    id: string,
    home: number,
    decided: boolean,
    times: { createdAt: number; expiresAt: number; dueAt: number },
    reference: string | undefined,
    participants: number[],
    lines: number[],
  ): void {
    const state = home === this.partition ? 'held' : decided ? 'decided' : 'trying';
    const slot = this.holds.add(id, state, home, times.createdAt, times.expiresAt, reference);
    for (let i = 0; i < lines.length; i += 3) this.holds.addLine(slot, lines[i], lines[i + 1], lines[i + 2]);
    for (const participant of participants) this.holds.addParticipant(slot, participant);
    this.wheel.set(slot, times.dueAt);
  }

  /** The first change in a batch takes the next place in the partition's history. */
  private change(batch: Batch): void {
    if (this.lastBatch === batch) return;
    this.lastBatch = batch;
    this.commitSeq++;
    batch.addAuthor(this);
  }

  private touch(batch: Batch, now: number, level: number, created = false): void {
    this.snapshot.version[level]++;
    this.snapshot.updatedAt[level] = now;
    batch.touch(this, level, created);
  }

  private whenDurable(run: () => void): void {
    if (this.lastBatch === undefined || this.lastBatch.durable) run();
    else this.lastBatch.whenDurable(run);
  }

  private refuse(answer: Answer, code: ProblemCode): void {
    this.whenDurable(() => answer({ kind: 'problem', code }));
  }

  private outcome(answer: Answer, outcome: Outcome, expiresAt: number): void {
    this.whenDurable(() => answer({ kind: 'outcome', outcome, expiresAt }));
  }

  /** Reads the database once it has everything that was decided here; `failed` gets the problem, if there is one. */
  private find(id: string, found: (reservation: Reservation | undefined) => void, failed: Answer): void {
    this.whenDurable(() => {
      this.host
        .find(this.partition, id)
        .then(found, () => failed({ kind: 'problem', code: 'partition-unavailable' }));
    });
  }
}
