/** The rival's tables: a database of its own in the Postgres that Holdfast runs, with the same settings. */
import postgres from 'postgres';
import type { Books } from './books.ts';
import { ALL_SKUS, LOCATION, ON_HAND } from './workloads.ts';

export interface RivalSpec {
  /** The folder of the Unix socket. */
  host: string;
  user: string;
  database: string;
  pool: number;
}

const DATABASE = 'rival';

// fillfactor leaves room for updates in place, as Holdfast's tables do.
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

export class RivalDatabase implements AsyncDisposable {
  private constructor(
    private readonly sql: postgres.Sql,
    readonly connection: Omit<RivalSpec, 'pool'>,
  ) {}

  static async create(socketFolder: string, user: string): Promise<RivalDatabase> {
    const admin = postgres({ host: socketFolder, user, database: 'postgres', max: 1, onnotice: () => {} });
    await admin.unsafe(`create database ${DATABASE}`);
    await admin.end();
    const connection = { host: socketFolder, user, database: DATABASE };
    const sql = postgres({ ...connection, max: 1 });
    await sql.unsafe(TABLES);
    await sql`insert into stock (sku, location, on_hand)
              select sku, ${LOCATION}, ${ON_HAND} from unnest(${ALL_SKUS}::text[]) sku`;
    await sql.unsafe('vacuum analyze stock');
    return new RivalDatabase(sql, connection);
  }

  async books(): Promise<Books> {
    const [{ reserved }] = await this.sql`select sum(reserved)::float8 reserved from stock`;
    const [{ rows }] = await this.sql`select count(*)::float8 rows from reservation`;
    return { 'reserved in stock': reserved, 'rows in reservation': rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end();
  }
}
