/**
 * Confirming a reservation after it has expired, if its stock is still there.
 *
 * The units are taken like those of any reservation, under an id of their own, by the protocol that
 * holds over several partitions; the home of the expired one is also the home of that id. Its decision,
 * in one commit, sells them and turns the expired reservation's row into a confirmed one. So participants know
 * nothing of it but an ordinary reservation that is confirmed, and what the expired one gave back stays given back.
 */
import { soldLines } from '../reservations/sold.ts';
import type { Found } from '../storage/find-reservation.ts';
import type { Answer } from '../wire/link.ts';
import type { HoldRequest } from '../wire/messages.ts';
import { closeAtHome } from './decide-close.ts';
import { takeStock } from './decide-hold.ts';
import { remember } from './remember.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';

/** Whether it has expired only the database knows; until it has said so, nothing else is decided about that id. */
export function askForRehold(
  state: PartitionState,
  turn: Turn,
  request: HoldRequest,
  expired: string,
  answer: Answer,
): void {
  // Still telling participants of the expiry, or another request to confirm it is being decided.
  if (state.holds.find(expired) !== NONE) return state.refuse(answer, 'partition-unavailable');
  state.holds.add(expired, 'reholding', state.partition, turn.now, turn.now);
  state.find(
    expired,
    (found) => state.host.post(state.partition, { kind: 'rehold', request, key: turn.key, found, answer }),
    (reply) => {
      state.host.post(state.partition, { kind: 'forget', id: expired });
      answer(reply);
    },
  );
}

/** The database has said what became of it. */
export function rehold(
  state: PartitionState,
  turn: Turn,
  request: HoldRequest,
  found: Found,
  answer: Answer,
): void {
  const { id: expired, sold } = request.rehold!;
  state.forget(expired);
  if (request.deadline <= turn.now) return state.refuse(answer, 'overloaded');
  if (found === undefined || typeof found === 'string') return state.refuse(answer, 'unknown-reservation');
  if (found.status === 'confirmed') {
    const reply = { kind: 'reservation', reservation: found } as const;
    return void state.whenTold(found, 'confirmed').then(() => answer(reply));
  }
  // A participant that still has its part of the expired one would take the new decision for that part's.
  if (found.status === 'expired' && found.unsettled.length > 0)
    return state.refuse(answer, 'partition-unavailable');
  if (found.status !== 'expired') {
    const code = found.status === 'held' ? 'partition-unavailable' : (`reservation-${found.status}` as const);
    return state.refuse(answer, code);
  }
  const held = takeStock(state, turn, request, answer);
  if (held === undefined) return;
  const { slot } = held;
  turn.batch.changeOf(state.partition, expired, 'expired', {
    status: 'confirmed',
    expiresAt: found.expiresAt,
    sold: sold === undefined ? null : `{${sold.join(',')}}`,
    reheldAs: request.id,
  });
  const reservation = {
    ...found,
    status: 'confirmed' as const,
    lines: soldLines(found.lines, sold),
    closedAt: turn.now,
  };
  const { id, status, expiresAt } = reservation;
  remember(state, turn, { kind: 'seen', id, status, expiresAt, short: [] });
  const then = (): void => answer({ kind: 'reservation', reservation });
  closeAtHome(state, turn, slot, { outcome: 'confirmed' }, then, 'reheld');
}
