/**
 * One partition: every command that can be decided about it, and what comes due.
 *
 * Decisions are synchronous and in memory: there is no await between reading a level and changing it.
 * Changes go into the batch that is being formed.
 */
import { TOMBSTONE_MS } from '../limits.ts';
import type { Answer } from '../wire/link.ts';
import type {
  AdjustRequest,
  AskRequest,
  CancelRequest,
  ConfirmRequest,
  ExtendRequest,
  HoldRequest,
  PutLevelRequest,
  SettleRequest,
} from '../wire/messages.ts';
import type { Batch } from './batch.ts';
import { close } from './decide-close.ts';
import { extend } from './decide-extend.ts';
import { hold } from './decide-hold.ts';
import { rehold } from './decide-rehold.ts';
import { ask, asked, cameDue, settle } from './decide-settle.ts';
import { adjust, putLevel } from './decide-stock.ts';
import { NONE } from './snapshot.ts';
import { type OwnCommand, PartitionState } from './state.ts';

export type CallerCommand =
  | HoldRequest
  | PutLevelRequest
  | AdjustRequest
  | CancelRequest
  | ConfirmRequest
  | ExtendRequest
  | AskRequest
  | SettleRequest;

export class Partition extends PartitionState {
  /** Whether something is due; it stays due until it is decided. */
  isDue(now: number): boolean {
    const slot = this.wheel.takeDue(now);
    if (slot === NONE) return false;
    this.wheel.set(slot, 0);
    return true;
  }

  /** Decides one thing that is due. @returns false when there is none */
  decideDue(batch: Batch, now: number): boolean {
    const slot = this.wheel.takeDue(now);
    if (slot !== NONE) cameDue(this, { batch, now }, slot);
    return slot !== NONE;
  }

  decide(batch: Batch, now: number, command: CallerCommand | OwnCommand, answer: Answer): void {
    // Its caller has given up: dropped before it takes effect.
    if ('deadline' in command && command.deadline <= now) {
      return answer({ kind: 'problem', code: 'overloaded' });
    }
    const turn = { batch, now };
    switch (command.kind) {
      case 'hold':
        return hold(this, turn, command, answer);
      case 'put-level':
        return putLevel(this, turn, command, answer);
      case 'adjust':
        return adjust(this, turn, command, answer);
      case 'cancel':
      case 'confirm':
        return close(this, turn, command, answer);
      case 'extend':
        return extend(this, turn, command, answer);
      case 'ask':
        return ask(this, turn, command, answer);
      case 'settle':
        return settle(this, turn, command, answer);
      case 'asked':
        return asked(this, turn, command.id, command.found, command.answer);
      case 'rehold':
        return rehold(this, turn, command.request, command.found, command.answer);
      case 'settled':
      case 'forget':
        return this.forget(command.id);
    }
  }

  /** Restores an open reservation at start. Its lines' units are already in the levels' `reserved`. */
  restore(
    id: string,
    home: number,
    decided: boolean,
    times: { createdAt: number; expiresAt: number; dueAt: number },
    reference: string | undefined,
    participants: number[],
    lines: number[],
  ): void {
    const state = home === this.partition ? 'held' : decided ? 'decided' : 'trying';
    const slot = this.holds.add(id, state, home, times.createdAt, times.expiresAt, reference);
    for (let i = 0; i < lines.length; i += 3) this.holds.addLine(slot, lines[i], lines[i + 1], lines[i + 2]);
    for (const participant of participants) this.holds.addParticipant(slot, participant);
    this.wheel.set(slot, times.dueAt);
  }

  /** Keeps the word of an earlier owner: a `decide` that is still on its way must be refused. */
  restoreNever(id: string, saidAt: number): void {
    const slot = this.holds.add(id, 'never', this.partition, saidAt, saidAt);
    this.wheel.set(slot, saidAt + TOMBSTONE_MS);
  }
}
