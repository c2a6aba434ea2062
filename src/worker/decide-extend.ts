/**
 * Holding a reservation longer. Only its home knows how long: a participant asks it when the time that it was
 * told has passed, and hears the new one.
 */
import type { Answer } from '../wire/link.ts';
import type { ExtendRequest } from '../wire/messages.ts';
import { openSlot, withFound } from './decide-close.ts';
import { remember } from './remember.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';
import { reservationAt } from './views.ts';

export function extend(
  state: PartitionState,
  turn: Turn,
  { id, expiresInMs }: ExtendRequest,
  answer: Answer,
): void {
  const slot = openSlot(state, turn, id, answer);
  if (slot === 'expired') return;
  if (slot === NONE) return refuseClosed(state, id, answer);
  const expiresAt = turn.now + expiresInMs;
  state.change(turn);
  state.holds.expiresAt[slot] = expiresAt;
  state.wheel.set(slot, expiresAt);
  state.amend(turn, slot, 'held');
  remember(state, turn, { kind: 'seen', id, status: 'held', expiresAt, short: [] });
  if (state.holds.participants(slot).length === 0) {
    const reservation = reservationAt(state, slot, 'held');
    return turn.batch.whenDurable(() => answer({ kind: 'reservation', reservation }));
  }
  // Read back for the lines of all partitions, but it may be closed, or extended again, by then. It has been extended, whatever
  // becomes of the reading: nobody may be told that nothing has happened.
  const failed: Answer = (reply) =>
    answer(reply.kind === 'problem' ? { kind: 'problem', code: 'outcome-unknown' } : reply);
  withFound(state, id, failed, ({ heldLines, reference, createdAt }) => {
    const reservation = { id, status: 'held' as const, lines: heldLines, reference, createdAt, expiresAt };
    answer({ kind: 'reservation', reservation });
  });
}

function refuseClosed(state: PartitionState, id: string, answer: Answer): void {
  withFound(state, id, answer, ({ status }) => {
    // Open in the database and not in memory: between two owners.
    const code = status === 'held' ? 'partition-unavailable' : (`reservation-${status}` as const);
    answer({ kind: 'problem', code });
  });
}
