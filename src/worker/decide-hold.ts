/** Holding stock: deciding alone, as the home of a reservation over several partitions, or trying as a participant. */
import { ASK_HOME_AFTER_MS } from '../limits.ts';
import { allocate, giveBack } from '../reservations/allocate.ts';
import type { Answer } from '../wire/link.ts';
import type { HoldRequest } from '../wire/messages.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';
import { grantedLines } from './views.ts';

export function hold(state: PartitionState, turn: Turn, request: HoldRequest, answer: Answer): void {
  const { id, role, home, participants, createdAt, expiresAt, reference, lines } = request;
  // It waited so long that it would be over before it began.
  if (role !== 'probe' && expiresAt <= turn.now) return state.refuse(answer, 'overloaded');
  // Only a tombstone can be there: the home said `never` to a participant, and keeps its word.
  if (state.holds.find(id) !== NONE) return state.refuse(answer, 'partition-unavailable');
  const { taken, refused } = allocate(state.snapshot, lines, request.strategy, request.locations);
  if (role === 'probe') giveBack(state.snapshot, taken);
  if (refused.length > 0) return state.whenDurable(() => answer({ kind: 'refused', lines: refused }));
  const granted = grantedLines(state.snapshot, taken);
  if (role === 'probe') return state.whenDurable(() => answer({ kind: 'granted', lines: granted }));

  state.change(turn);
  const trying = role === 'try';
  const slot = state.holds.add(id, trying ? 'trying' : 'held', home, createdAt, expiresAt, reference);
  let rows = '{';
  for (const { line, level, quantity } of taken) {
    state.holds.addLine(slot, line, level, quantity);
    state.record(turn, level, 'held', 0, quantity, id);
    rows += `${rows === '{' ? '' : ','}${line},${level},${quantity}`;
  }
  for (const participant of participants) state.holds.addParticipant(slot, participant);
  state.wheel.set(slot, trying ? turn.now + ASK_HOME_AFTER_MS : expiresAt);
  state.insert(turn, slot, {
    partition: state.partition,
    status: 'held',
    id,
    home,
    createdAt,
    expiresAt,
    reference,
    participants,
    lines: `${rows}}`,
  });
  turn.batch.whenDurable(() => {
    answer({ kind: 'granted', lines: granted });
    if (participants.length > 0) state.host.tellHeld(participants, id, expiresAt);
  });
}
