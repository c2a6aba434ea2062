/** Closing a reservation at its home, whose record is the decision for all partitions. */
import { soldLines } from '../reservations/sold.ts';
import type { GrantedLine } from '../reservations/types.ts';
import type { FoundReservation } from '../storage/find-reservation.ts';
import type { Answer } from '../wire/link.ts';
import type { CancelRequest, ConfirmRequest } from '../wire/messages.ts';
import { remember } from './remember.ts';
import { NONE } from './snapshot.ts';
import type { Decision, PartitionState, Turn } from './state.ts';
import { reservationAt } from './views.ts';
import { countClosed } from './worker-metrics.ts';

/** Confirming and cancelling: alike, but for what becomes of the stock. */
export function close(
  state: PartitionState,
  turn: Turn,
  request: CancelRequest | ConfirmRequest,
  answer: Answer,
): void {
  const { id } = request;
  const decision = decisionOf(request);
  const slot = openSlot(state, turn, id, answer);
  if (slot === 'expired') return;
  if (slot === NONE) return closeAgain(state, id, decision.outcome, answer);
  const reservation = { ...reservationAt(state, slot, decision.outcome), closedAt: turn.now };
  const { status, expiresAt } = reservation;
  remember(state, turn, { kind: 'seen', id, status, expiresAt, short: [] });
  closeAtHome(state, turn, slot, decision, (others) => {
    if (others === undefined) return readClosed(state, id, answer);
    const lines = [...reservation.lines, ...others].sort((a, b) => a.line - b.line);
    answer({ kind: 'reservation', reservation: { ...reservation, lines: soldLines(lines, decision.sold) } });
  });
}

function decisionOf(request: CancelRequest | ConfirmRequest) {
  return request.kind === 'confirm'
    ? ({ outcome: 'confirmed', sold: request.sold } as const)
    : ({ outcome: 'cancelled', sold: undefined } as const);
}

/**
 * The slot of a reservation that is open here; NONE for one that is not; `expired` for one that has just expired,
 * which is answered when its stock is back.
 */
export function openSlot(state: PartitionState, turn: Turn, id: string, answer: Answer): number | 'expired' {
  const slot = state.holds.find(id);
  if (slot === NONE || state.holds.state(slot) !== 'held') return NONE;
  if (state.holds.expiresAt[slot] > turn.now) return slot;
  closeAtHome(state, turn, slot, { outcome: 'expired' }, () =>
    answer({ kind: 'problem', code: 'reservation-expired' }),
  );
  return 'expired';
}

/** A participant had been told before, and no longer has its lines; the database does. It is closed, read or not. */
function readClosed(state: PartitionState, id: string, answer: Answer): void {
  getReservation(state, id, (reply) =>
    answer(reply.kind === 'problem' ? { kind: 'problem', code: 'outcome-unknown' } : reply),
  );
}

/** What is not open here was closed before, or was never there; only the database can tell. */
function closeAgain(state: PartitionState, id: string, outcome: Decision['outcome'], answer: Answer): void {
  withFound(state, id, answer, (found) => {
    // Open in the database and not in memory: between two owners.
    if (found.status === 'held') return answer({ kind: 'problem', code: 'partition-unavailable' });
    const { status } = found;
    void state
      .whenTold(found, status)
      .then(() =>
        answer(
          status === outcome
            ? { kind: 'reservation', reservation: found }
            : { kind: 'problem', code: `reservation-${status}` },
        ),
      );
  });
}

/**
 * Makes the decision to close, and sees that every participant hears of it. `then` gets their lines.
 * @param as the status that the row gets, if it is not the outcome's name
 */
export function closeAtHome(
  state: PartitionState,
  turn: Turn,
  slot: number,
  decision: Decision,
  then: (others: GrantedLine[] | undefined) => void = () => {},
  as?: string,
): void {
  const participants = state.holds.participants(slot);
  const id = state.holds.idOf(slot);
  state.release(turn, slot, decision, as);
  state.open--;
  countClosed(decision.outcome);
  if (participants.length === 0) {
    state.drop(slot);
    return turn.batch.whenDurable(() => then([]));
  }
  state.wheel.remove(slot);
  state.holds.setState(slot, 'settling');
  state.holds.dropLines(slot);
  turn.batch.whenDurable(() => spread(state, participants, id, decision, then));
}

function spread(
  state: PartitionState,
  participants: number[],
  id: string,
  decision: Decision,
  then: (others: GrantedLine[] | undefined) => void,
): void {
  void state.host.settle(participants, id, decision).then((others) => {
    state.host.post(state.partition, { kind: 'settled', id });
    then(others);
  });
}

export function getReservation(state: PartitionState, id: string, answer: Answer): void {
  withFound(state, id, answer, (found) => answer({ kind: 'reservation', reservation: found }));
}

/** Reads what callers know under this id; answers that there is nothing, or that it can't be read. */
export function withFound(
  state: PartitionState,
  id: string,
  answer: Answer,
  then: (found: FoundReservation) => void,
): void {
  state.find(
    id,
    (found) => {
      if (found === undefined || typeof found === 'string')
        answer({ kind: 'problem', code: 'unknown-reservation' });
      else then(found);
    },
    answer,
  );
}
