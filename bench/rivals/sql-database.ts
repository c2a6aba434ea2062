/**
 * The tables of the rivals that use Postgres: a database of its own in the server that Holdfast runs,
 * with the same settings. They share it; only one of them is loaded at a time.
 */
import postgres from 'postgres';
import type { Books, Keeper } from '../books.ts';
import { LOCATION } from '../load.ts';

export interface Connection {
  /** The folder of the Unix socket. */
  host: string;
  user: string;
  database: string;
}

/** Connections that a rival may use. */
export interface Pool {
  pool: number;
}

const DATABASE = 'rival';

const TABLES = `
  create table stock (
    sku text collate "C" not null,
    location text collate "C" not null,
    on_hand integer not null,
    reserved integer not null default 0,
    safety_stock integer not null default 0,
    backorder_limit integer not null default 0,
    primary key (sku, location)
  ) with (fillfactor = 50);
  create table reservation (
    id uuid primary key,
    status text not null,
    lines jsonb not null,
    reference text,
    created_at timestamptz not null,
    expires_at timestamptz not null
  );`;

/** Levels are found by their key however many are asked for at once: a plan that reads the whole table is never better. */
const PLANS = { jit: false, enable_seqscan: false, enable_hashjoin: false, enable_mergejoin: false };

export function openPool(connection: Connection, pool: number): postgres.Sql {
  return postgres({ ...connection, max: pool, connection: PLANS });
}

export class SqlDatabase implements AsyncDisposable, Keeper {
  readonly name = 'SQL rivals';

  private constructor(
    readonly sql: postgres.Sql,
    readonly connection: Connection,
  ) {}

  static async create(
    socketFolder: string,
    user: string,
    skus: string[],
    onHand: number,
  ): Promise<SqlDatabase> {
    const admin = postgres({ host: socketFolder, user, database: 'postgres', max: 1, onnotice: () => {} });
    await admin.unsafe(`create database ${DATABASE}`);
    await admin.end();
    const connection = { host: socketFolder, user, database: DATABASE };
    const sql = postgres({ ...connection, max: 1 });
    await sql.unsafe(TABLES);
    await sql`insert into stock (sku, location, on_hand)
              select sku, ${LOCATION}, ${onHand} from unnest(${skus}::text[]) sku`;
    await sql.unsafe('vacuum analyze stock');
    // What fillfactor has left free is for updates in place, and needn't be made anew by each of them: see src/storage/migrations/008-room.ts.
    await sql.unsafe('alter table stock set (fillfactor = 90)');
    return new SqlDatabase(sql, connection);
  }

  async books(): Promise<Books> {
    const [stock] = await this.sql`
      select sum(reserved)::float8 as reserved, sum(on_hand)::float8 as "onHand" from stock`;
    const [reservations] = await this.sql`
      select count(*) filter (where status = 'held')::float8 as held,
             count(*) filter (where status = 'confirmed')::float8 as confirmed from reservation`;
    return {
      reserved: { 'in stock': stock.reserved },
      onHand: { 'in stock': stock.onHand },
      held: { 'in reservation': reservations.held },
      confirmed: { 'in reservation': reservations.confirmed },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end();
  }
}
