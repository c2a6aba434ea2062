/**
 * What has become of every level and every reservation, commit by commit, built from the rows of the commits alone.
 *
 * The ledger of a partition is a total order of everything that happened to its stock, and its commits follow that
 * order; so this is the witness for linearizability: each effect has one place in it, and the moment of its commit lies between
 * its request and its answer.
 */
import type { Sold } from '../../src/reservations/sold.ts';
import type { StoredStatus } from '../helpers/memory-database.ts';

export interface Settings {
  safetyStock: number;
  backorderLimit: number;
}

/** What they add to what is on hand and not reserved. */
export function roomOf(settings: Settings | undefined): number {
  return settings === undefined ? 0 : settings.backorderLimit - settings.safetyStock;
}

/** A level after one change. */
export interface Version {
  onHand: number;
  reserved: number;
  seq: number;
  page: number;
  kind: string;
  reservation: string | null;
  /** When it was committed, in microseconds. */
  at: number;
  /** Unknown within a batch that changes them more than once. */
  settings: Settings | undefined;
}

export class LevelHistory {
  /** Version n is the n-th, beginning with 1. */
  readonly versions: Version[] = [];

  constructor(
    readonly partition: number,
    readonly level: number,
    readonly sku: string,
    readonly location: string,
    readonly ofSku: SkuHistory,
  ) {}

  get last(): Version | undefined {
    return this.versions.at(-1);
  }
}

/** The levels of a SKU after one change to one of them. */
export interface Step {
  at: number;
  /** The version of each, in the order in which they were made. */
  versions: number[];
}

export class SkuHistory {
  readonly levels: LevelHistory[] = [];
  readonly steps: Step[] = [];

  constructor(readonly partition: number) {}

  advance(at: number): void {
    this.steps.push({ at, versions: this.levels.map(({ versions }) => versions.length) });
  }

  /** The steps that were the latest one at some moment from `from` to `to`; -1 is before the first. */
  *during(from: number, to: number): Generator<number> {
    for (let step = this.steps.length - 1; step >= -1; step--) {
      if (step >= 0 && this.steps[step].at > to) continue;
      yield step;
      if (step >= 0 && this.steps[step].at < from) return;
    }
  }

  /** What may be promised of each level after a step; undefined where that is not known. */
  stockAt(step: number): { location: string; available: number | undefined }[] {
    if (step < 0) return [];
    return this.steps[step].versions.map((version, i) => {
      const { onHand, reserved, settings } = this.levels[i].versions[version - 1];
      const available = settings === undefined ? undefined : onHand - reserved + roomOf(settings);
      return { location: this.levels[i].location, available };
    });
  }
}

/** What a commit said of a reservation's row. */
export interface RowState {
  status: StoredStatus;
  expiresAt: number;
  sold?: Sold;
  reheldAs: string | null;
  /** When it was committed, in microseconds. */
  at: number;
  /** When it was decided, in wall time. */
  decidedAt: number;
}

export interface RowHistory {
  partition: number;
  id: string;
  home: number;
  createdAt: number;
  reference: string | null;
  participants: number[];
  /** (line, level, quantity) repeated. */
  lines: number[];
  states: RowState[];
}

export function statusOf(row: RowHistory | undefined): StoredStatus | undefined {
  return row?.states.at(-1)?.status;
}
export function isOpen(row: RowHistory | undefined): boolean {
  return statusOf(row) === 'held';
}
