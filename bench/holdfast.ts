/**
 * Holdfast under test: the real process tree, started as a user starts it, with a data folder and a port
 * of its own. One front and one worker, because ceilings and rivals are one process each.
 */
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { ShopClient } from '../examples/shop-client.ts';
import type { Books, Keeper } from './books.ts';
import type { Parts } from './cpu.ts';
import { LOCATION } from './load.ts';
import { sum } from './numbers.ts';

/** Loading many millions of levels takes its time; one that fails ends by itself. */
const START_MS = 600_000;
const STOP_MS = 60_000;
const POLL_MS = 10;
const PUTS_AT_ONCE = 64;
/** Stock that never runs out. */
export const PLENTY = 2_000_000_000;
/** In a log line of a worker that has found a contradiction. */
const CONTRADICTION = 'books do not balance';

export interface Pids {
  supervisor: number;
  postgres: number;
  workers: number[];
  fronts: number[];
}

export class Holdfast implements AsyncDisposable, Keeper {
  readonly dataFolder: string;
  private child!: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  private output = '';
  private sql: postgres.Sql | undefined;

  private constructor(
    readonly name: string,
    private readonly port: number,
    private readonly temporary: string,
    /** Whose levels are compared over HTTP with what the database has. */
    private readonly skus: string[],
    /** Variables of its environment beside those that it always has. */
    private readonly settings: Record<string, string>,
  ) {
    this.dataFolder = join(temporary, 'data');
  }

  static async start(name: string, skus: string[], settings: Record<string, string> = {}): Promise<Holdfast> {
    // As root, Postgres runs as another user, who must be able to pass through.
    const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-bench-')));
    chmodSync(temporary, 0o755);
    const holdfast = new Holdfast(name, await freePort(), temporary, skus, settings);
    try {
      await holdfast.launch();
    } catch (error) {
      await holdfast[Symbol.asyncDispose]();
      throw error;
    }
    return holdfast;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get shop(): ShopClient {
    return new ShopClient(this.url);
  }

  /** Stops it, and starts it anew on the same data. @returns seconds until it served, of the start alone */
  async restart(): Promise<number> {
    await this.stop();
    const startedAt = performance.now();
    await this.launch();
    while ((await fetch(`${this.url}/readyz`)).status !== 200) await Bun.sleep(POLL_MS);
    return (performance.now() - startedAt) / 1000;
  }

  private async launch(): Promise<void> {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '..', 'src', 'start.ts'), 'serve'], {
      env: {
        ...process.env,
        PORT: String(this.port),
        HOST: '127.0.0.1',
        DATABASE_URL: '',
        HOLDFAST_DATA_DIR: this.dataFolder,
        HOLDFAST_FRONTS: '1',
        HOLDFAST_WORKERS: '1',
        HOLDFAST_PARTITIONS: '',
        ...this.settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    this.output = '';
    for (const stream of [child.stdout, child.stderr]) {
      void (async () => {
        const decoder = new TextDecoder();
        for await (const chunk of stream) this.output += decoder.decode(chunk, { stream: true });
      })();
    }
    const giveUpAt = Date.now() + START_MS;
    while (!/^ready in/m.test(this.output)) {
      if (child.exitCode !== null || Date.now() > giveUpAt)
        throw new Error(`the server did not start:\n${this.output}`);
      await Bun.sleep(POLL_MS);
    }
    this.sql = this.connect();
  }

  /** To its database, over one connection. */
  connect(): postgres.Sql {
    const { DATABASE_URL: url } = this.settings;
    if (url !== undefined) return postgres(url, { max: 1, onnotice: () => {} });
    const { socketFolder: host, user } = this.database();
    return postgres({ host, user, database: 'postgres', max: 1, onnotice: () => {} });
  }

  /** Where its Postgres is, as it has printed for psql. */
  database(): { socketFolder: string; user: string } {
    const printed = /psql -h (.+) -U (\S+)/.exec(this.output);
    if (printed === null) throw new Error(`the server did not say where its database is:\n${this.output}`);
    return { socketFolder: printed[1], user: printed[2] };
  }

  pids(): Pids {
    return JSON.parse(readFileSync(join(this.dataFolder, 'processes.json'), 'utf8'));
  }

  get parts(): Parts {
    const { fronts, workers, postgres } = this.pids();
    return { processes: { front: fronts, worker: workers }, postmaster: postgres };
  }

  /** Bytes of memory that its worker has. */
  get workerBytes(): number {
    const [worker] = this.pids().workers;
    return Number(Bun.spawnSync(['ps', '-o', 'rss=', '-p', String(worker)]).stdout.toString()) * 1024;
  }

  async loadStock(skus: string[]): Promise<void> {
    const left = skus.values();
    const lane = async () => {
      for (const sku of left) await this.put(sku, PLENTY);
    };
    await Promise.all(Array.from({ length: PUTS_AT_ONCE }, lane));
  }

  private put(sku: string, onHand: number): Promise<void> {
    return this.shop.putLevel({ sku, location: LOCATION, onHand, safetyStock: 0, backorderLimit: 0 });
  }

  async restock(sku: string, available: number): Promise<number> {
    const [level] = await this.shop.levels([sku]);
    await this.put(sku, level.reserved + available);
    return level.reserved + available - level.onHand;
  }

  /** In the database, in every table that a reservation is written to; and whether memory, as HTTP shows it, is the same. */
  async books(): Promise<Books> {
    const sql = this.sql!;
    const [stock] = await sql`
      select sum(reserved)::float8 as reserved, sum(on_hand)::float8 as "onHand",
             count(*) filter (where reserved > on_hand + backorder_limit - safety_stock)::float8 as oversold
        from holdfast.stock_level`;
    const [ledger] = await sql`
      select coalesce(sum(reserved_delta), 0)::float8 as reserved,
             coalesce(sum(on_hand_delta), 0)::float8 as "onHand" from holdfast.ledger`;
    const [reservations] = await sql`
      select count(*) filter (where status = 'held' and home = partition)::float8 as held,
             count(*) filter (where status = 'confirmed' and home = partition)::float8 as confirmed,
             count(*)::float8 as rows from holdfast.reservation`;
    return {
      reserved: { 'in stock_level': stock.reserved, 'in ledger': ledger.reserved },
      onHand: { 'in stock_level': stock.onHand, 'in ledger': ledger.onHand },
      oversold: { 'in stock_level': stock.oversold },
      held: { 'in reservation': reservations.held },
      confirmed: { 'in reservation': reservations.confirmed },
      rows: { 'in reservation': reservations.rows },
      drift: { 'between HTTP and stock_level': await this.drift(sql) },
    };
  }

  private async drift(sql: postgres.Sql): Promise<number> {
    const levels = await this.shop.levels(this.skus);
    const [stock] = await sql`
      select coalesce(sum(reserved), 0)::float8 as reserved, coalesce(sum(on_hand), 0)::float8 as "onHand"
        from holdfast.stock_level where sku = any(${this.skus}::text[])`;
    const difference = (name: 'reserved' | 'onHand') =>
      Math.abs(sum(levels.map((level) => level[name])) - stock[name]);
    return difference('reserved') + difference('onHand');
  }

  /** What its workers have found to contradict itself since it was started last. */
  contradictions(): string[] {
    return this.output.split('\n').filter((line) => line.includes(CONTRADICTION));
  }

  private async stop(): Promise<void> {
    await this.sql?.end({ timeout: 1 });
    if (this.child.exitCode === null) this.child.kill('SIGTERM');
    const giveUp = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.child.exited;
    clearTimeout(giveUp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.temporary, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen({ host: '127.0.0.1', port: 0 }, listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}
