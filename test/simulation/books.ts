/**
 * Audits every commit as it lands (invariants I1, I3, I4, I5, I6), against histories that it keeps itself, and keeps
 * what the checkers of answers need.
 */
import type { BatchRows } from '../../src/storage/batch-rows.ts';
import { type StoredStatus, triples } from '../helpers/memory-database.ts';
import { spelledOut } from '../helpers/spelled-out.ts';
import {
  isOpen,
  LevelHistory,
  type RowHistory,
  type RowState,
  roomOf,
  type Settings,
  SkuHistory,
  type Version,
} from './histories.ts';
import type { Auditor } from './postgres.ts';
import type { Process } from './process.ts';
import { Violation, type World } from './world.ts';

/** What may follow a status; a row begins with any. */
const MOVES: Record<StoredStatus, StoredStatus[]> = {
  held: ['held', 'confirmed', 'cancelled', 'expired', 'never', 'reheld'],
  expired: ['confirmed'],
  confirmed: [],
  cancelled: [],
  never: [],
  reheld: [],
};
/** Expiry is on time: so many milliseconds after it, at the latest, the stock is back. */
const EXPIRY_LATE_MS = 1000;

/** How long a key is claimed, at most, before it is decided. */
const CLAIMED_US = 20_000_000;

/** How long a superseded owner goes on, at most, that could have asked the database; and how often that is looked at. */
const LEARNED_WITHIN_US = 3_000_000;
const LOOKED_EVERY_US = 500_000;
/** The epoch of a partition that its owner has given up. */
const NOBODY = 0;

interface Owner {
  epoch: number;
  process: Process;
  commits: number;
  /** When another took a partition of it, in microseconds. */
  supersededAt?: number;
}

export function insist(holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(what());
}

export class Books implements Auditor {
  readonly levels = new Map<number, LevelHistory[]>();
  readonly skus = new Map<string, SkuHistory>();
  /** By `partition/id`. */
  readonly rows = new Map<string, RowHistory>();
  /** Rows of homes, by the reference of whoever asked. */
  readonly homes = new Map<string, RowHistory[]>();
  /** The step before which a reservation took units of a SKU, by `id sku`. */
  readonly takings = new Map<string, number>();
  /** Adjustments, by reference. */
  readonly adjustments = new Map<string, number>();
  /** References of what was answered to have had no effect. */
  private readonly refused = new Set<string>();
  /** Of each partition, the latest last. */
  private readonly owners = new Map<number, Owner[]>();
  private readonly byEpoch = new Map<number, Owner>();
  /** Of each partition. */
  private readonly lastEntries = new Map<number, { seq: number; page: number }>();
  /** What has been decided under an Idempotency-Key, by its hash. */
  private readonly keys = new Map<
    string,
    { partition: number; claimedAt: number; fingerprint: string; at: number }
  >();
  /** Since when nothing is wrong with the world, in wall time. */
  calmSinceMs = Number.POSITIVE_INFINITY;

  constructor(private readonly world: World) {}

  took(partitions: number[], epoch: number, process: Process, answersSince: () => number): void {
    // One that lives may take more.
    const owner: Owner = this.byEpoch.get(epoch) ?? { epoch, process, commits: 0 };
    this.byEpoch.set(epoch, owner);
    for (const partition of partitions) {
      const owners = this.owners.get(partition) ?? [];
      const before = owners.at(-1);
      if (
        before !== undefined &&
        before !== owner &&
        before.epoch !== NOBODY &&
        before.supersededAt === undefined
      ) {
        before.supersededAt = this.world.now;
        this.expectEnd(before, this.world.now, answersSince);
      }
      owners.push(owner);
      this.owners.set(partition, owners);
    }
  }

  /** I4: a superseded owner learns it, and ends, as soon as it and the database have run together for a while. */
  private expectEnd(owner: Owner, supersededAt: number, answersSince: () => number): void {
    const { process, epoch } = owner;
    this.world.after(LOOKED_EVERY_US, () => {
      if (!process.alive) return;
      const since = Math.max(supersededAt, process.runningSince, answersSince());
      insist(
        process.stopped || this.world.now - since < LEARNED_WITHIN_US,
        () => `I4: ${process.name} goes on, and its epoch ${epoch} has been over since ${supersededAt}`,
      );
      this.expectEnd(owner, supersededAt, answersSince);
    });
  }

  /** Whether another owner has taken the place of this process. */
  isSuperseded(process: Process): boolean {
    return [...this.owners.values()].some((owners) =>
      owners.some((owner) => owner.process === process && owner.supersededAt !== undefined),
    );
  }

  /** Since when an owner of this partition, superseded and not aware of it, may have answered something after `from`. */
  staleSince(partition: number, from: number): number | undefined {
    const owner = this.owners
      .get(partition)
      ?.find(({ process, supersededAt }) => supersededAt !== undefined && process.ranUntil >= from);
    return owner?.supersededAt;
  }

  committed(batch: BatchRows): void {
    const rows = spelledOut(batch, (partition, level) => {
      const { onHand, settings } = this.levels.get(partition)![level].last!;
      return { onHand, ...settings! };
    });
    this.checkOwner(rows);
    const settings = this.addLevels(rows);
    this.addEntries(rows, settings);
    this.checkLevels(rows);
    this.addReservations(rows);
    this.changeReservations(rows);
    this.addKeys(rows);
  }

  /** I4: whoever commits owns everything that it touches, and its commits are complete. */
  private checkOwner(rows: BatchRows): void {
    const { epoch, commitSeq } = rows.owner;
    for (const { partition } of [
      rows.levels,
      rows.newLevels,
      rows.reservations,
      rows.changes,
      rows.ledger,
      rows.keys,
      { partition: rows.releases },
    ]) {
      for (const one of partition) {
        const owner = this.owners.get(one)!.at(-1)!;
        insist(
          owner.epoch === epoch,
          () => `I4: epoch ${epoch} commits to partition ${one} of epoch ${owner.epoch}`,
        );
      }
    }
    const owner = this.byEpoch.get(epoch);
    insist(
      owner !== undefined && owner.supersededAt === undefined,
      () => `I4: epoch ${epoch} is over and commits`,
    );
    insist(
      owner!.commits === commitSeq - 1,
      () => `I4: commit ${commitSeq} of epoch ${epoch} follows ${owner!.commits}`,
    );
    owner!.commits = commitSeq;
    for (const partition of rows.releases) this.owners.get(partition)!.push({ ...owner!, epoch: NOBODY });
  }

  /** @returns what each level's safety stock and backorder limit are after the batch */
  private addLevels({ levels, newLevels }: BatchRows): Map<string, Settings> {
    const settings = new Map<string, Settings>();
    for (const columns of [newLevels, levels]) {
      columns.level.forEach((level, i) => {
        const partition = columns.partition[i];
        const safetyStock = columns.safetyStock[i];
        const backorderLimit = columns.backorderLimit[i];
        settings.set(`${partition}/${level}`, { safetyStock, backorderLimit });
        if (columns === newLevels) this.addLevel(partition, level, newLevels.sku[i], newLevels.location[i]);
      });
    }
    return settings;
  }

  private addLevel(partition: number, level: number, sku: string, location: string): void {
    const ofSku = this.skus.get(sku) ?? new SkuHistory(partition);
    this.skus.set(sku, ofSku);
    insist(
      ofSku.levels.every((other) => other.location !== location),
      () => `I3: ${sku} at ${location} has two levels`,
    );
    const history = new LevelHistory(partition, level, sku, location, ofSku);
    ofSku.levels.push(history);
    const levels = this.levels.get(partition) ?? [];
    levels[level] = history;
    this.levels.set(partition, levels);
  }

  private addEntries({ ledger: g, page }: BatchRows, settings: Map<string, Settings>): void {
    const counts = new Map<string, number>();
    g.kind.forEach((kind, i) => {
      const key = `${g.partition[i]}/${g.level[i]}`;
      if (kind === 'counted') counts.set(key, (counts.get(key) ?? 0) + 1);
    });
    const before = new Map<LevelHistory, Settings | undefined>();
    g.seq.forEach((seq, i) => {
      const partition = g.partition[i];
      const history = this.levels.get(partition)?.[g.level[i]];
      const where = (): string => `entry ${seq} (${g.kind[i]}) of partition ${partition}`;
      insist(history !== undefined, () => `I3: ${where()} is of a level that is not there`);
      const { last, ofSku, sku, level } = history!;
      const lastEntry = this.lastEntries.get(partition) ?? { seq: 0, page: 0 };
      insist(seq === lastEntry.seq + 1, () => `I3: ${where()} follows ${lastEntry.seq}`);
      insist(
        page >= lastEntry.page,
        () => `I3: ${where()} is on page ${page}, and follows one on ${lastEntry.page}`,
      );
      insist(
        g.previous[i] === (last?.page ?? 0),
        () => `I3: ${where()} names ${g.previous[i]} as the page of the one before it`,
      );
      this.lastEntries.set(partition, { seq, page });
      const after = settings.get(`${partition}/${level}`);
      insist(after !== undefined, () => `I3: ${where()} changes a level that has no row in the commit`);
      if (!before.has(history!)) before.set(history!, last?.settings);
      const version: Version = {
        onHand: (last?.onHand ?? 0) + g.onHandDelta[i],
        reserved: (last?.reserved ?? 0) + g.reservedDelta[i],
        seq,
        page,
        kind: g.kind[i],
        reservation: g.reservation[i],
        at: this.world.now,
        settings: settingsOf(
          g.kind[i],
          last,
          before.get(history!),
          after!,
          counts.get(`${partition}/${level}`) ?? 0,
        ),
      };
      insist(version.reserved >= 0, () => `I3: ${where()} releases more than is reserved`);
      if (version.kind === 'held') {
        this.checkGrant(version, [before.get(history!), after], where);
        const taking = `${version.reservation} ${sku}`;
        if (!this.takings.has(taking)) this.takings.set(taking, ofSku.steps.length);
      }
      if (g.reference[i] !== null) this.adjusted(g.reference[i]!);
      history!.versions.push(version);
      ofSku.advance(this.world.now);
    });
  }

  /** I1: with the most that may be promised of what is known. */
  private checkGrant(
    { onHand, reserved, settings }: Version,
    possible: (Settings | undefined)[],
    where: () => string,
  ): void {
    const rooms = (settings === undefined ? possible : [settings]).map((one) => roomOf(one));
    const available = onHand - reserved + Math.max(...rooms);
    insist(available >= 0, () => `I1: oversold: after ${where()} available is ${available}`);
  }

  /** I3: the rows are what the ledger says. */
  private checkLevels({ levels, newLevels }: BatchRows): void {
    for (const columns of [newLevels, levels]) {
      columns.level.forEach((level, i) => {
        const partition = columns.partition[i];
        const { versions, last, sku, location } = this.levels.get(partition)![level];
        const row = [columns.onHand[i], columns.reserved[i], columns.version[i]];
        const ledger = [last?.onHand, last?.reserved, versions.length];
        insist(
          row.every((value, at) => value === ledger[at]),
          () => `I3: ${sku} at ${location}: its row says ${row}, its ledger ${ledger}`,
        );
        const settings = { safetyStock: columns.safetyStock[i], backorderLimit: columns.backorderLimit[i] };
        insist(
          last!.settings === undefined || roomOf(last!.settings) === roomOf(settings),
          () => `I3: ${sku} at ${location} has other settings without an entry in the ledger`,
        );
        last!.settings = settings;
      });
    }
  }

  private adjusted(reference: string): void {
    const count = (this.adjustments.get(reference) ?? 0) + 1;
    this.adjustments.set(reference, count);
    insist(count === 1, () => `I5: the adjustment ${reference} took effect twice`);
    this.checkRefused(reference);
  }

  private addReservations({ reservations: r, at }: BatchRows): void {
    r.id.forEach((id, i) => {
      const row: RowHistory = {
        partition: r.partition[i],
        id,
        home: r.home[i],
        createdAt: r.createdAt[i],
        reference: r.reference[i],
        participants: JSON.parse(`[${r.participants[i].slice(1, -1)}]`),
        lines: JSON.parse(`[${r.lines[i].slice(1, -1)}]`),
        states: [],
      };
      this.rows.set(`${row.partition}/${id}`, row);
      const status = r.status[i] as StoredStatus;
      const sold = r.sold[i] === null ? undefined : JSON.parse(`[${r.sold[i]!.slice(1, -1)}]`);
      this.enter(row, {
        status,
        expiresAt: r.expiresAt[i],
        sold,
        reheldAs: null,
        at: this.world.now,
        decidedAt: at,
      });
      if (row.home !== row.partition || status === 'never') return;
      if (status !== 'reheld') this.addHome(row);
      for (const participant of row.participants)
        insist(
          isOpen(this.rows.get(`${participant}/${id}`)),
          () => `I6: ${id} is ${status} at its home and not held at partition ${participant}`,
        );
    });
  }

  private addHome(row: RowHistory): void {
    const { reference } = row;
    if (reference === null) return;
    const homes = [...(this.homes.get(reference) ?? []), row];
    this.homes.set(reference, homes);
    insist(
      homes.length === 1,
      () => `I5: the order ${reference} was held twice: ${homes.map(({ id }) => id)}`,
    );
    this.checkRefused(reference);
  }

  private changeReservations({ changes: c, at }: BatchRows): void {
    c.id.forEach((id, i) => {
      const row = this.rows.get(`${c.partition[i]}/${id}`)!;
      const before = row.states.at(-1)!;
      const status = c.status[i] as StoredStatus;
      insist(
        MOVES[before.status].includes(status),
        () => `I6: ${id} at ${row.partition}: ${status} after ${before.status}`,
      );
      const sold = c.sold[i] === null ? undefined : JSON.parse(`[${c.sold[i]!.slice(1, -1)}]`);
      const state = {
        status,
        expiresAt: c.expiresAt[i],
        sold,
        reheldAs: c.reheldAs[i],
        at: this.world.now,
        decidedAt: at,
      };
      insist(
        before.status !== 'expired' || state.reheldAs !== null,
        () => `I6: ${id} is ${status} after it expired`,
      );
      this.enter(row, state);
    });
  }

  /** A row has become this. */
  private enter(row: RowHistory, state: RowState): void {
    const before = row.states.at(-1);
    row.states.push(state);
    if (row.home !== row.partition) {
      if (state.status !== 'held') this.checkParticipant(row, state);
      return;
    }
    const { id } = row;
    const { status, decidedAt } = state;
    if (status === 'held' || before?.status === 'expired') return;
    const expiresAt = before?.expiresAt ?? state.expiresAt;
    if (status === 'expired') {
      insist(decidedAt >= expiresAt, () => `${id} expired ${expiresAt - decidedAt} ms too early`);
      if (expiresAt > this.calmSinceMs) this.checkExpiry(row, expiresAt);
    } else if (status !== 'never') {
      insist(decidedAt < expiresAt, () => `${id} was ${status} ${decidedAt - expiresAt} ms after its expiry`);
    }
  }

  /** On time, everywhere. */
  private checkExpiry(row: RowHistory, expiresAt: number): void {
    const { id, participants } = row;
    const late = this.world.wallMs() - expiresAt;
    insist(late <= EXPIRY_LATE_MS, () => `${id} expired ${late} ms too late`);
    this.world.after((EXPIRY_LATE_MS - late) * 1000, () => {
      const held = participants.filter((partition) => isOpen(this.rows.get(`${partition}/${id}`)));
      insist(
        held.length === 0,
        () => `${id} has expired, and partitions ${held} still hold ${EXPIRY_LATE_MS} ms later`,
      );
    });
  }

  /** I6: only what the home has decided happens to a participant's part. */
  private checkParticipant({ partition, home, id }: RowHistory, { status }: RowState): void {
    const decided = this.rows.get(`${home}/${id}`)?.states ?? [];
    const isDecided = decided.some(
      (state) => state.status === status || (state.status === 'reheld' && status === 'confirmed'),
    );
    const last = decided.at(-1);
    const isRight =
      status === 'never'
        ? last === undefined || last.status === 'never'
        : isDecided && !(last?.reheldAs && status !== 'expired');
    insist(
      isRight,
      () =>
        `I6: ${id} is ${status} at partition ${partition}, and ${last?.status ?? 'unknown'} at its home ${home}`,
    );
  }

  /** I5: a key is decided once. */
  private addKeys({ keys: k }: BatchRows): void {
    k.key.forEach((key, i) => {
      const before = this.keys.get(key);
      insist(
        before === undefined || (before.fingerprint !== k.fingerprint[i] && this.mayBeReused(key)),
        () => `I5: key ${key} is decided at ${k.partition[i]}, and was at ${before!.partition}`,
      );
      if (before !== undefined) return;
      const { now } = this.world;
      this.keys.set(key, {
        partition: k.partition[i],
        claimedAt: k.keyPartition[i],
        fingerprint: k.fingerprint[i],
        at: now,
      });
    });
  }

  /** That a key has one payload is only in memory until it is decided: a new owner of its partition may not know it. */
  mayBeReused(key: string): boolean {
    const known = this.keys.get(key);
    return known === undefined || this.staleSince(known.claimedAt, known.at - CLAIMED_US) !== undefined;
  }

  /** It was answered that nothing has happened under this reference, and that nothing will. */
  noEffect(reference: string): void {
    this.refused.add(reference);
    if (this.homes.has(reference) || this.adjustments.has(reference)) this.checkRefused(reference);
  }
  private checkRefused(reference: string): void {
    insist(!this.refused.has(reference), () => `${reference} took effect, and was answered that it did not`);
  }

  home(id: string): RowHistory | undefined {
    return this.rows.get(`${Number.parseInt(id.slice(-4), 16)}/${id}`);
  }

  /** The parts of a reservation as (sku, location, line, units). */
  partsOf(home: RowHistory) {
    return [home.partition, ...home.participants].flatMap((partition) =>
      triples(this.rows.get(`${partition}/${home.id}`)?.lines ?? []).map(([line, level, quantity]) => {
        const { sku, location } = this.levels.get(partition)![level];
        return { line, sku, location, quantity };
      }),
    );
  }
}

/** What a level's settings are after an entry: a count may change them, and a batch says only what they are in the end. */
function settingsOf(
  kind: string,
  last: Version | undefined,
  before: Settings | undefined,
  after: Settings,
  counts: number,
): Settings | undefined {
  if (counts > 1) return undefined;
  if (before?.safetyStock === after.safetyStock && before.backorderLimit === after.backorderLimit)
    return after;
  return kind === 'counted' || last?.settings === after ? after : before;
}
