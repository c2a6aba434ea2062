/**
 * What Postgres takes over one connection: binary COPY of the rows that a reservation leaves behind (itself, and
 * its entry in a page of the ledger) into tables of the same shape and with the same indexes, committed every
 * so many rows. It decides nothing, and updates no level.
 */
import { finished } from 'node:stream/promises';
import type postgres from 'postgres';
import { BATCH_COMMANDS_MAX, PARTITIONS_DEFAULT } from '../../src/limits.ts';
import type { Measured } from '../generators/generator.ts';
import { NO_EFFECTS } from '../shot.ts';
import { Chunk, PAGE_COLUMNS, RESERVATION_COLUMNS } from './copy-rows.ts';

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
      create table if not exists bench.ledger_page (like holdfast.ledger_page including all)`);
    const [{ oid }] = await sql<
      { oid: number }[]
    >`select 'holdfast.ledger_kind'::regtype::oid::integer as oid`;
    return new CopyCeiling(sql, Chunk.of({ all: rows, page: BATCH_COMMANDS_MAX }, PARTITIONS_DEFAULT, oid));
  }

  async run(seconds: number): Promise<Measured> {
    const { sql, chunk } = this;
    await sql`truncate bench.reservation, bench.ledger_page`;
    let busyMs = 0;
    let operations = 0;
    while (busyMs < seconds * 1000) {
      chunk.renew(this.seq);
      this.seq += chunk.rows;
      const startedAt = performance.now();
      await sql.begin(async (tx) => {
        await copyInto(tx, `bench.reservation (${RESERVATION_COLUMNS})`, chunk.reservations);
        await copyInto(tx, `bench.ledger_page (${PAGE_COLUMNS})`, chunk.pages);
      });
      busyMs += performance.now() - startedAt;
      operations += chunk.rows;
    }
    const [{ rows }] = await sql`
        select count(*)::float8 as rows
          from (select unnest(reservations) as id from bench.ledger_page) e join bench.reservation using (id)`;
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
