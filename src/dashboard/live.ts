/** What a front tells the page: `history` once, then `live` each second. Rates are per second, times in milliseconds. */
import type { HotSku } from '../wire/messages.ts';

/** One moment of the curves. Null where nothing happened that could be measured. */
export interface Point {
  at: number;
  /** Answered requests to /v1. */
  requests: number;
  granted: number;
  /** For want of stock. */
  refused: number;
  /** Answered with a problem of status 500 or above: a caller has to come again. */
  failed: number;
  p50: number | null;
  p99: number | null;
  /** Commands of a commit: the mean, and what one in a hundred exceeds. */
  batchMean: number | null;
  batchP99: number | null;
  /** Commands in all mailboxes, and in the fullest one. */
  waiting: number;
  deepest: number;
}

export interface Verdict {
  level: 'good' | 'warning' | 'bad';
  /** What is wrong, the worst first. */
  reasons: string[];
}

/** Columns by partition, with nulls where the owner did not say. */
export interface Partitions {
  worker: number[];
  serving: boolean[];
  epoch: (number | null)[];
  levels: (number | null)[];
  held: (number | null)[];
  depth: (number | null)[];
  /** Commands decided. */
  rate: (number | null)[];
}

export interface ProblemRow {
  code: string;
  title: string;
  status: number;
  rate: number;
  /** Since the fronts began. */
  total: number;
}

export interface ProcessRow {
  process: string;
  /** Whether it reported. */
  up: boolean;
  pid?: number;
  startedAt?: number;
  restarts?: number;
  memoryBytes?: number;
  /** Of one core. */
  cpu?: number;
  lagP99?: number;
}

export interface Live {
  at: number;
  version: string;
  verdict: Verdict;
  /** Undefined until there was something to compare with. */
  point?: Point;
  database: 'up' | 'down' | 'unknown';
  serving: number;
  held: number;
  commitRate: number;
  commitP99: number | null;
  partitions: Partitions;
  problems: ProblemRow[];
  processes: ProcessRow[];
  hottest: HotSku[];
}

export interface History {
  points: Point[];
}
