/** Closing a reservation at its home, whose record is the decision for all partitions. */
import type { GrantedLine, Reservation, Status } from '../reservations/types.ts';
import type { Answer } from '../wire/link.ts';
import type { CancelRequest, Outcome } from '../wire/messages.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';
import { heldLines } from './views.ts';

export function cancel(state: PartitionState, turn: Turn, { id }: CancelRequest, answer: Answer): void {
  const slot = state.holds.find(id);
  if (slot === NONE || state.holds.state(slot) !== 'held') return cancelClosed(state, id, answer);
  if (state.holds.expiresAt[slot] <= turn.now) {
    closeAtHome(state, turn, slot, 'expired');
    return state.refuse(answer, 'reservation-expired');
  }
  const reservation: Reservation = {
    id,
    status: 'cancelled',
    lines: heldLines(state, slot),
    reference: state.holds.reference(slot),
    createdAt: state.holds.createdAt[slot],
    expiresAt: state.holds.expiresAt[slot],
    closedAt: turn.now,
  };
  closeAtHome(state, turn, slot, 'cancelled', (others) => {
    if (others === undefined) return readCancelled(state, id, answer);
    reservation.lines.push(...others);
    reservation.lines.sort((a, b) => a.line - b.line);
    answer({ kind: 'reservation', reservation });
  });
}

/** A participant had been told before, and no longer has its lines; the database does. It is cancelled, read or not. */
function readCancelled(state: PartitionState, id: string, answer: Answer): void {
  getReservation(state, id, (reply) =>
    answer(reply.kind === 'problem' ? { kind: 'problem', code: 'outcome-unknown' } : reply),
  );
}

/** What is not open here was closed before, or was never there; only the database can tell. */
function cancelClosed(state: PartitionState, id: string, answer: Answer): void {
  state.find(
    id,
    (found) => {
      if (found === undefined || found === 'never') {
        return answer({ kind: 'problem', code: 'unknown-reservation' });
      }
      // Open in the database and not in memory: between two owners.
      if (found.status === 'held') return answer({ kind: 'problem', code: 'partition-unavailable' });
      if (found.status !== 'cancelled') {
        return answer({ kind: 'problem', code: `reservation-${found.status}` });
      }
      // Another cancel is still telling participants; this one too may say so only when the stock is back.
      const told = found.unsettled.length > 0 && state.host.settle(found.unsettled, id, 'cancelled');
      void Promise.resolve(told).then(() => answer({ kind: 'reservation', reservation: found }));
    },
    answer,
  );
}

/** Makes the decision to close, and sees that every participant hears of it. `then` gets their lines. */
export function closeAtHome(
  state: PartitionState,
  turn: Turn,
  slot: number,
  outcome: Exclude<Status, 'held'>,
  then: (others: GrantedLine[] | undefined) => void = () => {},
): void {
  const participants = state.holds.participants(slot);
  const id = state.holds.idOf(slot);
  state.release(turn, slot, outcome);
  if (participants.length === 0) {
    state.drop(slot);
    return turn.batch.whenDurable(() => then([]));
  }
  state.wheel.remove(slot);
  state.holds.setState(slot, 'settling');
  state.holds.dropLines(slot);
  turn.batch.whenDurable(() => spread(state, participants, id, outcome, then));
}

function spread(
  state: PartitionState,
  participants: number[],
  id: string,
  outcome: Outcome,
  then: (others: GrantedLine[] | undefined) => void,
): void {
  void state.host.settle(participants, id, outcome).then((others) => {
    state.host.post(state.partition, { kind: 'settled', id });
    then(others);
  });
}

export function getReservation(state: PartitionState, id: string, answer: Answer): void {
  state.find(
    id,
    (found) => {
      if (found === undefined || found === 'never') answer({ kind: 'problem', code: 'unknown-reservation' });
      else answer({ kind: 'reservation', reservation: found });
    },
    answer,
  );
}
