/**
 * Holdfast under test: the real process tree, started as a user starts it, with a data folder and a port
 * of its own. One front and one worker, because ceiling and rival are one process each.
 */
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { ShopClient } from '../examples/shop-client.ts';
import type { Books } from './books.ts';
import { ALL_SKUS, LOCATION, ON_HAND } from './workloads.ts';

const START_MS = 30_000;
const STOP_MS = 30_000;
const POLL_MS = 50;
const PUTS_AT_ONCE = 64;

export interface HoldfastPids {
  supervisor: number;
  postgres: number;
  workers: number[];
  fronts: number[];
}

export class Holdfast implements AsyncDisposable {
  readonly shop: ShopClient;
  private sql: postgres.Sql | undefined;

  private constructor(
    readonly url: string,
    readonly dataFolder: string,
    private readonly temporary: string,
    private readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>,
    private readonly output: () => string,
  ) {
    this.shop = new ShopClient(url);
  }

  static async start(): Promise<Holdfast> {
    // As root, Postgres runs as another user, who must be able to pass through.
    const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-bench-')));
    chmodSync(temporary, 0o755);
    const dataFolder = join(temporary, 'data');
    const port = await freePort();
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '..', 'src', 'start.ts'), 'serve'], {
      env: {
        ...process.env,
        PORT: String(port),
        HOST: '127.0.0.1',
        DATABASE_URL: '',
        HOLDFAST_DATA_DIR: dataFolder,
        HOLDFAST_FRONTS: '1',
        HOLDFAST_WORKERS: '1',
        HOLDFAST_PARTITIONS: '',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      void (async () => {
        const decoder = new TextDecoder();
        for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
      })();
    }
    const holdfast = new Holdfast(`http://127.0.0.1:${port}`, dataFolder, temporary, child, () => output);
    try {
      await holdfast.ready();
    } catch (error) {
      await holdfast[Symbol.asyncDispose]();
      throw error;
    }
    return holdfast;
  }

  private async ready(): Promise<void> {
    const giveUpAt = Date.now() + START_MS;
    while (!/^ready in/m.test(this.output())) {
      if (this.child.exitCode !== null || Date.now() > giveUpAt)
        throw new Error(`the server did not start:\n${this.output()}`);
      await Bun.sleep(POLL_MS);
    }
    const { socketFolder: host, user } = this.database();
    this.sql = postgres({ host, user, database: 'postgres', max: 1, onnotice: () => {} });
  }

  /** Where its Postgres is, as it has printed for psql. */
  database(): { socketFolder: string; user: string } {
    const printed = /psql -h (.+) -U (\S+)/.exec(this.output());
    if (printed === null) throw new Error(`the server did not say where its database is:\n${this.output()}`);
    return { socketFolder: printed[1], user: printed[2] };
  }

  pids(): HoldfastPids {
    return JSON.parse(readFileSync(join(this.dataFolder, 'processes.json'), 'utf8'));
  }

  async loadStock(): Promise<void> {
    const left = ALL_SKUS.values();
    const lane = async () => {
      for (const sku of left) {
        await this.shop.putLevel({
          sku,
          location: LOCATION,
          onHand: ON_HAND,
          safetyStock: 0,
          backorderLimit: 0,
        });
      }
    };
    await Promise.all(Array.from({ length: PUTS_AT_ONCE }, lane));
  }

  /** In memory, as HTTP shows it, and in the database, in every table that a reservation is written to. */
  async books(): Promise<Books> {
    const sql = this.sql!;
    const levels = await this.shop.levels(ALL_SKUS);
    const [{ stock }] = await sql`select sum(reserved)::float8 stock from holdfast.stock_level`;
    const [{ rows }] =
      await sql`select count(*)::float8 as rows from holdfast.reservation where status = 'held'`;
    const [{ ledger }] =
      await sql`select coalesce(sum(reserved_delta), 0)::float8 ledger from holdfast.ledger`;
    return {
      'reserved over HTTP': levels.reduce((sum, { reserved }) => sum + reserved, 0),
      'reserved in stock_level': stock,
      'rows in reservation': rows,
      'reserved in ledger': ledger,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql?.end({ timeout: 1 });
    if (this.child.exitCode === null) this.child.kill('SIGTERM');
    const giveUp = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.child.exited;
    clearTimeout(giveUp);
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
