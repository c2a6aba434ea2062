/**
 * One session of measuring. What a workload needs is started when it first asks for it, and then stays warm;
 * only one server is loaded at a time, so that what the machine does meanwhile falls on all of them.
 *
 *   generator ──HTTP──▶ no-op
 *             ──HTTP──▶ rivals ───────────────┐
 *             ──HTTP──▶ Holdfast: front ▶ worker ▶ Postgres
 */
import type postgres from 'postgres';
import { type Big, startBig } from './big.ts';
import { Generator, type Measured, type Tool } from './generators/generator.ts';
import { Holdfast, PLENTY } from './holdfast.ts';
import { allOf, HOT, LOADS, type Load, MANY, STORM } from './load.ts';
import type { Options } from './options.ts';
import type { Progress } from './progress.ts';
import { RedisServer } from './rivals/redis-server.ts';
import { SqlDatabase } from './rivals/sql-database.ts';
import { SERVERS, type Server, type ServerKind, type ServerName } from './servers.ts';
import type { Service } from './service.ts';

/** What a run takes beyond its seconds: drawing and building requests, waiting for the last answers. */
export const AROUND_A_RUN_SECONDS = 0.4;
/** At most; none of these takes longer than a run. */
export const SHORT_SECONDS = 0.6;
export const START_SECONDS = 8;
const WARM_SECONDS = 10;
const WARM_CONNECTIONS = 64;
const SKUS = [...allOf(MANY), ...allOf(HOT), ...allOf(STORM)];

/** Until what a server does often is compiled, which takes Holdfast longer than a round lasts. */
export function warmSeconds({ seconds }: Options): number {
  return Math.min(WARM_SECONDS, 5 * seconds);
}

export class Session implements AsyncDisposable {
  /** By what it is; also what is still being started. */
  private readonly things = new Map<string, Promise<unknown>>();
  /** How to end what has been started, first things first. */
  private readonly endings: (() => PromiseLike<void>)[] = [];
  private seed = 1;
  /** Reservations a second that Holdfast takes at most, once that has been measured. */
  peak: number | undefined;
  /** What could not be measured, and why. */
  readonly skipped = new Set<string>();

  constructor(
    readonly options: Options,
    private readonly progress: Progress,
  ) {}

  /** Says what is being done, and how long it will take. */
  step(what: string, seconds: number): void {
    this.progress.begin(what, seconds);
  }

  holdfast(): Promise<Holdfast> {
    return this.once('holdfast', async () => {
      this.step('starting Holdfast and loading stock', START_SECONDS);
      const holdfast = await Holdfast.start('Holdfast', SKUS);
      await holdfast.loadStock(SKUS);
      return holdfast;
    });
  }

  /** Another Holdfast, with nothing in it. */
  another(name: string, skus: string[], settings: Record<string, string> = {}): Promise<Holdfast> {
    return this.once(name, () => {
      this.step(`starting a Holdfast for ${name}`, START_SECONDS);
      return Holdfast.start(`Holdfast for ${name}`, skus, settings);
    });
  }

  big(): Promise<Big> {
    return this.once('large stock', () => startBig(this));
  }

  /** One connection to the database of the Holdfast under test. */
  sql(): Promise<postgres.Sql> {
    return this.once('sql', async () => {
      const sql = (await this.holdfast()).connect();
      return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) });
    });
  }

  sqlDatabase(): Promise<SqlDatabase> {
    return this.once('rivals', async () => {
      const { socketFolder, user } = (await this.holdfast()).database();
      return await SqlDatabase.create(socketFolder, user, SKUS, PLENTY);
    });
  }

  redis(fsync: 'always' | 'everysec'): Promise<RedisServer> {
    return this.once(`redis ${fsync}`, () => RedisServer.start(fsync, SKUS, PLENTY));
  }

  /** A process beside Holdfast. */
  service(name: string, start: () => Promise<Service>): Promise<Service> {
    return this.once(`service ${name}`, start);
  }

  /** @returns undefined where this machine lacks what it needs, which is then said at the end */
  async server(name: ServerName): Promise<Server | undefined> {
    const { absent, start }: ServerKind = SERVERS[name];
    const reason = absent?.();
    if (reason !== undefined) {
      this.skipped.add(`${name}: ${reason}`);
      return undefined;
    }
    return await this.once(`server ${name}`, async () => {
      const server = await start(this);
      const [first] = server.settings ?? [];
      if (first !== undefined) await server.set!(first);
      const seconds = warmSeconds(this.options);
      await this.run(server, LOADS.uniform, WARM_CONNECTIONS, `${name}: warming up`, { seconds });
      return server;
    });
  }

  /** One run of a load on a server. */
  async run(
    { url, parts }: Server,
    load: Load,
    connections: number,
    step: string,
    {
      seconds = this.options.seconds,
      tool = 'autocannon' as Tool,
      rate = undefined as number | undefined,
    } = {},
  ): Promise<Measured> {
    const generator = await this.once('generator', async () => new Generator());
    this.step(step, seconds + AROUND_A_RUN_SECONDS);
    const job = { url, load, connections, seconds, seed: this.seed++, rate };
    return await generator.run(job, parts, tool);
  }

  /** Of a run that only finds something out. */
  get short(): number {
    return Math.min(SHORT_SECONDS, this.options.seconds);
  }

  /** Whether the Holdfast that most workloads share was needed. */
  get hasHoldfast(): boolean {
    return this.things.has('holdfast');
  }

  /** Starts something when it is first asked for; it is ended with the session, in the reverse order. */
  once<T extends object>(what: string, start: () => Promise<T>): Promise<T> {
    let thing = this.things.get(what) as Promise<T> | undefined;
    if (thing === undefined) {
      thing = start();
      this.things.set(what, thing);
      thing.then(
        (started) => {
          if (Symbol.asyncDispose in started)
            this.endings.push(() => (started as unknown as AsyncDisposable)[Symbol.asyncDispose]());
        },
        () => {},
      );
    }
    return thing;
  }

  /** Ends whatever has been started. What is being started is waited for, or it would stay behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.endAll();
    await Promise.allSettled(this.things.values());
    await this.endAll();
  }

  private async endAll(): Promise<void> {
    for (let end = this.endings.pop(); end !== undefined; end = this.endings.pop()) await end();
  }
}
