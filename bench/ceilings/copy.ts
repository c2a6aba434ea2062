/**
 * What Postgres takes over one connection: binary COPY of the rows that a reservation leaves behind (itself, and
 * its entry in the ledger) into tables of the same shape and with the same indexes, committed every
 * so many rows. It decides nothing, and updates no level.
 */
import { finished } from 'node:stream/promises';
import type postgres from 'postgres';
import { PARTITIONS_DEFAULT } from '../../src/limits.ts';
import type { Measured } from '../generators/generator.ts';
import { NO_EFFECTS } from '../shot.ts';
import { Chunk, LEDGER_COLUMNS, RESERVATION_COLUMNS } from './copy-rows.ts';

export class CopyCeiling {
  private seq = 1;

  private constructor(
    private readonly sql: postgres.Sql,
    private readonly chunk: Chunk,
  ) {}

  /** @param rows in one transaction */
  static async create(sql: postgres.Sql, rows: number): Promise<CopyCeiling> {
    await sql.unsafe(`
      create schema if not exists bench;
      create table if not exists bench.reservation (like holdfast.reservation including all);
      create table if not exists bench.ledger (like holdfast.ledger including all)`);
    return new CopyCeiling(sql, Chunk.of(rows, PARTITIONS_DEFAULT));
  }

  async run(seconds: number): Promise<Measured> {
    const { sql, chunk } = this;
    await sql`truncate bench.reservation, bench.ledger`;
    let busyMs = 0;
    let operations = 0;
    while (busyMs < seconds * 1000) {
      chunk.renew(this.seq);
      this.seq += chunk.rows;
      const startedAt = performance.now();
      await sql.begin(async (tx) => {
        await copyInto(tx, `bench.reservation (${RESERVATION_COLUMNS})`, chunk.reservations);
        await copyInto(tx, `bench.ledger (${LEDGER_COLUMNS})`, chunk.ledger);
      });
      busyMs += performance.now() - startedAt;
      operations += chunk.rows;
    }
    const [{ rows }] =
      await sql`select count(*)::float8 as rows from bench.ledger join bench.reservation on id = reservation`;
    if (rows !== operations) throw new Error(`COPY wrote ${rows} rows of ${operations}`);
    return {
      tool: 'bench',
      seconds: busyMs / 1000,
      operations,
      latencies: [],
      statuses: {},
      effects: NO_EFFECTS,
      cpu: undefined,
      generatorShare: undefined,
    };
  }
}

async function copyInto(tx: postgres.TransactionSql, table: string, bytes: Buffer): Promise<void> {
  const stream = await tx.unsafe(`copy ${table} from stdin (format binary)`).writable();
  stream.end(bytes);
  await finished(stream);
}
