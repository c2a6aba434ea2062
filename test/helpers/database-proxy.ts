/**
 * A TCP proxy before Postgres, for what happens to connections on their way: cut in the middle of a commit, stalled,
 * swallowed without a word, or slow. DATABASE_URL of the server under test points at it.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { DatabaseSpec } from '../../src/process.ts';

/** What is longer than a ping, and so a commit. */
const COMMIT_BYTES_MIN = 300;
/** Before, while and after Postgres commits. */
const CUT_AFTER_MS = 4;

interface Pair {
  client: Socket;
  upstream: Socket;
  swallowed: boolean;
}

export class DatabaseProxy {
  private readonly pairs = new Set<Pair>();
  private stalled = false;
  /** The last bytes to a socket that are delayed. */
  private readonly onTheirWay = new WeakMap<Socket, Promise<void>>();
  private delayMs = 0;
  /** Bytes a millisecond towards Postgres; and when those on their way will have arrived. */
  private bandwidth = Number.POSITIVE_INFINITY;
  private freeAt = 0;
  private cutting: ((bytesFromClient: number) => boolean) | undefined;

  private constructor(
    private readonly server: Server,
    private readonly target: () => Socket,
  ) {}

  static async start(spec: DatabaseSpec): Promise<DatabaseProxy> {
    const target = (): Socket => {
      if (spec.url === undefined) return connect(join(spec.socketFolder!, `.s.PGSQL.${spec.port}`));
      const { hostname, port } = new URL(spec.url);
      return connect(Number(port) || 5432, hostname);
    };
    const server = createServer();
    const proxy = new DatabaseProxy(server, target);
    server.on('connection', (client) => proxy.accept(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The same database, by way of the proxy. */
  urlOf(spec: DatabaseSpec): string {
    const url = new URL(spec.url ?? `postgres://${spec.user}@localhost/${spec.database}`);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as { port: number }).port);
    return url.href;
  }

  /** Ends every connection at once, both ways, by a reset. */
  cut(): void {
    for (const pair of this.pairs) this.end(pair);
  }

  /** Ends each connection over which a commit goes, when the database has it and before its answer is back. @returns how many, so far */
  cutUnderCommits(most: number): () => number {
    let cuts = 0;
    this.cutting = (bytes) => bytes > COMMIT_BYTES_MIN && cuts < most && ++cuts > 0;
    return () => cuts;
  }

  /** Nothing moves, over old connections or new ones; what was sent arrives after the healing. */
  stall(): void {
    this.stalled = true;
    for (const { client, upstream } of this.pairs) for (const one of [client, upstream]) one.pause();
  }

  /** Connections that there are never carry anything again; new ones are whole. */
  swallow(): void {
    for (const pair of this.pairs) pair.swallowed = true;
  }

  /** Each chunk of bytes arrives so much later. */
  slowDown(delayMs: number): void {
    this.delayMs = delayMs;
  }

  /** All connections together bring Postgres no more than so many bytes a second. */
  narrow(bytesASecond: number): void {
    this.bandwidth = bytesASecond / 1000;
  }

  /** As if nothing had been; but what was cut or swallowed is gone. */
  heal(): void {
    this.stalled = false;
    this.delayMs = 0;
    this.bandwidth = Number.POSITIVE_INFINITY;
    this.cutting = undefined;
    for (const { client, upstream } of this.pairs) for (const one of [client, upstream]) one.resume();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    const pair: Pair = { client, upstream: this.target(), swallowed: false };
    this.pairs.add(pair);
    const { upstream } = pair;
    for (const one of [client, upstream]) {
      one.setNoDelay(true);
      one.on('error', () => {});
      one.on('close', () => this.end(pair));
      if (this.stalled) one.pause();
    }
    client.on('data', (bytes) => {
      this.forward(pair, upstream, bytes);
      if (this.cutting?.(bytes.length)) setTimeout(() => this.end(pair), CUT_AFTER_MS * Math.random());
    });
    upstream.on('data', (bytes) => this.forward(pair, client, bytes));
  }

  private forward(pair: Pair, to: Socket, bytes: Buffer | string): void {
    if (pair.swallowed) return;
    const before = this.onTheirWay.get(to);
    const delayMs = this.delayMs + (to === pair.upstream ? this.transferMs(bytes.length) : 0);
    if (delayMs === 0 && before === undefined) return void to.write(bytes);
    // Nothing overtakes what is on its way already.
    const arrived = Promise.all([before, Bun.sleep(delayMs)]).then(() => {
      if (to.writable) to.write(bytes);
      if (this.onTheirWay.get(to) === arrived) this.onTheirWay.delete(to);
    });
    this.onTheirWay.set(to, arrived);
  }

  /** How long it takes until these bytes are through, behind all others. */
  private transferMs(bytes: number): number {
    if (this.bandwidth === Number.POSITIVE_INFINITY) return 0;
    const now = performance.now();
    this.freeAt = Math.max(this.freeAt, now) + bytes / this.bandwidth;
    return this.freeAt - now;
  }

  private end(pair: Pair): void {
    if (!this.pairs.delete(pair)) return;
    pair.client.resetAndDestroy();
    pair.upstream.destroy();
  }
}
