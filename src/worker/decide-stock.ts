/** Counts, and reads of levels. */
import type { Answer } from '../wire/link.ts';
import type { GetLevelsRequest, PutLevelRequest } from '../wire/messages.ts';
import { count } from './count.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';

export function putLevel(state: PartitionState, turn: Turn, request: PutLevelRequest, answer: Answer): void {
  const counted = count(state.snapshot, request);
  if (typeof counted === 'string') return state.refuse(answer, counted);
  const { level, created, changed, delta } = counted;
  if (changed) {
    state.change(turn);
    state.record(turn, level, 'counted', delta, 0, null, created);
  }
  const after = state.snapshot.read(level);
  state.whenDurable(() => answer({ kind: 'level', created, level: after }));
}

/** Reads are not queued: they see what has been decided, and their answer waits until it is durable. */
export function getLevels(state: PartitionState, request: GetLevelsRequest, answer: Answer): void {
  const sku = state.snapshot.findSku(request.sku);
  if (sku === NONE) return state.refuse(answer, 'unknown-sku');
  const levels = state.snapshot.levelsOfSku(sku).map((level) => state.snapshot.read(level));
  state.whenDurable(() => answer({ kind: 'levels', levels }));
}
