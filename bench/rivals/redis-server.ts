/** A Redis of the benchmark's own, where redis-server is installed: in a temporary folder, on a Unix socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisClient } from 'bun';
import type { Books, Keeper } from '../books.ts';
import { LOCATION } from '../load.ts';
import { sum } from '../numbers.ts';

/** `always`: a yes is durable. `everysec`: up to a second of them may be lost. */
export type Fsync = 'always' | 'everysec';

const START_MS = 10_000;
const POLL_MS = 10;

export function hasRedis(): boolean {
  return Bun.which('redis-server') !== null;
}

export class RedisServer implements AsyncDisposable, Keeper {
  readonly name: string;
  private client!: RedisClient;

  private constructor(
    fsync: Fsync,
    private readonly skus: string[],
    private readonly folder: string,
    private readonly child: Bun.Subprocess,
  ) {
    this.name = `Redis, ${fsync}`;
  }

  static async start(fsync: Fsync, skus: string[], onHand: number): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
    const settings = {
      port: '0',
      unixsocket: join(folder, 'socket'),
      dir: folder,
      appendonly: 'yes',
      appendfsync: fsync,
      // Nothing but the log of what has changed, and no rewriting of it in the middle of a run.
      save: '',
      'auto-aof-rewrite-percentage': '0',
    };
    const child = Bun.spawn(
      ['redis-server', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    );
    const server = new RedisServer(fsync, skus, folder, child);
    try {
      await server.connect();
      await Promise.all(server.skus.map((sku) => server.count(sku, onHand)));
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `redis+unix://${join(this.folder, 'socket')}`;
  }

  get pid(): number {
    return this.child.pid;
  }

  private async connect(): Promise<void> {
    const giveUpAt = Date.now() + START_MS;
    for (;;) {
      this.client = new RedisClient(this.url, { autoReconnect: false });
      const answer = await this.client.send('PING', []).catch(() => undefined);
      if (answer === 'PONG') return;
      this.client.close();
      if (this.child.exitCode !== null || Date.now() > giveUpAt)
        throw new Error('redis-server did not start');
      await Bun.sleep(POLL_MS);
    }
  }

  private async count(sku: string, onHand: number): Promise<void> {
    const fields = ['on_hand', String(onHand), 'reserved', '0', 'safety_stock', '0', 'backorder_limit', '0'];
    await this.client.send('HSET', [`level:${sku}:${LOCATION}`, ...fields]);
  }

  async books(): Promise<Books> {
    const reserved = await Promise.all(
      this.skus.map((sku) => this.client.send('HGET', [`level:${sku}:${LOCATION}`, 'reserved'])),
    );
    const keys = await this.client.send('DBSIZE', []);
    return {
      reserved: { 'in its levels': sum(reserved.map(Number)) },
      held: { 'as keys': keys - this.skus.length },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client?.close();
    this.child.kill('SIGKILL');
    await this.child.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
