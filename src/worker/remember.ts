/**
 * What is remembered under an Idempotency-Key, and given again (invariant I5).
 *
 * A decision that changes something writes its key into the batch that has the change, so that both are durable or
 * neither is. What is answered without a change (a refusal that only the database could tell) is written down
 * before it is answered, in a batch that follows. What had no effect and may be sent again (`overloaded` and its
 * like) is not remembered.
 *
 * A reservation is not kept as it was answered, since the database has it: only what may change later is.
 */
import type { Key } from '../reservations/key.ts';
import { mayBeSentAgain } from '../reservations/outcomes.ts';
import { type LineRefusal, type Reservation, STATUSES, type Status } from '../reservations/types.ts';
import type { FoundReservation } from '../storage/find-reservation.ts';
import { Reader, Writer } from '../wire/bytes.ts';
import { decodeReply, encodeReply } from '../wire/codec.ts';
import { decodeRefusals, encodeRefusals } from '../wire/fields.ts';
import type { Answer } from '../wire/link.ts';
import type { Reply, SealRequest } from '../wire/messages.ts';
import type { PartitionState, Turn } from './state.ts';
import { keyReplays } from './worker-metrics.ts';

/** A reservation as it was answered. */
interface Seen {
  kind: 'seen';
  id: string;
  status: Status;
  expiresAt: number;
  short: Omit<LineRefusal, 'sku'>[];
}

export type Remembered = Reply | Seen;

/** Marks a Seen; the kinds of replies are below it. */
const SEEN = 255;
const writer = new Writer();
const reader = new Reader();

/** @returns hexadecimal */
function encode(remembered: Remembered): string {
  writer.reset();
  if (remembered.kind === 'seen') {
    writer.u8(SEEN);
    writer.text(remembered.id);
    writer.u8(STATUSES.indexOf(remembered.status));
    writer.f64(remembered.expiresAt);
    encodeRefusals(writer, remembered.short);
  } else {
    encodeReply(writer, remembered);
  }
  return Buffer.from(writer.bytes.buffer, 0, writer.length).toString('hex');
}

function decode(bytes: Uint8Array): Remembered {
  reader.open(bytes, 0, bytes.length);
  if (bytes[0] !== SEEN) return decodeReply(reader);
  reader.u8();
  const [id, status, expiresAt] = [reader.text(), STATUSES[reader.u8()], reader.f64()];
  return { kind: 'seen', id, status, expiresAt, short: decodeRefusals(reader) };
}

/** Writes down, with what this decision changes, what a repetition of the request will be answered. */
export function remember(state: PartitionState, turn: Turn, remembered: Remembered): void {
  const { key } = turn;
  if (key === undefined || key.remembered) return;
  if (remembered.kind === 'problem' && mayBeSentAgain(remembered.code)) return;
  key.remembered = true;
  state.change(turn);
  state.keys.add(key.hash, key.fingerprint, turn.now);
  turn.batch.key(state.partition, key, encode(remembered));
}

/** What a reply of a reservation's home comes to, where it was not known yet when it was decided. */
export function rememberedOf(reply: Reply): Remembered {
  if (reply.kind !== 'reservation') return reply;
  const { id, status, expiresAt } = reply.reservation;
  return { kind: 'seen', id, status, expiresAt, short: [] };
}

/** Writes down what a front asks to have written down, and nothing else. */
export function seal(state: PartitionState, turn: Turn, { summary }: SealRequest, answer: Answer): void {
  const sealed = { kind: 'sealed', summary } as const;
  remember(state, turn, sealed);
  state.whenDurable(() => answer(sealed));
}

/** Says what was answered to this key, if it was decided here. */
export function recall(state: PartitionState, key: Key, answer: Answer): void {
  const known = state.keys.find(key.hash, key.fingerprint);
  if (known === 'same') return replay(state, key, answer);
  answer(
    known === 'other'
      ? { kind: 'problem', code: 'idempotency-key-reused' }
      : { kind: 'claimed', known: false },
  );
}

/** Answers a request with this key as it was answered before. */
export function replay(state: PartitionState, key: Key, answer: Answer): void {
  keyReplays.value++;
  const failed = (): void => answer({ kind: 'problem', code: 'partition-unavailable' });
  state.whenDurable(() => {
    state.host
      .findAnswer(state.partition, key)
      .then((bytes) => {
        if (bytes === undefined) {
          // It has run out in the database before it did here; sent again, the request is a new one.
          state.keys.remove(key.hash);
          return failed();
        }
        const remembered = decode(bytes);
        if (remembered.kind !== 'seen') return answer({ kind: 'replayed', reply: remembered, short: [] });
        showAgain(state, remembered, answer);
      })
      .catch(failed);
  });
}

/** The reservation as it was then: what it became later is not part of the answer. */
function showAgain(state: PartitionState, seen: Seen, answer: Answer): void {
  state.find(
    seen.id,
    (found) => {
      if (found === undefined || typeof found === 'string')
        return answer({ kind: 'problem', code: 'unknown-reservation' });
      const { status } = found;
      // Closed, and a participant has not heard of it: its stock must be where the answer says it is.
      const told = status === 'held' ? Promise.resolve() : state.whenTold(found, status);
      void told.then(() =>
        answer({
          kind: 'replayed',
          reply: { kind: 'reservation', reservation: asSeen(found, seen) },
          short: seen.short,
        }),
      );
    },
    answer,
  );
}

function asSeen(found: FoundReservation, { status, expiresAt }: Seen): Reservation {
  const { unsettled: _, sold: __, heldAs: ___, heldLines, ...reservation } = found;
  if (status !== 'held') return { ...reservation, status, expiresAt };
  return { ...reservation, status, expiresAt, lines: heldLines, closedAt: undefined };
}
