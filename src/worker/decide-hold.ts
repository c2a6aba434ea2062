/** Holding stock: deciding alone, as the home of a reservation over several partitions, or trying as a participant. */
import { ASK_HOME_AFTER_MS } from '../limits.ts';
import { type Allocated, allocate, giveBack } from '../reservations/allocate.ts';
import type { LineRefusal, Mode } from '../reservations/types.ts';
import type { Answer } from '../wire/link.ts';
import type { HoldRequest } from '../wire/messages.ts';
import { askForRehold } from './decide-rehold.ts';
import { decideAllDue } from './decide-settle.ts';
import { remember } from './remember.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';
import { grantedLines } from './views.ts';
import { granted } from './worker-metrics.ts';

export function hold(state: PartitionState, turn: Turn, request: HoldRequest, answer: Answer): void {
  const { id, role, participants, expiresAt, rehold } = request;
  if (role === 'probe') return probe(state, turn, request, answer);
  if (rehold !== undefined) return askForRehold(state, turn, request, rehold.id, answer);
  const held = takeStock(state, turn, request, answer);
  if (held === undefined) return;
  const { granted: lines, short } = held;
  turn.batch.whenDurable(() => {
    answer({ kind: 'granted', lines, short });
    if (participants.length > 0) state.host.tellHeld(participants, id, expiresAt);
  });
}

/** Says what `decide` would answer, and changes nothing. */
function probe(state: PartitionState, turn: Turn, request: HoldRequest, answer: Answer): void {
  const { taken, refused: refusedHere } = allocateOf(state, turn, request, 'all');
  giveBack(state.snapshot, taken);
  const refused = inOrder(request.refused, refusedHere);
  if (refused.length > 0) remember(state, turn, { kind: 'refused', lines: refused });
  const granted = grantedLines(state.snapshot, taken);
  state.whenDurable(() =>
    answer(
      refused.length > 0
        ? { kind: 'refused', lines: refused }
        : { kind: 'granted', lines: granted, short: [] },
    ),
  );
}

interface Held {
  slot: number;
  granted: ReturnType<typeof grantedLines>;
  short: Omit<LineRefusal, 'sku'>[];
}

/** Takes the units and writes them down. @returns undefined after it has answered why not, having changed nothing */
export function takeStock(
  state: PartitionState,
  turn: Turn,
  request: HoldRequest,
  answer: Answer,
): Held | undefined {
  const { id, role, home, participants, createdAt, expiresAt, reference, mode } = request;
  // It waited so long that it would be over before it began.
  if (expiresAt <= turn.now) return void state.refuse(answer, 'overloaded');
  // Only a tombstone can be there: the home said `never` to a participant, and keeps its word.
  if (state.holds.find(id) !== NONE) return void state.refuse(answer, 'partition-unavailable');
  const { taken, refused: refusedHere } = allocateOf(state, turn, request, mode);
  const refused = inOrder(request.refused, refusedHere);
  // A home that has nothing itself decides for participants that have something.
  const nothing = taken.length === 0 && participants.length === 0;
  if (refused.length > 0 && (mode === 'all' || nothing)) {
    // The batch had no room for all that is over: what is asked for may be among the rest.
    if (refusedHere.length > 0 && state.isDue(turn.now)) return void state.refuse(answer, 'overloaded');
    remember(state, turn, { kind: 'refused', lines: refused });
    return void state.whenDurable(() => answer({ kind: 'refused', lines: refused }));
  }
  state.change(turn);
  const trying = role === 'try';
  const slot = state.holds.add(id, trying ? 'trying' : 'held', home, createdAt, expiresAt, reference);
  for (const { line, level, quantity } of taken) state.holds.addLine(slot, line, level, quantity);
  for (const participant of participants) state.holds.addParticipant(slot, participant);
  writeDown(state, turn, request, slot, taken);
  state.wheel.set(slot, trying ? turn.now + ASK_HOME_AFTER_MS : expiresAt);
  if (!trying) {
    state.open++;
    granted.value++;
  }
  if (request.rehold === undefined) {
    remember(state, turn, { kind: 'seen', id, status: 'held', expiresAt, short: refused });
  }
  return { slot, granted: grantedLines(state.snapshot, taken), short: refused };
}

/** The reservation's row, and the entries of the ledger. */
function writeDown(
  state: PartitionState,
  turn: Turn,
  request: HoldRequest,
  slot: number,
  taken: Allocated['taken'],
): void {
  const { id, role, home, participants, createdAt, expiresAt, reference, rehold } = request;
  const [only] = taken;
  // Most are: one line, of one level. What is confirmed at once has more to say.
  const isAlone = role === 'decide' && participants.length === 0 && rehold === undefined;
  if (isAlone && taken.length === 1 && only.line === 0)
    return state.insertHold(turn, slot, only.level, only.quantity, request);
  for (const one of taken) state.record(turn, one.level, 'held', 0, one.quantity, id);
  const lines = taken.map((one) => `${one.line},${one.level},${one.quantity}`);
  const row = {
    partition: state.partition,
    status: 'held',
    id,
    home,
    createdAt,
    expiresAt,
    reference,
  } as const;
  state.insert(turn, slot, { ...row, participants, lines: `{${lines.join(',')}}` });
}

/** Nobody is refused for the sake of a reservation that is over, however many ended just now and wait for their turn. */
function allocateOf(state: PartitionState, turn: Turn, request: HoldRequest, mode: Mode): Allocated {
  const { lines, strategy, locations } = request;
  const allocated = allocate(state.snapshot, lines, strategy, locations, mode);
  if (allocated.refused.length === 0 || !decideAllDue(state, turn)) return allocated;
  giveBack(state.snapshot, allocated.taken);
  return allocate(state.snapshot, lines, strategy, locations, mode);
}

/** Refusals of other partitions and of this one, by line. */
function inOrder(
  others: readonly Omit<LineRefusal, 'sku'>[],
  here: Omit<LineRefusal, 'sku'>[],
): Omit<LineRefusal, 'sku'>[] {
  return others.length === 0 ? here : [...others, ...here].sort((a, b) => a.line - b.line);
}
