/**
 * A commit lane: one connection, the actors that commit over it, and the batches on their way.
 *
 * DESIGN. Nothing waits for a timer: whatever the actors' mailboxes hold when a place among the
 * commits in flight is free becomes the next batch, so load sizes it. COMMITS_IN_FLIGHT_MAX lets
 * the next batch be decided and sent while the one before it is being fsynced. A burst of what comes due at once is
 * spread over batches, so that commands wait for a small part of it. A probe (admission.ts) is a small batch with no other in flight.
 *
 * Modes:
 * - `flowing`: batches are formed and sent.
 * - `stuck`: a commit failed. No batch is formed; once all in flight have been answered, the lane asks
 *   the database which of them landed, sends the others again in order, and flows on. Memory
 *   is never rolled back, so what was decided stays decided.
 * - `closed`: the lane gave up, because it was drained or because another owner has taken its place.
 */
import { type Clock, elapsedMs } from '../clock.ts';
import { BATCH_COMMANDS_MAX, BATCH_DUE_MAX, COMMITS_IN_FLIGHT_MAX, PROBE_COMMANDS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { StockLevel } from '../reservations/types.ts';
import type { CommitStore } from '../storage/commit-store.ts';
import type { Actor } from './actor.ts';
import { Admission } from './admission.ts';
import { type Author, Batch } from './batch.ts';
import { TracedCommits } from './traces.ts';
import * as metrics from './worker-metrics.ts';

/** Commands that one actor decides before the next actor's turn. */
const COMMANDS_PER_VISIT = 64;
/** What has come due that one actor decides before the next actor's turn, unless it has had one and has more. */
const DUE_AT_FIRST = 16;
const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 1000;

/** Unique in a process, so that an actor that changes lanes never sees a number again. */
let batchNumber = 0;

export class Lane {
  private mode: 'flowing' | 'stuck' | 'closed' = 'flowing';
  private ready: Actor[] = [];
  private due: Actor[] = [];
  /** Those of them that have more due than they could decide in a turn. */
  private behind: Actor[] = [];
  private readonly inFlight: Batch[] = [];
  private unanswered = 0;
  private scheduled = false;
  private idle: (() => void)[] = [];
  private readonly traced = new TracedCommits();
  /** The number of this owner; see storage/take-partitions.ts. */
  epoch = 0;
  /** Of the last batch sent. */
  commitSeq = 0;
  /** The last of the ledger that a batch of this lane, or of its partitions before they were, stands on; see migration 009. */
  page = 0;
  /** What the database last said, while it does not commit. */
  problem: string | undefined;
  problemSince = 0;
  commits = 0;
  commands = 0;
  /** Of them, in the last batch. */
  private lastCommands = 0;
  readonly admission: Admission;

  constructor(
    private readonly store: CommitStore,
    private readonly clock: Clock,
    /** The process can't go on: it lost a partition, or an invariant is broken. */
    private readonly onFatal: (reason: 'fenced' | 'defect', detail: string) => void,
  ) {
    this.admission = new Admission(clock);
  }

  enlist(actor: Actor): void {
    this.ready.push(actor);
    this.schedule();
  }

  enlistDue(actor: Actor, isBehind: boolean): void {
    (isBehind ? this.behind : this.due).push(actor);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || this.blocked) return;
    this.scheduled = true;
    this.clock.soon(this.pump);
  }

  /** Resolves when everything enlisted has been decided and committed. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.idle.push(resolve);
      this.pump();
    });
  }

  close(): void {
    this.mode = 'closed';
  }

  /** A level as the database has it, whatever is on its way there; undefined where it has none yet. */
  committed(author: Author, level: number): StockLevel | undefined {
    return this.inFlight.reduceRight<StockLevel | undefined>(
      (after, batch) => after && batch.before(author, level, after),
      author.snapshot.read(level),
    );
  }

  private get blocked(): boolean {
    return (
      this.mode !== 'flowing' ||
      this.inFlight.length >= (this.admission.isProbing ? 1 : COMMITS_IN_FLIGHT_MAX)
    );
  }

  private get waits(): boolean {
    return this.ready.length > 0 || this.due.length > 0 || this.behind.length > 0;
  }

  private readonly pump = (): void => {
    this.scheduled = false;
    while (this.waits && !this.blocked) {
      const batch = this.form();
      if (!batch.empty) this.send(batch);
    }
    if (this.waits || this.inFlight.length > 0) return;
    const { idle } = this;
    this.idle = [];
    for (const resolve of idle) resolve();
  };

  private form(): Batch {
    const now = this.clock.now();
    const batch = new Batch(++batchNumber, now, Math.max(this.page + 1, now));
    const most = this.admission.isProbing ? PROBE_COMMANDS : BATCH_COMMANDS_MAX;
    // First what is due, so that commands find its units.
    const due = this.decideDue(batch, now, most / 2);
    let commands = due;
    let visited = 0;
    while (visited < this.ready.length && commands < most) {
      commands += this.ready[visited++].visit(batch, now, Math.min(COMMANDS_PER_VISIT, most));
    }
    this.ready = this.ready.slice(visited);
    this.admission.formed(this.ready.length > 0);
    batch.commands = commands - due;
    this.lastCommands = batch.commands;
    if (batch.empty) this.admission.dropped(batch.commands);
    this.commands += commands;
    metrics.commands.value += commands;
    if (!batch.empty) metrics.batchCommands.observe(commands);
    return batch;
  }

  /**
   * Of actors that come new, a little of each: what is due of a partition that has little does not wait for those that have much. Half of the
   * room at least is for those, one after the other, so that a batch changes few levels.
   * @returns how many were decided
   */
  private decideDue(batch: Batch, now: number, most: number): number {
    // As much as a batch has of commands, where that is more: what is held and never closed must not come due faster than it is decided.
    const room = Math.min(most, Math.max(BATCH_DUE_MAX, this.lastCommands));
    let decided = 0;
    const visit = (actors: Actor[], until: number, each: number): Actor[] => {
      let visited = 0;
      while (visited < actors.length && decided < until)
        decided += actors[visited++].visitDue(batch, now, Math.min(each, until - decided));
      return actors.slice(visited);
    };
    const { due, behind } = this;
    this.due = [];
    this.behind = [];
    const later = visit(due, behind.length > 0 ? room >>> 1 : room, DUE_AT_FIRST);
    this.behind = [...visit(behind, room, room), ...this.behind];
    this.due = [...visit(later, room, DUE_AT_FIRST), ...this.due];
    return decided;
  }

  private send(batch: Batch): void {
    const sentAt = elapsedMs();
    batch.seal(this.epoch, ++this.commitSeq);
    const { rows } = batch;
    this.page = rows.page;
    if (rows.traceparent !== undefined && !this.traced.may(rows.at)) rows.traceparent = undefined;
    metrics.batchRows.observe(batch.rowCount);
    this.inFlight.push(batch);
    this.admission.sent();
    this.unanswered++;
    this.store.commit(rows).then(
      () => {
        metrics.commitDuration.observe((elapsedMs() - sentAt) / 1000);
        this.answered(batch);
      },
      (error) => this.failed(error),
    );
  }

  private answered(batch: Batch): void {
    this.unanswered--;
    this.land(batch);
    if (this.mode === 'flowing') this.pump();
    else this.resolveWhenAnswered();
  }

  private land(batch: Batch): void {
    this.inFlight.splice(this.inFlight.indexOf(batch), 1);
    this.admission.landed(batch.commands);
    this.commits++;
    metrics.commits.value++;
    batch.landed();
  }

  private failed(error: unknown): void {
    metrics.commitFailures.value++;
    this.unanswered--;
    if (this.mode === 'flowing') this.mode = 'stuck';
    this.admission.paused();
    this.note(error);
    this.resolveWhenAnswered();
  }

  private note(error: unknown): void {
    if (this.store.failureKind(error) === 'defect') this.fatal('defect', this.store.failureText(error));
    if (this.problem === undefined) {
      this.problemSince = this.clock.now();
      log.warn('commit.failed', { reason: this.store.failureText(error) });
    }
    this.problem = this.store.failureText(error);
  }

  private resolveWhenAnswered(): void {
    if (this.mode === 'stuck' && this.unanswered === 0) void this.resolve(RETRY_MS_MIN);
  }

  /** Learns which batches in flight landed, and sends the others again, oldest first. */
  private async resolve(retryMs: number): Promise<void> {
    try {
      while (this.inFlight.length > 0 && this.mode === 'stuck') {
        const batch = this.inFlight[0];
        if (!(await this.hasLanded(batch))) await this.store.commit(batch.rows);
        this.land(batch);
      }
    } catch (error) {
      this.note(error);
      const next = Math.min(retryMs * 2, RETRY_MS_MAX);
      if (this.mode === 'stuck') this.clock.after(retryMs, () => void this.resolve(next));
      return;
    }
    if (this.mode !== 'stuck') return;
    log.info('commit.resumed', { after: this.problem });
    this.problem = undefined;
    this.mode = 'flowing';
    this.admission.resumed();
    this.pump();
  }

  private async hasLanded(batch: Batch): Promise<boolean> {
    const { epoch, commitSeq } = batch.rows.owner;
    const made = await this.store.readCommitSeq(epoch);
    if (made === undefined) {
      this.fatal('fenced', `epoch ${epoch} is over: another owner has taken its partitions`);
      throw new Error('fenced');
    }
    if (made < commitSeq - 1)
      this.fatal('defect', `epoch ${epoch} lacks commits before ${commitSeq}: ${made}`);
    return made >= commitSeq;
  }

  private fatal(reason: 'fenced' | 'defect', detail: string): void {
    this.mode = 'closed';
    this.onFatal(reason, detail);
  }
}
