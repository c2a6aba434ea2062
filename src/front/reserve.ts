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
 * A `never` that gets lost costs time, not stock: a participant that hears nothing asks the home.
 */
import type { Clock } from '../clock.ts';
import { REQUEST_DEADLINE_MS, SETTLE_WAIT_MS } from '../limits.ts';
import type { ReservationIds } from '../reservations/id.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import type { GrantedLine, HoldLine, LineRefusal, Reservation, Strategy } from '../reservations/types.ts';
import { partitionOf } from '../routing/partition-map.ts';
import type { HoldRequest } from '../wire/messages.ts';
import type { Answer, Asker } from './backends.ts';

export interface Wish {
  lines: HoldLine[];
  strategy: Strategy;
  /** Empty: any. */
  locations: string[];
  expiresInMs: number;
  reference?: string;
}

export type Verdict =
  | { kind: 'held'; reservation: Reservation }
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
  const home = homeOfLines(lines, backends.partitions);
  const hold: HoldRequest = {
    kind: 'hold',
    partition: home,
    deadline: now + REQUEST_DEADLINE_MS,
    id: ids.next(now, home),
    role: 'decide',
    home,
    participants: [],
    createdAt: now,
    expiresAt: now + wish.expiresInMs,
    reference: wish.reference,
    strategy: wish.strategy,
    locations: wish.locations,
    lines,
  };
  if (lines.length === 1) return decideAlone(backends, hold);
  const groups = groupByPartition(lines, backends.partitions);
  if (groups.size === 1) return decideAlone(backends, hold);
  hold.lines = groups.get(home)!;
  groups.delete(home);
  hold.participants = [...groups.keys()];
  return decideTogether(backends, clock, lines, hold, groups);
}

async function decideAlone(backends: Asker, hold: HoldRequest): Promise<Verdict> {
  const answer = await backends.ask(hold);
  if (answer.kind === 'granted') return held(hold, hold.lines, answer.lines);
  return notHeld(answer, hold.lines);
}

async function decideTogether(
  backends: Asker,
  clock: Clock,
  lines: HoldLine[],
  hold: HoldRequest,
  groups: Map<number, HoldLine[]>,
): Promise<Verdict> {
  const tries = await Promise.all(
    hold.participants.map((partition) =>
      backends.ask({
        ...hold,
        partition,
        role: 'try',
        participants: [],
        lines: groups.get(partition)!,
      }),
    ),
  );
  if (tries.some((answer) => answer.kind !== 'granted')) {
    const probe = tries.some((answer) => answer.kind === 'refused')
      ? backends.ask({ ...hold, role: 'probe', participants: [] })
      : undefined;
    await settleNever(backends, clock, hold, tries);
    return notTried(lines, tries, await probe);
  }
  const answer = await backends.ask(hold);
  if (answer.kind === 'granted') {
    const granted = [...tries, answer].flatMap((reply) => (reply.kind === 'granted' ? reply.lines : []));
    return held(hold, lines, granted);
  }
  const verdict = notHeld(answer, lines);
  if (verdict.kind !== 'problem' || verdict.code !== 'outcome-unknown')
    await settleNever(backends, clock, hold, tries);
  return verdict;
}

/** Tells every participant that may hold something to let go, and waits a little for it, not for long. */
async function settleNever(backends: Asker, clock: Clock, hold: HoldRequest, tries: Answer[]): Promise<void> {
  const now = clock.now();
  const told = hold.participants.flatMap((partition, index) => {
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

/** Participants did not all grant. A refusal is the answer even where another participant is out of reach. */
function notTried(lines: HoldLine[], tries: Answer[], probe: Answer | undefined): Verdict {
  const refusals = [...tries, probe].flatMap((answer) =>
    answer?.kind === 'refused' ? withSkus(answer.lines, lines) : [],
  );
  if (refusals.length > 0) return { kind: 'refused', lines: refusals.sort((a, b) => a.line - b.line) };
  for (const answer of tries) {
    const verdict = answer.kind === 'granted' ? undefined : notHeld(answer, lines);
    // What a participant does not know it holds it will not keep: the home never heard of it.
    if (verdict?.kind === 'problem' && verdict.code !== 'outcome-unknown') return verdict;
  }
  return { kind: 'problem', code: 'partition-unavailable' };
}

/** What an answer other than `granted` means to the caller. */
function notHeld(answer: Answer, lines: HoldLine[]): Verdict {
  switch (answer.kind) {
    case 'refused':
      return { kind: 'refused', lines: withSkus(answer.lines, lines) };
    case 'problem':
      return answer;
    case 'lost':
      return { kind: 'problem', code: answer.sent ? 'outcome-unknown' : 'partition-unavailable' };
    default:
      throw new Error(`a hold was answered with ${answer.kind}`);
  }
}

function withSkus(refusals: Omit<LineRefusal, 'sku'>[], lines: HoldLine[]): LineRefusal[] {
  return refusals.map((refusal) => ({
    ...refusal,
    sku: lines.find((line) => line.line === refusal.line)!.sku,
  }));
}

function held(
  hold: HoldRequest,
  lines: HoldLine[],
  granted: { line: number; allocations: GrantedLine['allocations'] }[],
): Verdict {
  const byLine: GrantedLine[] = [];
  for (const { line, allocations } of granted) {
    const { sku, quantity } = lines[line];
    byLine[line] = { line, sku, quantity, allocations };
  }
  return {
    kind: 'held',
    reservation: {
      id: hold.id,
      status: 'held',
      lines: byLine,
      reference: hold.reference,
      createdAt: hold.createdAt,
      expiresAt: hold.expiresAt,
    },
  };
}
