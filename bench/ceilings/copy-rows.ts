/**
 * Rows in the binary format of COPY (Postgres manual, COPY, "Binary Format"), made ahead: one chunk of
 * reservations and one of the ledger's entries, in which only what must be unique is changed before they
 * are sent again.
 */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const END = Buffer.from([0xff, 0xff]);
const ID_BYTES = 16;
/** An id begins with its time, as a UUID of version 7 does: neighbours are neighbours in an index. */
const TIME_BYTES = 6;
const INT4_OID = 23;
const INT2_OID = 21;
/** Microseconds of the Unix epoch's milliseconds 0, as Postgres counts them from the year 2000. */
const EPOCH_MICROS = -946_684_800_000_000n;

export const RESERVATION_COLUMNS =
  'partition, status, id, home, created_at, expires_at, participants, lines' as const;
export const LEDGER_COLUMNS =
  'partition, seq, level, previous, kind, on_hand_delta, reserved_delta, reservation, at' as const;

export class Chunk {
  private constructor(
    readonly reservations: Buffer,
    readonly ledger: Buffer,
    /** Where the id of each row is, and the entry's number in the ledger. */
    private readonly idAt: { reservation: number; entry: number; seq: number }[],
  ) {}

  /** Of reservations of one line as Holdfast writes them, over so many partitions. */
  static of(rows: number, partitions: number): Chunk {
    const at = timestamp(Date.now());
    const reservations: Buffer[] = [SIGNATURE];
    const ledger: Buffer[] = [SIGNATURE];
    const idAt: { reservation: number; entry: number; seq: number }[] = [];
    let reservationsBytes = SIGNATURE.length;
    let ledgerBytes = SIGNATURE.length;
    for (let row = 0; row < rows; row++) {
      const partition = int2(row % partitions);
      const level = int4(row);
      const status = text('held');
      const id = Buffer.alloc(ID_BYTES);
      const lines = array(INT4_OID, [int4(0), level, int4(1)]);
      const reservation = tuple([partition, status, id, partition, at, at, array(INT2_OID, []), lines]);
      const entry = tuple([partition, int8(0n), level, int8(0n), status, int8(0n), int8(1n), id, at]);
      // Two bytes that count the fields, and four before each field with its length.
      const seq = ledgerBytes + 2 + 4 + partition.length + 4;
      idAt.push({
        reservation: reservationsBytes + 2 + 4 + partition.length + 4 + status.length + 4,
        entry: ledgerBytes + entry.length - at.length - 4 - ID_BYTES,
        seq,
      });
      reservations.push(reservation);
      ledger.push(entry);
      reservationsBytes += reservation.length;
      ledgerBytes += entry.length;
    }
    return new Chunk(Buffer.concat([...reservations, END]), Buffer.concat([...ledger, END]), idAt);
  }

  get rows(): number {
    return this.idAt.length;
  }

  /** Makes it a chunk of other reservations, made now, whose entries have the numbers from `seq` on. */
  renew(seq: number): void {
    const id = Buffer.alloc(ID_BYTES);
    for (const [row, { reservation, entry, seq: seqAt }] of this.idAt.entries()) {
      crypto.getRandomValues(id);
      id.writeUIntBE(Date.now(), 0, TIME_BYTES);
      this.reservations.set(id, reservation);
      this.ledger.set(id, entry);
      this.ledger.writeBigInt64BE(BigInt(seq + row), seqAt);
    }
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
