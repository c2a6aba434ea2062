/**
 * An actor: a partition behind a bounded mailbox. Commands wait here until its lane has room for a
 * batch, and are then decided one after the other.
 *
 *   loading ──serve()──▶ serving ──leave()──▶ leaving ──nothing waits──▶ left
 *      └──▶ failing: loading goes wrong; another actor takes this one's place and tries again
 *
 * An actor that is leaving takes no more from callers, decides what it has, and gives its partition up in the batch that
 * has the last of it. Once it has left it writes nothing any more: what the partition still asks of itself is refused,
 * and whoever waits for it asks again, the next owner.
 */
import { elapsedMs } from '../clock.ts';
import { ADMITTED_CLOSING_WAIT_MS, MAILBOX_COMMANDS_MAX } from '../limits.ts';
import type { Answer } from '../wire/link.ts';
import type { Reply } from '../wire/messages.ts';
import type { Admission } from './admission.ts';
import type { Batch } from './batch.ts';
import type { CallerCommand, Partition } from './partition.ts';
import type { OwnCommand } from './state.ts';
import { traceOf } from './traces.ts';
import { mailboxWait } from './worker-metrics.ts';

/** Where an actor waits for its turn; it calls only when it does not wait there already. */
export interface Turns {
  readonly admission: Admission;
  /** It has commands to decide. */
  enlist(actor: Actor): void;
  /** Something of it has come due, or is left of what had. */
  enlistDue(actor: Actor, isBehind: boolean): void;
}

interface Letter {
  command: CallerCommand | OwnCommand;
  answer: Answer;
  arrivedAt: number;
}

const noAnswer: Answer = () => {};
const UNAVAILABLE: Reply = { kind: 'problem', code: 'partition-unavailable' };
/** Letters already read that a mailbox keeps before it makes room. */
const READ_LETTERS_MAX = 1024;

/**
 * What a command counts in visits and batches: each row of an import as much as a reservation. So an
 * import takes its turns beside other partitions' commands, and makes commits no larger than they do.
 */
function weightOf(command: CallerCommand | OwnCommand): number {
  return command.kind === 'import-levels' ? command.rows.length : 1;
}

export class Actor {
  private mailbox: Letter[] = [];
  private read = 0;
  private due = false;
  private enlisted = false;
  /** Commands decided so far, and what came due. */
  decided = 0;
  private hasLeft: () => void = () => {};

  constructor(
    readonly partition: Partition,
    private readonly lane: Turns,
    public state: 'loading' | 'failing' | 'serving' | 'leaving' | 'left' = 'serving',
  ) {}

  get mailboxDepth(): number {
    return this.mailbox.length - this.read;
  }

  serve(): void {
    this.state = 'serving';
  }

  /** Resolves when the partition is given up and everything that was decided about it is durable. */
  leave(): Promise<void> {
    this.state = 'leaving';
    return new Promise((resolve) => {
      this.hasLeft = resolve;
      this.call();
    });
  }

  /** Queues a command, or refuses it before it has had an effect. */
  receive(command: CallerCommand, answer: Answer): void {
    if (this.state !== 'serving') return answer(UNAVAILABLE);
    if (this.mailboxDepth >= MAILBOX_COMMANDS_MAX || this.isTooMuch(command))
      return answer({ kind: 'problem', code: 'overloaded' });
    this.post(command, answer);
  }

  /** Queues a command of the partition's own: bounded by what it has open, so never refused. */
  post(command: CallerCommand | OwnCommand, answer: Answer = noAnswer): void {
    if (this.state === 'left') return 'answer' in command ? command.answer(UNAVAILABLE) : undefined;
    this.mailbox.push({ command, answer, arrivedAt: elapsedMs() });
    this.lane.admission.entered(weightOf(command));
    this.call();
  }

  /** Called as time passes: what has come due is decided in the next batches. */
  wake(now: number): void {
    if (this.state !== 'serving' || this.due || !this.partition.isDue(now)) return;
    this.due = true;
    this.lane.enlistDue(this, false);
  }

  /**
   * Whether it would wait for too long. What partitions owe each other, and what writes down how an import ended, is never
   * refused for that: it ends what was begun.
   */
  private isTooMuch(command: CallerCommand): boolean {
    const { admission } = this.lane;
    switch (command.kind) {
      case 'ask':
      case 'settle':
        return false;
      case 'seal':
        return command.summary === undefined && admission.refuses();
      case 'confirm':
      case 'cancel':
        return admission.refuses(ADMITTED_CLOSING_WAIT_MS);
      case 'import-levels':
        return admission.refusesImport(command.rows.length);
      default:
        return admission.refuses();
    }
  }

  private call(): void {
    if (this.enlisted) return;
    this.enlisted = true;
    this.lane.enlist(this);
  }

  /** Decides up to `most` of what has come due; where more is, the lane hears of it again. @returns how many */
  visitDue(batch: Batch, now: number, most: number): number {
    // What is due where it has left is the next owner's.
    if (this.state === 'left') return 0;
    let count = 0;
    while (count < most && this.partition.decideDue(batch, now)) count++;
    this.due = count === most;
    if (this.due) this.lane.enlistDue(this, true);
    this.decided += count;
    return count;
  }

  /**
   * Decides up to `most` commands, or one import that alone is more. An actor with more to do calls its lane again.
   * @returns how many were decided
   */
  visit(batch: Batch, now: number, most: number): number {
    let count = 0;
    const decidedAt = elapsedMs();
    const last = this.mailbox.length;
    while (this.read < last && count < most) {
      const { command, answer, arrivedAt } = this.mailbox[this.read++];
      mailboxWait.observe((decidedAt - arrivedAt) / 1000);
      const trace = traceOf(command);
      if (trace !== undefined) batch.follow(trace);
      this.partition.decide(batch, now, command, answer);
      count += weightOf(command);
    }
    if (this.read === this.mailbox.length || this.read > READ_LETTERS_MAX) {
      this.mailbox = this.mailbox.slice(this.read);
      this.read = 0;
    }
    this.enlisted = false;
    if (this.mailboxDepth > 0) this.call();
    this.decided += count;
    if (this.mailboxDepth === 0 && this.state === 'leaving') this.giveUp(batch);
    return count;
  }

  private giveUp(batch: Batch): void {
    this.state = 'left';
    batch.release(this.partition.partition);
    batch.whenDurable(this.hasLeft);
  }
}
