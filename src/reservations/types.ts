/**
 * The words of the domain, as every process uses them. Quantities are whole units, times are
 * milliseconds since the Unix epoch.
 */

export const STATUSES = ['held', 'confirmed', 'cancelled', 'expired'] as const;
export type Status = (typeof STATUSES)[number];

/** How a line without a location finds one. */
export const STRATEGIES = ['most-available', 'in-order', 'split'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** `all`: every line or nothing. `partial`: what there is of each line. */
export const MODES = ['all', 'partial'] as const;
export type Mode = (typeof MODES)[number];

export interface Allocation {
  location: string;
  quantity: number;
}

/** One line as asked for. `line` is its index in the caller's list, over all partitions. */
export interface HoldLine {
  line: number;
  sku: string;
  quantity: number;
  /** Absent: the line is sourced by the request's strategy. */
  location?: string;
}

/** One line as granted. */
export interface GrantedLine {
  line: number;
  sku: string;
  quantity: number;
  allocations: Allocation[];
}

/** Why one line was refused, or granted in part. */
export interface LineRefusal {
  line: number;
  sku: string;
  code: 'insufficient-stock' | 'unknown-sku';
  requested: number;
  /** Units that could have been granted to this line, or were in mode `partial`; 0 for an unknown SKU. */
  available: number;
}

export interface Reservation {
  id: string;
  status: Status;
  lines: GrantedLine[];
  reference?: string;
  createdAt: number;
  expiresAt: number;
  closedAt?: number;
}

export interface StockLevel {
  sku: string;
  location: string;
  onHand: number;
  reserved: number;
  safetyStock: number;
  backorderLimit: number;
  /** Starts at 1 and rises by one with each change. */
  version: number;
  updatedAt: number;
}

/** Why a level changed. */
export const LEDGER_KINDS = [
  'counted',
  'adjusted',
  'held',
  'confirmed',
  'released',
  'cancelled',
  'expired',
  'never',
  'corrected',
] as const;
export type LedgerKind = (typeof LEDGER_KINDS)[number];

/** One change of one level, never altered afterwards. */
export interface LedgerEntry {
  /** Its place in the order of all changes of its partition, which has no gaps. */
  seq: number;
  location: string;
  kind: LedgerKind;
  onHandDelta: number;
  reservedDelta: number;
  reservation?: string;
  /** Why a level was changed by hand, and the caller's own name for that. */
  reason?: string;
  reference?: string;
  at: number;
}

/** What may still be promised. Negative after a count found less than was promised. */
export function availableOf(
  level: Pick<StockLevel, 'onHand' | 'reserved' | 'safetyStock' | 'backorderLimit'>,
): number {
  return level.onHand - level.reserved - level.safetyStock + level.backorderLimit;
}
