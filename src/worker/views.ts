/** The lines of a reservation as callers see them, from the arrays of a partition. */
import type { Taken } from '../reservations/allocate.ts';
import type { Allocation, GrantedLine, Reservation, Status } from '../reservations/types.ts';
import type { Holds } from './holds.ts';
import type { Snapshot } from './snapshot.ts';

/** What was taken, a line at a time; `taken` has the parts of a line together. */
export function grantedLines(
  snapshot: Snapshot,
  taken: Taken[],
): { line: number; allocations: Allocation[] }[] {
  const granted: { line: number; allocations: Allocation[] }[] = [];
  for (const { line, level, quantity } of taken) {
    const allocation = { location: snapshot.locationOf(level), quantity };
    const last = granted.at(-1);
    if (last?.line === line) last.allocations.push(allocation);
    else granted.push({ line, allocations: [allocation] });
  }
  return granted;
}

/** This partition's lines of a reservation, in the caller's order. */
export function heldLines(
  { holds, snapshot }: { holds: Holds; snapshot: Snapshot },
  slot: number,
): GrantedLine[] {
  const byNumber = new Map<number, GrantedLine>();
  for (const { number, level, quantity } of holds.linesOf(slot)) {
    const allocation = { location: snapshot.locationOf(level), quantity };
    const known = byNumber.get(number);
    if (known === undefined) {
      byNumber.set(number, { line: number, sku: snapshot.skuOf(level), quantity, allocations: [allocation] });
    } else {
      known.quantity += quantity;
      known.allocations.push(allocation);
    }
  }
  return [...byNumber.values()].sort((a, b) => a.line - b.line);
}

/** An open reservation as callers see it, or will once it has this status, with this partition's lines. */
export function reservationAt(
  state: { holds: Holds; snapshot: Snapshot },
  slot: number,
  status: Status,
): Reservation {
  const { holds } = state;
  return {
    id: holds.idOf(slot),
    status,
    lines: heldLines(state, slot),
    reference: holds.reference(slot),
    createdAt: holds.createdAt[slot],
    expiresAt: holds.expiresAt[slot],
  };
}
