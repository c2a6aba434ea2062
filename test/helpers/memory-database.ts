/**
 * The tables of the database in memory, and the statements that src/storage runs on them: the one double,
 * behind the tests of actors and lanes and behind the simulation. Each method is one statement or transaction
 * and happens at once; what may come between them is its user's to decide. It is stricter than Postgres in one respect: a change of
 * a row that is not there is an error.
 */
import { parseId } from '../../src/reservations/id.ts';
import { type Sold, soldLines } from '../../src/reservations/sold.ts';
import type { GrantedLine, Status } from '../../src/reservations/types.ts';
import type { BatchRows } from '../../src/storage/batch-rows.ts';
import type { FailureKind } from '../../src/storage/database.ts';
import type { Found, FoundReservation } from '../../src/storage/find-reservation.ts';
import type { KeyRow } from '../../src/storage/load-keys.ts';
import type { LevelRow, NeverRow, OpenRow, UnsettledRow } from '../../src/storage/load-partitions.ts';
import { spelledOut } from './spelled-out.ts';

export class StoreFailure extends Error {
  constructor(
    readonly kind: FailureKind,
    text: string = kind,
  ) {
    super(text);
  }
}

export type StoredStatus = Status | 'never' | 'reheld';

export interface StoredReservation {
  partition: number;
  status: StoredStatus;
  id: string;
  home: number;
  createdAt: number;
  expiresAt: number;
  closedAt: number | null;
  reference: string | null;
  participants: number[];
  /** (line, level, quantity) repeated. */
  lines: number[];
  sold?: Sold;
  reheldAs: string | null;
}

export interface StoredEntry {
  partition: number;
  seq: number;
  level: number;
  page: number;
  previous: number;
  kind: string;
  onHandDelta: number;
  reservedDelta: number;
  reservation: string | null;
  reason: string | null;
  reference: string | null;
  at: number;
}

type HomeRow = StoredReservation & Pick<FoundReservation, 'unsettled' | 'heldAs'>;

interface StoredKey {
  partition: number;
  keyPartition: number;
  key: string;
  fingerprint: string;
  answer: Uint8Array;
  at: number;
}

export class MemoryDatabase {
  /** Commits that each owner has made, by epoch. */
  readonly owners = new Map<number, number>();
  /** Of each partition. */
  readonly epochs = new Map<number, number>();
  /** Of each partition, by number. */
  readonly levels = new Map<number, LevelRow[]>();
  /** By `partition/id`. */
  readonly reservations = new Map<string, StoredReservation>();
  /** Of each partition, in order. */
  readonly ledger = new Map<number, StoredEntry[]>();
  /** Pages of the ledger, by `epoch/page`. */
  private readonly pages = new Set<string>();
  /** By `partition/key`. */
  readonly keys = new Map<string, StoredKey>();
  /** Reservations with the status `held`. */
  private readonly open = new Set<StoredReservation>();
  private lastEpoch = 0;

  /** @throws StoreFailure `fenced`, having written nothing; Error for rows that contradict those that are there */
  commit(batch: BatchRows): void {
    const rows = spelledOut(batch, (partition, level) => this.levels.get(partition)![level]);
    const { epoch, commitSeq } = rows.owner;
    if (!this.fence(epoch, commitSeq)) throw new StoreFailure('fenced');
    this.owners.set(epoch, commitSeq);
    this.writeLevels(rows);
    this.writeReservations(rows);
    this.writeLedger(rows);
    this.writeKeys(rows);
    for (const partition of rows.releases)
      if (this.epochs.get(partition) === epoch) this.epochs.set(partition, 0);
  }

  /** Whether this is the owner's next commit. */
  protected fence(epoch: number, commitSeq: number): boolean {
    return this.owners.get(epoch) === commitSeq - 1;
  }

  private writeLevels({ newLevels, levels, at, page }: BatchRows): void {
    for (const columns of [newLevels, levels]) {
      const names = columns === newLevels ? newLevels : undefined;
      columns.level.forEach((level, i) => {
        const partition = columns.partition[i];
        const stored = listOf(this.levels, partition);
        if ((names !== undefined) !== (stored.length === level) || level > stored.length)
          throw new Error(`level ${level} of partition ${partition} is new, or not`);
        if (columns.reserved[i] < 0)
          throw new Error(`level ${level} of partition ${partition} has ${columns.reserved[i]} reserved`);
        stored[level] = {
          partition,
          level,
          sku: names?.sku[i] ?? stored[level].sku,
          location: names?.location[i] ?? stored[level].location,
          onHand: columns.onHand[i],
          reserved: columns.reserved[i],
          safetyStock: columns.safetyStock[i],
          backorderLimit: columns.backorderLimit[i],
          version: columns.version[i],
          lastPage: page,
          updatedAt: at,
        };
      });
    }
  }

  private writeReservations({ reservations: r, changes: c, at }: BatchRows): void {
    r.id.forEach((id, i) => {
      const status = r.status[i] as StoredStatus;
      const key = `${r.partition[i]}/${id}`;
      if (this.reservations.has(key)) throw new Error(`reservation ${key} is there already`);
      const row: StoredReservation = {
        partition: r.partition[i],
        status,
        id,
        home: r.home[i],
        createdAt: r.createdAt[i],
        expiresAt: r.expiresAt[i],
        closedAt: status === 'held' || status === 'never' ? null : at,
        reference: r.reference[i],
        participants: integers(r.participants[i]),
        lines: integers(r.lines[i]),
        sold: soldOf(r.sold[i]),
        reheldAs: null,
      };
      this.reservations.set(key, row);
      if (status === 'held') this.open.add(row);
    });
    c.id.forEach((id, i) => {
      const key = `${c.partition[i]}/${id}`;
      const row = this.reservations.get(key);
      if (row?.status !== c.was[i]) throw new Error(`reservation ${key} is ${row?.status}, not ${c.was[i]}`);
      row.status = c.status[i] as StoredStatus;
      row.expiresAt = c.expiresAt[i];
      row.sold = soldOf(c.sold[i]);
      row.reheldAs = c.reheldAs[i];
      row.closedAt = row.status === 'held' ? null : at;
      if (row.status !== 'held') this.open.delete(row);
    });
  }

  private writeLedger({ owner: { epoch }, ledger: g, at, page }: BatchRows): void {
    if (g.seq.length === 0) return;
    if (this.pages.has(`${epoch}/${page}`))
      throw new Error(`page ${page} of epoch ${epoch} is there already`);
    this.pages.add(`${epoch}/${page}`);
    g.seq.forEach((seq, i) => {
      const partition = g.partition[i];
      const entries = listOf(this.ledger, partition);
      const last = entries.at(-1);
      if (last !== undefined && (seq <= last.seq || page < last.page))
        throw new Error(`entry ${seq} of partition ${partition}, on page ${page}, is late`);
      entries.push({
        partition,
        seq,
        level: g.level[i],
        page,
        previous: g.previous[i],
        kind: g.kind[i],
        onHandDelta: g.onHandDelta[i],
        reservedDelta: g.reservedDelta[i],
        reservation: g.reservation[i],
        reason: g.reason[i],
        reference: g.reference[i],
        at,
      });
    });
  }

  private writeKeys({ keys: k, at }: BatchRows): void {
    k.key.forEach((key, i) => {
      const partition = k.partition[i];
      this.keys.set(`${partition}/${key}`, {
        partition,
        keyPartition: k.keyPartition[i],
        key,
        fingerprint: k.fingerprint[i],
        answer: Uint8Array.fromHex(k.answer[i]),
        at,
      });
    });
  }

  readCommitSeq(epoch: number): number | undefined {
    return this.owners.get(epoch);
  }

  takePartitions(partitions: number[], joining?: number): number {
    if (joining !== undefined && !this.owners.has(joining)) throw new StoreFailure('fenced');
    for (const partition of partitions) {
      const before = this.epochs.get(partition) ?? 0;
      if (before !== joining) this.owners.delete(before);
    }
    const epoch = joining ?? ++this.lastEpoch;
    if (joining === undefined) this.owners.set(epoch, 0);
    for (const partition of partitions) this.epochs.set(partition, epoch);
    return epoch;
  }

  loadLevels(partitions: number[]): LevelRow[] {
    return [...partitions].sort((a, b) => a - b).flatMap((partition) => this.levels.get(partition) ?? []);
  }

  loadOpen(partitions: number[]): OpenRow[] {
    return [...this.open]
      .filter(({ partition }) => partitions.includes(partition))
      .map((row) => {
        const { partition, id, home, createdAt, expiresAt, reference, participants, lines } = row;
        const decided = home === partition ? undefined : this.reservations.get(`${home}/${id}`);
        const decision = home === partition ? 'held' : decided === undefined ? null : decisionOf(decided);
        return {
          partition,
          id: wordsOf(id),
          home,
          decision,
          sold: decided?.sold,
          createdAt,
          expiresAt,
          reference,
          participants,
          lines,
        };
      });
  }

  loadNever(homes: number[], since: number): NeverRow[] {
    return [...this.reservations.values()]
      .filter(
        ({ partition, status, createdAt }) =>
          status === 'never' && homes.includes(partition) && createdAt > since,
      )
      .map(({ partition, id, createdAt }) => ({ partition, id: wordsOf(id), at: createdAt }));
  }

  loadUnsettled(homes: number[]): UnsettledRow[] {
    return [...this.open].flatMap((row) => {
      const home = row.home === row.partition ? undefined : this.reservations.get(`${row.home}/${row.id}`);
      if (home === undefined || home.status === 'held' || !homes.includes(row.home)) return [];
      const decision = decisionOf(home) as UnsettledRow['decision'];
      return [
        { partition: home.partition, id: row.id, decision, sold: home.sold, participant: row.partition },
      ];
    });
  }

  loadKeys(partitions: number[], since: number): KeyRow[] {
    return [...this.keys.values()]
      .filter(
        ({ partition, keyPartition, at }) =>
          at > since && (partitions.includes(partition) || partitions.includes(keyPartition)),
      )
      .map(({ partition, keyPartition, key, fingerprint, at }) => ({
        partition,
        keyPartition,
        words: wordsOf(key + fingerprint),
        at,
      }));
  }

  findAnswer(partition: number, key: string): Uint8Array | undefined {
    return this.keys.get(`${partition}/${key}`)?.answer;
  }

  isHeld(partition: number, id: string): boolean {
    return this.reservations.get(`${partition}/${id}`)?.status === 'held';
  }

  /** The home's row, as it is now, for `findLines` to complete. */
  findHome(home: number, id: string): HomeRow | undefined {
    const row = this.reservations.get(`${home}/${id}`);
    if (row === undefined) return undefined;
    const again = row.reheldAs === null ? undefined : this.reservations.get(`${home}/${row.reheldAs}`);
    const { id: heldAs, participants } = again ?? row;
    const unsettled =
      row.status === 'held' ? [] : participants.filter((partition) => this.isHeld(partition, heldAs));
    return { ...row, unsettled, heldAs };
  }

  /** What a home has of an id, from its row as it was and the lines as they are. */
  findLines(row: HomeRow): Found {
    const { id, status, sold, unsettled, heldAs, reference, createdAt, expiresAt, closedAt } = row;
    if (status === 'never' || status === 'reheld') return status;
    const parts = [row.home, ...row.participants]
      .sort((a, b) => a - b)
      .flatMap((partition) => this.partsOf(partition, id));
    const heldLines: GrantedLine[] = [];
    for (const { line, sku, location, quantity } of parts.sort((a, b) => a.line - b.line)) {
      const last = heldLines.at(-1);
      if (last?.line === line) {
        last.quantity += quantity;
        last.allocations.push({ location, quantity });
      } else heldLines.push({ line, quantity, sku, allocations: [{ location, quantity }] });
    }
    return {
      id,
      status,
      lines: soldLines(heldLines, sold),
      heldLines,
      sold,
      reference: reference ?? undefined,
      createdAt,
      expiresAt,
      closedAt: closedAt ?? undefined,
      unsettled,
      heldAs,
    };
  }

  private partsOf(partition: number, id: string) {
    const row = this.reservations.get(`${partition}/${id}`);
    if (row === undefined || row.status === 'reheld') return [];
    return triples(row.lines).map(([line, level, quantity]) => {
      const { sku, location } = this.levels.get(partition)![level];
      return { line, sku, location, quantity };
    });
  }
}

/** (line, level, quantity) of a flat list. */
export function triples(lines: number[]): [line: number, level: number, quantity: number][] {
  return Array.from({ length: lines.length / 3 }, (_, i) => [
    lines[i * 3],
    lines[i * 3 + 1],
    lines[i * 3 + 2],
  ]);
}

function decisionOf({ status }: StoredReservation): OpenRow['decision'] {
  return status === 'reheld' ? 'confirmed' : status;
}

/** Of hexadecimal digits, eight a word. */
function wordsOf(hex: string): Uint32Array {
  const words = new Uint32Array(hex.replaceAll('-', '').length / 8);
  parseId(hex, words);
  return words;
}

function soldOf(literal: string | null): Sold | undefined {
  return literal === null ? undefined : integers(literal);
}

function integers(literal: string): number[] {
  return literal === '{}' ? [] : literal.slice(1, -1).split(',').map(Number);
}

function listOf<T>(lists: Map<number, T[]>, key: number): T[] {
  let list = lists.get(key);
  if (list === undefined) {
    list = [];
    lists.set(key, list);
  }
  return list;
}
