/**
 * What keeps the partitions of a reservation of one mind: participants hold until they are told; one
 * that has heard nothing asks the home; a home without a record writes down that there will never be
 * one, and says so. (Try, confirm/cancel: Pardon and Pautasso, "Atomic distributed transactions: a
 * RESTful design", WS-REST 2014.)
 */
import { BATCH_COMMANDS_MAX, TOMBSTONE_MS } from '../limits.ts';
import type { Found } from '../storage/find-reservation.ts';
import type { Answer } from '../wire/link.ts';
import type { AskRequest, Outcome, Reply, SettleRequest } from '../wire/messages.ts';
import { closeAtHome } from './decide-close.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';
import { heldLines } from './views.ts';

/** A participant asks a little after the expiry, since the home will tell it at the expiry. */
const ASK_AFTER_EXPIRY_MS = 250;
const ASK_AGAIN_MS = 500;

export function ask(state: PartitionState, turn: Turn, { id }: AskRequest, answer: Answer): void {
  const slot = state.holds.find(id);
  if (slot === NONE) {
    // From here on a late `decide` is refused, whatever the database says.
    const asked = state.holds.add(id, 'asked', state.partition, turn.now, turn.now);
    state.wheel.set(asked, turn.now + TOMBSTONE_MS);
    return state.find(
      id,
      (found) => state.host.post(state.partition, { kind: 'asked', id, found, answer }),
      (reply) => {
        state.host.post(state.partition, { kind: 'forget', id });
        answer(reply);
      },
    );
  }
  const is = state.holds.state(slot);
  if (is === 'asked' || is === 'reholding') return answer({ kind: 'problem', code: 'partition-unavailable' });
  if (is === 'held' && state.holds.expiresAt[slot] <= turn.now) {
    closeAtHome(state, turn, slot, { outcome: 'expired' });
    return answerOutcome(state, answer, 'expired', 0);
  }
  if (is === 'held') return answerOutcome(state, answer, 'held', state.holds.expiresAt[slot]);
  if (is === 'never') return answerOutcome(state, answer, 'never', 0);
  // Settling: the database has the decision.
  state.find(id, (found) => answer(outcomeReply(found)), answer);
}

export function asked(state: PartitionState, turn: Turn, id: string, found: Found, answer: Answer): void {
  const slot = state.holds.find(id);
  // The database took so long that the wheel has dropped the mark.
  if (slot === NONE) return state.refuse(answer, 'partition-unavailable');
  // It took so long that another ask was answered meanwhile.
  if (state.holds.state(slot) !== 'asked') return answerOutcome(state, answer, 'never', 0);
  if (found !== undefined && found !== 'never') {
    state.forget(id);
    return state.whenDurable(() => answer(outcomeReply(found)));
  }
  state.holds.setState(slot, 'never');
  if (found === undefined) {
    const { batch, now } = turn;
    state.change(turn);
    batch.reservation({
      partition: state.partition,
      status: 'never',
      id,
      home: state.partition,
      createdAt: now,
      expiresAt: now,
      participants: [],
      lines: '{}',
    });
  }
  answerOutcome(state, answer, 'never', 0);
}

export function settle(
  state: PartitionState,
  turn: Turn,
  { id, outcome, expiresAt, sold }: SettleRequest,
  answer: Answer,
): void {
  const slot = state.holds.find(id);
  const is = slot === NONE ? undefined : state.holds.state(slot);
  if (is !== 'trying' && is !== 'decided') {
    return state.whenDurable(() => answer({ kind: 'settled', lines: [] }));
  }
  const lines = heldLines(state, slot);
  if (outcome === 'held') {
    state.holds.setState(slot, 'decided');
    state.holds.expiresAt[slot] = expiresAt;
    state.wheel.set(slot, expiresAt + ASK_AFTER_EXPIRY_MS);
  } else {
    state.release(turn, slot, { outcome, sold });
    state.drop(slot);
  }
  state.whenDurable(() => answer({ kind: 'settled', lines }));
}

/** @returns false when nothing is due */
export function decideDue(state: PartitionState, turn: Turn): boolean {
  const slot = state.wheel.takeDue(turn.now);
  if (slot === NONE) return false;
  turn.batch.due++;
  cameDue(state, turn, slot);
  return true;
}

/** Decides what is due, as far as the batch has room. @returns whether anything was */
export function decideAllDue(state: PartitionState, turn: Turn): boolean {
  let any = false;
  while (turn.batch.due < BATCH_COMMANDS_MAX && decideDue(state, turn)) any = true;
  return any;
}

/** The time has come: to expire at the home, to ask as a participant, to forget what never was. */
export function cameDue(state: PartitionState, turn: Turn, slot: number): void {
  switch (state.holds.state(slot)) {
    case 'held':
      return closeAtHome(state, turn, slot, { outcome: 'expired' });
    case 'trying':
    case 'decided':
      // Asked again a little later, should the answer not come: also where the clock was set back, and now is long due.
      state.wheel.set(slot, Math.max(turn.now, state.wheel.reached) + ASK_AGAIN_MS);
      return state.host.askHome(state.partition, state.holds.home[slot], state.holds.idOf(slot));
    case 'asked':
    case 'never':
      return state.drop(slot);
  }
}

/** What the database says, as a participant must hear it. */
function outcomeReply(found: Found): Reply {
  if (found === undefined || found === 'never') return { kind: 'outcome', outcome: 'never', expiresAt: 0 };
  if (found === 'reheld') return { kind: 'outcome', outcome: 'confirmed', expiresAt: 0 };
  return { kind: 'outcome', outcome: found.status, expiresAt: 0, sold: found.sold };
}

function answerOutcome(state: PartitionState, answer: Answer, outcome: Outcome, expiresAt: number): void {
  state.whenDurable(() => answer({ kind: 'outcome', outcome, expiresAt }));
}
