/**
 * Holds the lines of one reservation, wherever their SKUs live.
 *
 * Lines are grouped by partition. The home is the partition of the smallest SKU: the same payload has
 * the same home, whoever sends it. One partition decides alone. Over several, every participant is
 * asked at once to hold until told; only when all have granted is the home asked, and its record is
 * the decision (invariant I6):
 *
 *   participants all grant ─▶ home decides ─▶ granted: held
 *          │                        ├─ refused, or certainly without effect ─▶ settle `never`
 *          │                        └─ no answer: unknown; the participants ask the home themselves
 *          └─ one does not ─▶ settle `never`; the home was not asked, so nothing can ever be held
 *
 * In mode `partial` each participant grants what it has, those that have nothing take no part, and the home decides
 * for those that have something even where it has nothing itself.
 *
 * A `never` that gets lost costs time, not stock: a participant that hears nothing asks the home.
 */
import type { Clock } from '../clock.ts';
import { REQUEST_DEADLINE_MS, SETTLE_WAIT_MS } from '../limits.ts';
import type { ReservationIds } from '../reservations/id.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { Sold } from '../reservations/sold.ts';
import type {
  GrantedLine,
  HoldLine,
  LineRefusal,
  Mode,
  Reservation,
  Strategy,
} from '../reservations/types.ts';
import { partitionOf } from '../routing/partition-map.ts';
import type { HoldRequest } from '../wire/messages.ts';
import type { Answer, Asker } from './backends.ts';
import { type KeyInUse, NOT_SHORT, type Unwrapped, unwrapped } from './idempotency.ts';

/** No participant, and no refusal, yet. */
const NONE: readonly never[] = [];

export interface Wish {
  lines: HoldLine[];
  strategy: Strategy;
  /** Empty: any. */
  locations: string[];
  expiresInMs: number;
  reference?: string;
  mode: Mode;
  /** Must be claimed. */
  key?: KeyInUse;
  /** The expired reservation that this one is confirmed for at once; its home decides. */
  rehold?: { id: string; home: number; sold?: Sold };
}

export type Verdict =
  /** `short`, in mode `partial`: lines that were not granted whole. */
  | { kind: 'held'; reservation: Reservation; short: readonly LineRefusal[] }
  /** The reservation that had expired, confirmed. */
  | { kind: 'reheld'; reservation: Reservation }
  | { kind: 'refused'; lines: LineRefusal[] }
  | { kind: 'problem'; code: ProblemCode };

export interface Coordinator {
  backends: Asker;
  clock: Clock;
  ids: ReservationIds;
}

/** The partition that decides. */
export function homeOfLines(lines: HoldLine[], partitions: number): number {
  let first = lines[0].sku;
  for (let i = 1; i < lines.length; i++) if (lines[i].sku < first) first = lines[i].sku;
  return partitionOf(first, partitions);
}

/** The lines of each partition, in the order asked. */
export function groupByPartition(lines: HoldLine[], partitions: number): Map<number, HoldLine[]> {
  const groups = new Map<number, HoldLine[]>();
  for (const line of lines) {
    const partition = partitionOf(line.sku, partitions);
    const group = groups.get(partition);
    if (group === undefined) groups.set(partition, [line]);
    else group.push(line);
  }
  return groups;
}

export function reserve({ backends, clock, ids }: Coordinator, wish: Wish): Promise<Verdict> {
  const { lines } = wish;
  const now = clock.now();
  const home = wish.rehold?.home ?? homeOfLines(lines, backends.partitions);
  const hold: HoldRequest = {
    kind: 'hold',
    partition: home,
    deadline: now + REQUEST_DEADLINE_MS,
    id: ids.next(now, home),
    role: 'decide',
    home,
    participants: NONE,
    rehold: wish.rehold,
    mode: wish.mode,
    refused: NONE,
    key: wish.key,
    createdAt: now,
    expiresAt: now + wish.expiresInMs,
    reference: wish.reference,
    strategy: wish.strategy,
    locations: wish.locations,
    lines,
  };
  if (lines.length === 1 && wish.rehold === undefined) return decideAlone(backends, hold, wish.key);
  const groups = groupByPartition(lines, backends.partitions);
  hold.lines = groups.get(home) ?? [];
  groups.delete(home);
  if (groups.size === 0) return decideAlone(backends, hold, wish.key);
  hold.participants = [...groups.keys()];
  return decideTogether(backends, clock, lines, hold, groups, wish.key);
}

function decideAlone(backends: Asker, hold: HoldRequest, key: KeyInUse | undefined): Promise<Verdict> {
  return backends.ask(hold).then((answered) => {
    const decided = unwrapped(answered, key);
    const { answer } = decided;
    if (answer.kind === 'granted') return held(hold, hold.lines, [answer], answer.short);
    return notHeld(decided, hold, hold.lines);
  });
}

/** What a request with this key was answered before; undefined where that is not known. */
async function recall(
  backends: Asker,
  { partition, deadline, rehold }: HoldRequest,
  key: KeyInUse,
): Promise<Unwrapped | undefined> {
  if (rehold !== undefined) return undefined;
  const decided = unwrapped(await backends.ask({ kind: 'recall', partition, deadline, key }), key);
  return decided.answer.kind === 'claimed' ? undefined : decided;
}

async function decideTogether(
  backends: Asker,
  clock: Clock,
  lines: HoldLine[],
  hold: HoldRequest,
  groups: Map<number, HoldLine[]>,
  key: KeyInUse | undefined,
): Promise<Verdict> {
  // Before participants are asked in vain.
  const before = key?.known ? await recall(backends, hold, key) : undefined;
  if (before !== undefined) return notHeld(before, hold, lines);
  const asked = hold.participants;
  const tries = await Promise.all(
    asked.map((partition) =>
      backends.ask({
        ...hold,
        partition,
        role: 'try',
        participants: NONE,
        rehold: undefined,
        key: undefined,
        lines: groups.get(partition)!,
      }),
    ),
  );
  const settle = (): Promise<void> => settleNever(backends, clock, hold, asked, tries);
  hold.refused = tries.flatMap((answer) => {
    if (answer.kind === 'refused') return answer.lines;
    return answer.kind === 'granted' ? answer.short : [];
  });
  const enough = hold.mode === 'partial' ? ['granted', 'refused'] : ['granted'];
  if (tries.some((answer) => !enough.includes(answer.kind))) {
    // In mode `partial`, what one partition has nothing of is no answer while another has not said what it has.
    const isRefused = hold.mode === 'all' && tries.some((answer) => answer.kind === 'refused');
    const probed = isRefused
      ? backends.ask({ ...hold, role: 'probe', participants: NONE, rehold: undefined })
      : undefined;
    await settle();
    return notTried(lines, hold, tries, probed && unwrapped(await probed, key));
  }
  hold.participants = asked.filter((_, index) => tries[index].kind === 'granted');
  const decided = unwrapped(await backends.ask(hold), key);
  const { answer } = decided;
  if (answer.kind === 'granted' && key?.replayed !== true)
    return held(hold, lines, [...tries, answer], answer.short);
  const verdict = notHeld(decided, hold, lines);
  // Where another request has decided, this one's participants hold for nothing.
  if (verdict.kind !== 'problem' || verdict.code !== 'outcome-unknown') await settle();
  return verdict;
}

/** Tells every participant that may hold something to let go, and waits a little for it, not for long. */
async function settleNever(
  backends: Asker,
  clock: Clock,
  hold: HoldRequest,
  asked: readonly number[],
  tries: Answer[],
): Promise<void> {
  const now = clock.now();
  const told = asked.flatMap((partition, index) => {
    if (!mayHold(tries[index])) return [];
    return backends.ask(
      {
        kind: 'settle',
        partition,
        deadline: now + REQUEST_DEADLINE_MS,
        id: hold.id,
        outcome: 'never',
        expiresAt: hold.expiresAt,
      },
      now + SETTLE_WAIT_MS,
    );
  });
  await Promise.all(told);
}

function mayHold(answer: Answer): boolean {
  if (answer.kind === 'lost') return answer.sent;
  return answer.kind === 'granted' || (answer.kind === 'problem' && answer.code === 'outcome-unknown');
}

/** Participants did not all grant. A refusal is the answer even where another participant, or the home, is out of reach. */
function notTried(
  lines: HoldLine[],
  hold: HoldRequest,
  tries: Answer[],
  probed: Unwrapped | undefined,
): Verdict {
  if (probed !== undefined) {
    const { kind } = probed.answer;
    // Beside a key, a refusal counts only once it is written down.
    const isKnown = kind === 'refused' || kind === 'reservation';
    if (isKnown || hold.key !== undefined) return notHeld(probed, hold, lines);
    return { kind: 'refused', lines: withSkus(hold.refused, lines) };
  }
  for (const answer of tries) {
    const verdict =
      answer.kind === 'granted' ? undefined : notHeld({ answer, short: NOT_SHORT }, hold, lines);
    // What a participant does not know it holds it will not keep: the home never heard of it.
    if (verdict?.kind === 'problem' && verdict.code !== 'outcome-unknown') return verdict;
  }
  return { kind: 'problem', code: 'partition-unavailable' };
}

/** What an answer other than `granted` means to the caller. */
function notHeld({ answer, short }: Unwrapped, { rehold }: HoldRequest, lines: HoldLine[]): Verdict {
  switch (answer.kind) {
    case 'refused':
      return { kind: 'refused', lines: withSkus(answer.lines, lines) };
    case 'reservation':
      return rehold === undefined
        ? { kind: 'held', reservation: answer.reservation, short: withSkus(short, lines) }
        : { kind: 'reheld', reservation: answer.reservation };
    case 'problem':
      return answer;
    case 'lost':
      return { kind: 'problem', code: answer.sent ? 'outcome-unknown' : 'partition-unavailable' };
    default:
      throw new Error(`a hold was answered with ${answer.kind}`);
  }
}

/** Refusals by line, with the SKUs of these lines. */
export function withSkus(
  refused: readonly Omit<LineRefusal, 'sku'>[],
  lines: { line: number; sku: string }[],
): LineRefusal[] {
  return refused
    .map((refusal) => ({
      ...refusal,
      sku: lines.find((line) => line.line === refusal.line)!.sku,
    }))
    .sort((a, b) => a.line - b.line);
}

function held(
  hold: HoldRequest,
  lines: HoldLine[],
  answers: Answer[],
  short: readonly Omit<LineRefusal, 'sku'>[],
): Verdict {
  const byLine: GrantedLine[] = [];
  for (const answer of answers) {
    if (answer.kind !== 'granted') continue;
    for (const { line, allocations } of answer.lines) {
      const { sku, quantity } = lines[line];
      byLine[line] = { line, sku, quantity, allocations };
    }
  }
  const reservation: Reservation = {
    id: hold.id,
    status: 'held',
    lines: byLine,
    reference: hold.reference,
    createdAt: hold.createdAt,
    expiresAt: hold.expiresAt,
  };
  if (hold.mode === 'all') return { kind: 'held', reservation, short: NOT_SHORT };
  reservation.lines = Object.values(byLine);
  for (const line of reservation.lines)
    line.quantity = line.allocations.reduce((sum, { quantity }) => sum + quantity, 0);
  return { kind: 'held', reservation, short: withSkus(short, lines) };
}
