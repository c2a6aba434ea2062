/**
 * Reads many rows of a query at little cost: as binary COPY, column by column out of the bytes that Postgres sends, without a text
 * for each value. Nothing here knows the types of columns but that of a partition, by which rows can be gathered: whoever reads a row
 * reads what the query selects, in its order.
 *
 * The format is that of the manual of Postgres (COPY, "Binary Format"): a header, rows, an end. A row is the number of its columns,
 * and for each of them the number of its bytes, or -1 for null, and the bytes.
 */
import type { Readable } from 'node:stream';
import type { Sql } from './database.ts';

const HEADER_BYTES = 19;
/** In place of the number of columns. */
const END = -1;
const YEAR_2000_MS = 946_684_800_000;
const NOTHING: Buffer = Buffer.alloc(0);
const NO_INTEGERS: number[] = [];
/** Of each partition, what waits to be gone through together: enough that its arrays are in the processor's cache for most of it. */
const GATHERED_BYTES = 8192;

/**
 * Streams the rows of a query, which can have no parameters. The connection must have nothing else to do meanwhile: postgres.js
 * refuses what it would send over it.
 * @param onRow the row is valid until this returns. What it throws is what this rejects with in the end, and no row follows.
 */
export async function copyRows(sql: Sql, query: string, onRow: (row: CopiedRow) => void): Promise<void> {
  const row = new CopiedRow(onRow);
  let refusal: { error: unknown } | undefined;
  await copyOut(sql, query, (bytes) => {
    if (refusal !== undefined) return;
    // postgres.js would take what is thrown here for a failure of its own.
    try {
      row.take(bytes);
    } catch (error) {
      refusal = { error };
    }
  });
  if (refusal !== undefined) throw (refusal as { error: unknown }).error;
  if (!row.ended) throw new Error('a copy ended before its last row');
}

/**
 * The same for rows that begin with a `smallint`, the partition, and come mixed: those of a partition are gone through some
 * dozens at a time, as each is to be put into tables of its partition.
 */
export async function copyRowsOfPartitions(
  sql: Sql,
  query: string,
  onRow: (row: CopiedRow) => void,
): Promise<void> {
  const gathered = new Map<number, Gathered>();
  const reader = new CopiedRow(onRow, true);
  await copyRows(sql, query, (row) => {
    const partition = row.int16();
    let rows = gathered.get(partition);
    if (rows === undefined) {
      rows = new Gathered(reader);
      gathered.set(partition, rows);
    }
    rows.add(row);
  });
  for (const rows of gathered.values()) rows.read();
}

class Gathered {
  private readonly bytes = Buffer.allocUnsafeSlow(GATHERED_BYTES);
  private length = 0;

  constructor(private readonly reader: CopiedRow) {}

  add(row: CopiedRow): void {
    if (this.length + row.length > GATHERED_BYTES) this.read();
    if (row.length > GATHERED_BYTES) return this.reader.take(row.raw());
    this.length += row.copyTo(this.bytes, this.length);
  }

  read(): void {
    this.reader.take(this.bytes.subarray(0, this.length));
    this.length = 0;
  }
}

/**
 * Takes the bytes where postgres.js (3.4.9, connection.js, `CopyOutResponse`) gives them to the stream that it makes. Through
 * that stream they would cost more; an error that comes with the first rows would find nobody who listens and end the process; and where
 * the last rows come all at once the connection would stay paused for ever.
 */
function copyOut(sql: Sql, query: string, onBytes: (bytes: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const copy = sql.unsafe(`copy (${query}) to stdout (format binary)`).simple();
    Object.assign(copy, {
      // Called with the stream, and again when all is over.
      resolve(result: Readable | unknown[]) {
        if (Array.isArray(result)) return resolve();
        result.on('error', reject);
        result.push = (bytes: Buffer | null) => {
          if (bytes !== null) onBytes(bytes);
          return true;
        };
      },
      reject,
    });
    copy.execute();
  });
}

export class CopiedRow {
  ended = false;
  private bytes: Buffer = NOTHING;
  private at = 0;
  /** Where this row is. */
  private from = 0;
  private to = 0;

  /** @param begun whether the header has been read */
  constructor(
    private readonly onRow: (row: CopiedRow) => void,
    private begun = false,
  ) {}

  /** Goes through the rows that are complete with these bytes. */
  take(bytes: Buffer): void {
    this.bytes = this.bytes.length === 0 ? bytes : Buffer.concat([this.bytes, bytes]);
    let from = 0;
    if (!this.begun) {
      if (this.bytes.length < HEADER_BYTES) return;
      this.begun = true;
      from = HEADER_BYTES;
    }
    for (let to = this.endOfRow(from); to > from; to = this.endOfRow(from)) {
      this.at = from + 2;
      this.from = from;
      this.to = to;
      this.onRow(this);
      from = to;
    }
    this.bytes = from === this.bytes.length ? NOTHING : this.bytes.subarray(from);
  }

  /** In bytes. */
  get length(): number {
    return this.to - this.from;
  }

  /** A view of its bytes, valid as long as the row. */
  raw(): Buffer {
    return this.bytes.subarray(this.from, this.to);
  }

  /** @returns how many bytes it has */
  copyTo(target: Buffer, at: number): number {
    return this.bytes.copy(target, at, this.from, this.to);
  }

  int16(): number {
    this.at += 6;
    return int16(this.bytes, this.at - 2);
  }

  int32(): number {
    this.at += 8;
    return int32(this.bytes, this.at - 4);
  }

  /** Exact below 2^53. */
  int64(): number {
    this.at += 12;
    return int64(this.bytes, this.at - 8);
  }

  /** A `timestamptz` in milliseconds since the Unix epoch. */
  time(): number {
    return Math.round(this.int64() / 1000) + YEAR_2000_MS;
  }

  text(): string {
    const from = this.at + 4;
    this.at = from + int32(this.bytes, from - 4);
    return this.bytes.toString('utf8', from, this.at);
  }

  /** The four words of a `uuid`. */
  uuid(into: Uint32Array, at = 0): Uint32Array {
    this.at += 4;
    for (let word = at; word < at + 4; word++, this.at += 4) into[word] = int32(this.bytes, this.at);
    return into;
  }

  /** An array of `smallint` or `integer`, of one dimension and without nulls. */
  integers(): number[] {
    const { bytes } = this;
    const from = this.at + 4;
    this.at = from + int32(bytes, from - 4);
    if (int32(bytes, from) === 0) return NO_INTEGERS;
    const integers: number[] = [];
    // Behind the number of dimensions, a flag, the type of elements, and the size and lower bound of the dimension.
    for (let at = from + 20; at < this.at; ) {
      const length = int32(bytes, at);
      integers.push(length === 2 ? int16(bytes, at + 4) : int32(bytes, at + 4));
      at += 4 + length;
    }
    return integers;
  }

  /** @returns whether the next column is null, and then it has been read */
  isNull(): boolean {
    if (int32(this.bytes, this.at) !== -1) return false;
    this.at += 4;
    return true;
  }

  /** @returns `from` where the row is not complete, and at the end */
  private endOfRow(from: number): number {
    const { bytes } = this;
    let to = from + 2;
    if (to > bytes.length) return from;
    let columns = int16(bytes, from);
    if (columns === END) this.ended = true;
    for (; columns > 0; columns--) {
      if (to + 4 > bytes.length) return from;
      to += 4 + Math.max(0, int32(bytes, to));
    }
    return this.ended || to > bytes.length ? from : to;
  }
}

function int16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) >> 16) | bytes[at + 1];
}
function int32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}
function int64(bytes: Uint8Array, at: number): number {
  return int32(bytes, at) * 2 ** 32 + (int32(bytes, at + 4) >>> 0);
}
