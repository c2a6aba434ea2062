/** Counts and adjustments, and reads of levels. */

import { QUANTITY_MAX } from '../limits.ts';
import type { Answer } from '../wire/link.ts';
import type { AdjustRequest, GetLevelsRequest, PutLevelRequest } from '../wire/messages.ts';
import { count } from './count.ts';
import { remember } from './remember.ts';
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

/** A write-off may go below what is promised, as a count may, but not below what can be there. */
export function adjust(state: PartitionState, turn: Turn, request: AdjustRequest, answer: Answer): void {
  const { snapshot } = state;
  const { delta, reason, reference } = request;
  const sku = snapshot.findSku(request.sku);
  if (sku === NONE) return state.refuse(answer, 'unknown-sku');
  const level = snapshot.levelAt(sku, request.location);
  if (level === NONE) return state.refuse(answer, 'unknown-level');
  const onHand = snapshot.onHand[level] + delta;
  if (onHand < 0) return state.refuse(answer, 'stock-below-zero');
  if (onHand > QUANTITY_MAX) return state.refuse(answer, 'stock-above-maximum');
  state.change(turn);
  snapshot.onHand[level] = onHand;
  state.record(turn, level, 'adjusted', delta, 0, null, false, { reason, reference });
  const reply = { kind: 'level', created: false, level: snapshot.read(level) } as const;
  remember(state, turn, reply);
  state.whenDurable(() => answer(reply));
}

/** Reads are not queued: they see what has been decided, and their answer waits until it is durable. */
export function getLevels(state: PartitionState, request: GetLevelsRequest, answer: Answer): void {
  const sku = state.snapshot.findSku(request.sku);
  if (sku === NONE) return state.refuse(answer, 'unknown-sku');
  const levels = state.snapshot.levelsOfSku(sku).map((level) => state.snapshot.read(level));
  state.whenDurable(() => answer({ kind: 'levels', levels }));
}
