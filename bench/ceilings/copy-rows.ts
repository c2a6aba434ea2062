/**
 * Rows in the binary format of COPY (Postgres manual, COPY, "Binary Format"), made ahead: one chunk of
 * reservations and one of the pages of the ledger with their entries, in which only what must be unique is changed before
 * they are sent again.
 */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const END = Buffer.from([0xff, 0xff]);
const ID_BYTES = 16;
/** An id begins with its time, as a UUID of version 7 does: neighbours are neighbours in an index. */
const TIME_BYTES = 6;
const INT8_OID = 20;
const INT4_OID = 23;
const INT2_OID = 21;
const UUID_OID = 2950;
/** Before the first element of an array, and before each. */
const ARRAY_HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
/** Microseconds of the Unix epoch's milliseconds 0, as Postgres counts them from the year 2000. */
const EPOCH_MICROS = -946_684_800_000_000n;

export const RESERVATION_COLUMNS =
  'partition, status, id, home, created_at, expires_at, participants, lines' as const;
export const PAGE_COLUMNS =
  'page, epoch, source, at, kinds, partitions, seqs, levels, previous, reserved_deltas, reservations' as const;

/** Where something stands that is written anew each time. */
interface Places {
  /** The id of each reservation, in its row and in the list of its page, and the number of its entry. */
  rows: { reservation: number; entry: number; seq: number }[];
  pages: number[];
}

export class Chunk {
  private constructor(
    readonly reservations: Buffer,
    readonly pages: Buffer,
    private readonly places: Places,
  ) {}

  /**
   * Of reservations of one line as Holdfast writes them, over so many partitions.
   * @param rows in all, and on a page @param kindOid of the type of an entry's kind
   */
  static of(rows: { all: number; page: number }, partitions: number, kindOid: number): Chunk {
    const at = timestamp(Date.now());
    const reservations: Buffer[] = [SIGNATURE];
    const pages: Buffer[] = [SIGNATURE];
    const places: Places = { rows: [], pages: [] };
    const status = text('held');
    const id = Buffer.alloc(ID_BYTES);
    let reservationsBytes = SIGNATURE.length;
    let pagesBytes = SIGNATURE.length;
    for (let first = 0; first < rows.all; first += rows.page) {
      const numbers = Array.from({ length: Math.min(rows.page, rows.all - first) }, (_, i) => first + i);
      const list = (type: number, element: (row: number) => Buffer): Buffer =>
        array(type, numbers.map(element));
      const before = [int8(0n), int8(0n), int2(0), at, array(kindOid, [status])];
      const lists = [
        list(INT2_OID, (row) => int2(row % partitions)),
        list(INT8_OID, () => int8(0n)),
        list(INT4_OID, int4),
        list(INT8_OID, () => int8(0n)),
        list(INT8_OID, () => int8(1n)),
        list(UUID_OID, () => id),
      ];
      const page = tuple([...before, ...lists]);
      // Two bytes that count the fields, and four before each field with its length.
      const placeOf = (field: number): number =>
        [...before, ...lists]
          .slice(0, field)
          .reduce((sum, { length }) => sum + LENGTH_BYTES + length, pagesBytes + 2 + LENGTH_BYTES);
      const seqs = placeOf(before.length + 1) + ARRAY_HEADER_BYTES + LENGTH_BYTES;
      const ids = placeOf(before.length + 5) + ARRAY_HEADER_BYTES + LENGTH_BYTES;
      places.pages.push(placeOf(0));
      pages.push(page);
      pagesBytes += page.length;
      for (const [i, row] of numbers.entries()) {
        const partition = int2(row % partitions);
        const lines = array(INT4_OID, [int4(0), int4(row), int4(1)]);
        const reservation = tuple([partition, status, id, partition, at, at, array(INT2_OID, []), lines]);
        places.rows.push({
          reservation: reservationsBytes + 2 + 3 * LENGTH_BYTES + partition.length + status.length,
          entry: ids + i * (LENGTH_BYTES + ID_BYTES),
          seq: seqs + i * (LENGTH_BYTES + 8),
        });
        reservations.push(reservation);
        reservationsBytes += reservation.length;
      }
    }
    return new Chunk(Buffer.concat([...reservations, END]), Buffer.concat([...pages, END]), places);
  }

  get rows(): number {
    return this.places.rows.length;
  }

  /** Makes it a chunk of other reservations, made now, whose entries, and whose pages, have the numbers from `seq` on. */
  renew(seq: number): void {
    const id = Buffer.alloc(ID_BYTES);
    for (const [row, { reservation, entry, seq: seqAt }] of this.places.rows.entries()) {
      crypto.getRandomValues(id);
      id.writeUIntBE(Date.now(), 0, TIME_BYTES);
      this.reservations.set(id, reservation);
      this.pages.set(id, entry);
      this.pages.writeBigInt64BE(BigInt(seq + row), seqAt);
    }
    for (const [page, pageAt] of this.places.pages.entries())
      this.pages.writeBigInt64BE(BigInt(seq + page), pageAt);
  }
}

/** @param fields null where there is no value */
function tuple(fields: Buffer[]): Buffer {
  return Buffer.concat([int2(fields.length), ...fields.flatMap((field) => [int4(field.length), field])]);
}

function array(type: number, elements: Buffer[]): Buffer {
  const header = [int4(elements.length === 0 ? 0 : 1), int4(0), int4(type)];
  if (elements.length === 0) return Buffer.concat(header);
  const values = elements.flatMap((element) => [int4(element.length), element]);
  return Buffer.concat([...header, int4(elements.length), int4(1), ...values]);
}

function int2(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int8(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function timestamp(ms: number): Buffer {
  return int8(BigInt(ms) * 1000n + EPOCH_MICROS);
}

function text(value: string): Buffer {
  return Buffer.from(value);
}
