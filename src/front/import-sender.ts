/**
 * Sends the rows of one import to the partitions that they belong to, and counts what becomes of them.
 *
 * DESIGN. Each partition has a queue and at most one message on its way, so that of two rows for the same
 * level the later one wins. Queues take turns, and a turn takes whatever has gathered: how many rows a
 * message has follows from how much faster the file is than the database. Two bounds: rows on their way,
 * so that reservations don't wait behind them for long, and rows held, beyond which nothing more is read.
 *
 * A message that was not answered is sent again, as it was, after a pause that doubles; while it pauses, others
 * are sent in its place. A partition that has failed for BULK_RETRY_MS loses the message: its rows are
 * rejected; one that has no room, only when none of the import was taken in for so long. From then on each message to
 * it is tried once, until one succeeds.
 * Where an answer got lost after its commit, rows that changed something are counted as unchanged.
 */
import type { Clock } from '../clock.ts';
import {
  BULK_RETRY_MS,
  FAULTS_MAX,
  IMPORT_ROWS_HELD_MAX,
  IMPORT_ROWS_IN_FLIGHT_MAX,
  IMPORT_ROWS_PER_MESSAGE_MAX,
  REQUEST_DEADLINE_MS,
} from '../limits.ts';
import { type ProblemCode, problemOf } from '../reservations/outcomes.ts';
import { partitionOf } from '../routing/partition-map.ts';
import type { RowError } from '../wire/import-summary.ts';
import type { ImportRow, Reply } from '../wire/messages.ts';
import { codeOf } from './answers.ts';
import type { Answer, Asker } from './backends.ts';

export const RETRY_MS_MIN = 50;
export const RETRY_MS_MAX = 1000;

/** Rows, and the lines of the file that they stand on. */
interface Rows {
  rows: ImportRow[];
  lines: number[];
}

interface Queue {
  readonly partition: number;
  waiting: Rows;
  /** Taken from those that wait, and not yet answered for good. */
  message: Rows | undefined;
  /** It has a turn, a message on its way, or pauses. */
  active: boolean;
  failingSince: number | undefined;
  retryMs: number;
}

export class ImportSender {
  accepted = 0;
  unchanged = 0;
  rejected = 0;
  /** Rows were rejected whose partition did not answer. */
  incomplete = false;
  /** The first FAULTS_MAX that were found. */
  readonly errors: RowError[] = [];

  private readonly queues: Queue[] = [];
  /** Queues whose turn comes. */
  private turns: Queue[] = [];
  private held = 0;
  private inFlight = 0;
  private stopped = false;
  /** When a message was last taken in, of whatever partition. */
  private takenAt = 0;
  private defect: unknown;
  private waiter: { below: number; resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(
    private readonly backends: Asker,
    private readonly clock: Clock,
    private readonly workers: number,
  ) {}

  get full(): boolean {
    return this.held >= IMPORT_ROWS_HELD_MAX;
  }

  add(row: ImportRow, line: number): void {
    const queue = this.queueOf(partitionOf(row.sku, this.backends.partitions));
    queue.waiting.rows.push(row);
    queue.waiting.lines.push(line);
    this.held++;
    if (!queue.active) this.activate(queue);
  }

  reject(line: number, code: string, detail: string): void {
    this.rejected++;
    if (this.errors.length < FAULTS_MAX) this.errors.push({ line, code, detail });
  }

  /** Sends what the bounds allow. */
  send(): void {
    while (this.turns.length > 0 && this.inFlight < IMPORT_ROWS_IN_FLIGHT_MAX * this.workers && !this.stopped)
      this.ask(this.turns.shift()!);
  }

  /** Resolves when more may be added. */
  room(): Promise<void> {
    return this.until(IMPORT_ROWS_HELD_MAX);
  }

  /** Resolves when every row has been accepted or rejected. */
  finished(): Promise<void> {
    return this.until(1);
  }

  /** Nothing more is sent; what is on its way may still take effect. */
  stop(): void {
    this.stopped = true;
  }

  private until(below: number): Promise<void> {
    this.send();
    if (this.defect !== undefined) return Promise.reject(this.defect);
    if (this.held < below) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiter = { below, resolve, reject };
    });
  }

  private queueOf(partition: number): Queue {
    this.queues[partition] ??= {
      partition,
      waiting: { rows: [], lines: [] },
      message: undefined,
      active: false,
      failingSince: undefined,
      retryMs: RETRY_MS_MIN,
    };
    return this.queues[partition];
  }

  private activate(queue: Queue): void {
    queue.active = true;
    this.turns.push(queue);
  }

  private ask(queue: Queue): void {
    queue.message ??= take(queue);
    const { rows } = queue.message;
    this.inFlight += rows.length;
    const deadline = this.clock.now() + REQUEST_DEADLINE_MS;
    this.backends
      .ask({ kind: 'import-levels', partition: queue.partition, deadline, rows })
      .then((answer) => {
        this.inFlight -= rows.length;
        this.answered(queue, answer);
        this.send();
      })
      .catch((error) => {
        this.defect = error;
        this.waiter?.reject(error);
      });
  }

  private answered(queue: Queue, answer: Answer): void {
    if (answer.kind === 'imported') {
      this.count(queue.message!, answer);
      this.takenAt = this.clock.now();
      queue.failingSince = undefined;
      queue.retryMs = RETRY_MS_MIN;
    } else {
      const code = codeOf(answer, 'writes');
      const now = this.clock.now();
      queue.failingSince ??= now;
      // One that has no room is there, and has some in turn, as long as any of the import gets through.
      const since = code === 'overloaded' ? Math.max(queue.failingSince, this.takenAt) : queue.failingSince;
      if (now - since < BULK_RETRY_MS) return this.pause(queue);
      this.rejectAll(queue.message!, code);
    }
    this.held -= queue.message!.rows.length;
    queue.message = undefined;
    queue.active = false;
    if (queue.waiting.rows.length > 0) this.activate(queue);
    if (this.waiter === undefined || this.held >= this.waiter.below) return;
    this.waiter.resolve();
    this.waiter = undefined;
  }

  private count(
    { lines }: Rows,
    { changed, unchanged, refused }: Extract<Reply, { kind: 'imported' }>,
  ): void {
    this.accepted += changed;
    this.unchanged += unchanged;
    for (const { row, code } of refused) this.reject(lines[row], code, problemOf(code).explanation);
  }

  private rejectAll({ lines }: Rows, code: ProblemCode): void {
    this.incomplete = true;
    for (const line of lines) this.reject(line, code, problemOf(code).explanation);
  }

  private pause(queue: Queue): void {
    this.clock.after(queue.retryMs, () => {
      this.activate(queue);
      this.send();
    });
    queue.retryMs = Math.min(queue.retryMs * 2, RETRY_MS_MAX);
  }
}

/** The next message of a queue: the rows that have waited longest. */
function take(queue: Queue): Rows {
  const { waiting } = queue;
  if (waiting.rows.length <= IMPORT_ROWS_PER_MESSAGE_MAX) {
    queue.waiting = { rows: [], lines: [] };
    return waiting;
  }
  return {
    rows: waiting.rows.splice(0, IMPORT_ROWS_PER_MESSAGE_MAX),
    lines: waiting.lines.splice(0, IMPORT_ROWS_PER_MESSAGE_MAX),
  };
}
