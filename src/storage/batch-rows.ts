/** What one commit writes, as lists: a list for each column of each kind of row. */

/** The rows of one commit, a list per column. Times are milliseconds since the Unix epoch. */
export interface BatchRows {
  owner: { epoch: number; commitSeq: number };
  /** When everything in the batch was decided. */
  at: number;
  /** Of the ledger, which all entries stand on; see migration 009. */
  page: number;
  /** Of the trace that the batch is part of. */
  traceparent: string | undefined;
  newLevels: LevelColumns & { sku: string[]; location: string[] };
  /** New levels that are as the count that made them found them, each with its first entry. */
  counted: {
    partition: number[];
    level: number[];
    onHand: number[];
    safetyStock: number[];
    backorderLimit: number[];
    /** The entry's number. */
    seq: number[];
    sku: string[];
    location: string[];
  };
  levels: LevelColumns;
  /**
   * Reservations that are line 0, of one level, and of one partition, each with its entry. Where a level has changed by such ones alone,
   * the last of them says what it is now, and it is not among `levels`.
   */
  holds: {
    partition: number[];
    id: string[];
    createdAt: number[];
    expiresAt: number[];
    reference: (string | null)[];
    level: number[];
    quantity: number[];
    /** Of the level; version -1 where another row has them. */
    reserved: number[];
    version: number[];
    /** The entry's number, and the page of the one before it of the same level. */
    seq: number[];
    previous: number[];
  };
  /** The others. */
  reservations: {
    partition: number[];
    status: string[];
    id: string[];
    home: number[];
    createdAt: number[];
    expiresAt: number[];
    reference: (string | null)[];
    /** Array literals, `{1,2}`; of `sold`, null where there is nothing to say. */
    participants: string[];
    lines: string[];
    sold: (string | null)[];
  };
  /**
   * Closings of reservations whose units here are one level's, each with its entry: changes of rows that earlier batches have inserted.
   * Where a level has changed by them and by `holds` alone, the last of them says what it is now.
   */
  closings: {
    partition: number[];
    id: string[];
    status: string[];
    expiresAt: number[];
    level: number[];
    onHandDelta: number[];
    reservedDelta: number[];
    /** Of the level; version -1 where another row has them. */
    onHand: number[];
    reserved: number[];
    version: number[];
    seq: number[];
    previous: number[];
  };
  /** Other changes of such rows. */
  changes: {
    partition: number[];
    id: string[];
    was: string[];
    status: string[];
    expiresAt: number[];
    sold: (string | null)[];
    reheldAs: (string | null)[];
  };
  /** Other entries. */
  ledger: {
    partition: number[];
    seq: number[];
    level: number[];
    /** The page of the entry before it of the same level; 0 for the first. */
    previous: number[];
    kind: string[];
    onHandDelta: number[];
    reservedDelta: number[];
    reservation: (string | null)[];
    reason: (string | null)[];
    reference: (string | null)[];
  };
  keys: {
    partition: number[];
    key: string[];
    keyPartition: number[];
    fingerprint: string[];
    /** Bytes in hexadecimal. */
    answer: string[];
  };
  /** Partitions that their owner gives up: nothing of them is in any commit after this one. */
  releases: number[];
}

export interface LevelColumns {
  partition: number[];
  level: number[];
  onHand: number[];
  reserved: number[];
  safetyStock: number[];
  backorderLimit: number[];
  version: number[];
}

function levelColumns(): LevelColumns {
  return {
    partition: [],
    level: [],
    onHand: [],
    reserved: [],
    safetyStock: [],
    backorderLimit: [],
    version: [],
  };
}

/** @param at when everything in the batch is decided, in milliseconds */
export function emptyRows(at: number, page: number): BatchRows {
  return {
    owner: { epoch: 0, commitSeq: 0 },
    at,
    page,
    traceparent: undefined,
    newLevels: { ...levelColumns(), sku: [], location: [] },
    counted: {
      partition: [],
      level: [],
      onHand: [],
      safetyStock: [],
      backorderLimit: [],
      seq: [],
      sku: [],
      location: [],
    },
    levels: levelColumns(),
    holds: {
      partition: [],
      id: [],
      createdAt: [],
      expiresAt: [],
      reference: [],
      level: [],
      quantity: [],
      reserved: [],
      version: [],
      seq: [],
      previous: [],
    },
    reservations: {
      partition: [],
      status: [],
      id: [],
      home: [],
      createdAt: [],
      expiresAt: [],
      reference: [],
      participants: [],
      lines: [],
      sold: [],
    },
    closings: {
      partition: [],
      id: [],
      status: [],
      expiresAt: [],
      level: [],
      onHandDelta: [],
      reservedDelta: [],
      onHand: [],
      reserved: [],
      version: [],
      seq: [],
      previous: [],
    },
    changes: { partition: [], id: [], was: [], status: [], expiresAt: [], sold: [], reheldAs: [] },
    ledger: {
      partition: [],
      seq: [],
      level: [],
      previous: [],
      kind: [],
      onHandDelta: [],
      reservedDelta: [],
      reservation: [],
      reason: [],
      reference: [],
    },
    keys: { partition: [], key: [], keyPartition: [], fingerprint: [], answer: [] },
    releases: [],
  };
}
