/**
 * One partition: every command that can be decided about it, and what comes due.
 *
 * Decisions are synchronous and in memory: there is no await between reading a level and changing it.
 * Changes go into the batch that is being formed.
 */
import { KEYS_PER_PARTITION_MAX, KEYS_SWEPT_AT_ONCE, TOMBSTONE_MS } from '../limits.ts';
import type { Key } from '../reservations/key.ts';
import { mayBeSentAgain } from '../reservations/outcomes.ts';
import type { Answer } from '../wire/link.ts';
import type {
  AdjustRequest,
  AskRequest,
  CancelRequest,
  ConfirmRequest,
  ExtendRequest,
  HoldRequest,
  ImportLevelsRequest,
  PutLevelRequest,
  Reply,
  SealRequest,
  SettleRequest,
  Traceable,
} from '../wire/messages.ts';
import type { Batch } from './batch.ts';
import { close } from './decide-close.ts';
import { extend } from './decide-extend.ts';
import { hold } from './decide-hold.ts';
import { rehold } from './decide-rehold.ts';
import { ask, asked, decideDue, settle } from './decide-settle.ts';
import { adjust, importLevels, putLevel } from './decide-stock.ts';
import { remember, rememberedOf, replay, seal } from './remember.ts';
import { type OwnCommand, PartitionState, type Turn } from './state.ts';

/** What may have an Idempotency-Key. */
type KeyedCommand =
  | HoldRequest
  | AdjustRequest
  | CancelRequest
  | ConfirmRequest
  | ExtendRequest
  | SealRequest;

export type CallerCommand = (
  | KeyedCommand
  | PutLevelRequest
  | ImportLevelsRequest
  | AskRequest
  | SettleRequest
) &
  Traceable;

export class Partition extends PartitionState {
  /** Decides one thing that is due. @returns false when there is none */
  decideDue(batch: Batch, now: number): boolean {
    return decideDue(this, { batch, now });
  }

  decide(batch: Batch, now: number, command: CallerCommand | OwnCommand, answer: Answer): void {
    // Its caller has given up: dropped before it takes effect.
    if ('deadline' in command && command.deadline <= now) {
      return answer({ kind: 'problem', code: 'overloaded' });
    }
    const turn: Turn = { batch, now };
    if (mayHaveKey(command) && command.key !== undefined) {
      return this.decideOnce(turn, command, command.key, answer);
    }
    this.dispatch(turn, command, answer);
  }

  /** Decides what has an Idempotency-Key, unless it was decided before. */
  private decideOnce(turn: Turn, command: KeyedCommand, key: Key, answer: Answer): void {
    const known = this.keys.find(key.hash, key.fingerprint);
    if (known === 'other') return this.refuse(answer, 'idempotency-key-reused');
    if (known === 'same') return replay(this, key, answer);
    if (this.keys.count >= KEYS_PER_PARTITION_MAX && !isDone(command))
      return this.refuse(answer, 'overloaded');
    const once = { ...key, remembered: false };
    this.dispatch({ ...turn, key: once }, command, (reply) => {
      if (once.remembered || (reply.kind === 'problem' && mayBeSentAgain(reply.code))) return answer(reply);
      if (command.kind === 'confirm' && isLate(command, reply)) return answer(reply);
      this.host.post(this.partition, { kind: 'remember', key, reply, answer });
    });
  }

  private dispatch(turn: Turn, command: CallerCommand | OwnCommand, answer: Answer): void {
    switch (command.kind) {
      case 'hold':
        return hold(this, turn, command, answer);
      case 'put-level':
        return putLevel(this, turn, command, answer);
      case 'adjust':
        return adjust(this, turn, command, answer);
      case 'import-levels':
        return importLevels(this, turn, command, answer);
      case 'cancel':
      case 'confirm':
        return close(this, turn, command, answer);
      case 'extend':
        return extend(this, turn, command, answer);
      case 'seal':
        return seal(this, turn, command, answer);
      case 'ask':
        return ask(this, turn, command, answer);
      case 'settle':
        return settle(this, turn, command, answer);
      case 'asked':
        return asked(this, turn, command.id, command.found, command.answer);
      case 'rehold':
        return rehold(this, { ...turn, key: command.key }, command.request, command.found, command.answer);
      case 'remember':
        return this.rememberReply(turn, command);
      case 'settled':
      case 'forget':
        return this.forget(command.id);
    }
  }

  /** Another request with the key may have come first; then its answer is the one that counts. */
  private rememberReply(turn: Turn, { key, reply, answer }: Extract<OwnCommand, { kind: 'remember' }>): void {
    if (this.keys.find(key.hash, key.fingerprint) !== 'none') return replay(this, key, answer);
    remember(this, { ...turn, key: { ...key, remembered: false } }, rememberedOf(reply));
    this.whenDurable(() => answer(reply));
  }

  /** Called as time passes. @param keptMs how long keys are remembered, in milliseconds */
  forgetOldKeys(now: number, keptMs: number): void {
    this.keys.sweep(now - keptMs, KEYS_SWEPT_AT_ONCE);
    this.claims.sweep(now, now - keptMs, KEYS_SWEPT_AT_ONCE);
  }

  /** Restores an open reservation at start. Its lines' units are already in the levels' `reserved`. */
  restore(
    id: string | Uint32Array,
    home: number,
    decided: boolean,
    times: { createdAt: number; expiresAt: number; dueAt: number },
    reference: string | undefined,
    participants: number[],
    lines: number[],
  ): void {
    const state = home === this.partition ? 'held' : decided ? 'decided' : 'trying';
    const slot = this.holds.add(id, state, home, times.createdAt, times.expiresAt, reference);
    if (state === 'held') this.open++;
    for (let i = 0; i < lines.length; i += 3) this.holds.addLine(slot, lines[i], lines[i + 1], lines[i + 2]);
    for (const participant of participants) this.holds.addParticipant(slot, participant);
    this.wheel.set(slot, times.dueAt);
  }

  /** Keeps the word of an earlier owner: a `decide` that is still on its way must be refused. */
  restoreNever(id: string | Uint32Array, saidAt: number): void {
    const slot = this.holds.add(id, 'never', this.partition, saidAt, saidAt);
    this.wheel.set(slot, saidAt + TOMBSTONE_MS);
  }
}

const KEYED = ['hold', 'adjust', 'cancel', 'confirm', 'extend', 'seal'];
function mayHaveKey(command: CallerCommand | OwnCommand): command is KeyedCommand {
  return KEYED.includes(command.kind);
}

/** It has had its effect, and is only to be written down. */
function isDone(command: KeyedCommand): boolean {
  return command.kind === 'seal' && command.summary !== undefined;
}

/** The caller will try to hold the units of the expired reservation again; only that is its answer. */
function isLate({ rehold }: ConfirmRequest, reply: Reply): boolean {
  return rehold && reply.kind === 'problem' && reply.code === 'reservation-expired';
}
