/** Counts and adjustments, and the export of levels. */
import { QUANTITY_MAX } from '../limits.ts';
import type { StockLevel } from '../reservations/types.ts';
import type { Answer } from '../wire/link.ts';
import type {
  AdjustRequest,
  ExportLevelsRequest,
  ImportLevelsRequest,
  PutLevelRequest,
  Reply,
} from '../wire/messages.ts';
import { type Counted, count } from './count.ts';
import { remember } from './remember.ts';
import { NONE } from './snapshot.ts';
import type { PartitionState, Turn } from './state.ts';

export function putLevel(state: PartitionState, turn: Turn, request: PutLevelRequest, answer: Answer): void {
  const counted = count(state.snapshot, request);
  if (typeof counted === 'string') return state.refuse(answer, counted);
  const { level, created, changed } = counted;
  if (changed) apply(state, turn, counted);
  const after = state.snapshot.read(level);
  state.whenDurable(() => answer({ kind: 'level', created, level: after }));
}

function apply(state: PartitionState, turn: Turn, counted: Counted): void {
  const { level, created, delta, safetyStock, backorderLimit } = counted;
  const { snapshot } = state;
  state.change(turn);
  if (created) state.create(turn, level, delta);
  else state.record(turn, level, 'counted', delta, 0, null);
  snapshot.onHand[level] += delta;
  snapshot.safetyStock[level] = safetyStock;
  snapshot.backorderLimit[level] = backorderLimit;
}

/** A write-off may go below what is promised, as a count may, but not below what can be there; sold backorders are below it already. */
export function adjust(state: PartitionState, turn: Turn, request: AdjustRequest, answer: Answer): void {
  const { snapshot } = state;
  const { delta, reason, reference } = request;
  const sku = snapshot.findSku(request.sku);
  if (sku === NONE) return state.refuse(answer, 'unknown-sku');
  const level = snapshot.levelAt(sku, request.location);
  if (level === NONE) return state.refuse(answer, 'unknown-level');
  const onHand = snapshot.onHand[level] + delta;
  if (delta < 0 && onHand < 0) return state.refuse(answer, 'stock-below-zero');
  if (onHand > QUANTITY_MAX) return state.refuse(answer, 'stock-above-maximum');
  state.change(turn);
  snapshot.onHand[level] = onHand;
  state.record(turn, level, 'adjusted', delta, 0, null, { reason, reference });
  const reply = { kind: 'level', created: false, level: snapshot.read(level) } as const;
  remember(state, turn, reply);
  state.whenDurable(() => answer(reply));
}

/** All rows of a message in one go, in their order. A row that is as the level already was costs no write. */
export function importLevels(
  state: PartitionState,
  turn: Turn,
  { rows }: ImportLevelsRequest,
  answer: Answer,
): void {
  const imported: Extract<Reply, { kind: 'imported' }> = {
    kind: 'imported',
    changed: 0,
    unchanged: 0,
    refused: [],
  };
  for (const [row, found] of rows.entries()) {
    const counted = count(state.snapshot, found);
    if (typeof counted === 'string') {
      imported.refused.push({ row, code: counted });
      continue;
    }
    if (!counted.changed) {
      imported.unchanged++;
      continue;
    }
    imported.changed++;
    apply(state, turn, counted);
  }
  state.whenDurable(() => answer(imported));
}

/** Read without being queued, as levels are in level-reads.ts; but what is not durable yet is waited for. */
export function exportLevels(
  state: PartitionState,
  { from, limit }: ExportLevelsRequest,
  answer: Answer,
): void {
  const { snapshot } = state;
  const end = Math.min(from + limit, snapshot.levels);
  const levels: StockLevel[] = [];
  for (let level = from; level < end; level++) levels.push(snapshot.read(level));
  const next = end < snapshot.levels ? end : undefined;
  state.whenDurable(() => answer({ kind: 'levels', levels, next }));
}
