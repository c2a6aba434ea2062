/**
 * One session of measuring. Everything is started once and stays warm; only one server is loaded at a
 * time, in turn within each round, so that what the machine does meanwhile falls on all of them.
 *
 *   generator ──HTTP──▶ ceiling
 *             ──HTTP──▶ rival ────────────────┐
 *             ──HTTP──▶ Holdfast: front ▶ worker ▶ Postgres
 *
 * After each workload the books of both that keep books must balance.
 */
import { type Books, type Grants, imbalances } from './books.ts';
import type { Parts } from './cpu.ts';
import { Holdfast } from './holdfast.ts';
import type { Progress } from './progress.ts';
import type { Result } from './results.ts';
import { RivalDatabase } from './rival-database.ts';
import { Generator, type Measured, summarize } from './runner.ts';
import { type Service, startService } from './service.ts';
import { type Statement, statementsDuring } from './statements.ts';
import type { WorkloadName } from './workloads.ts';

export interface Options {
  workloads: WorkloadName[];
  connections: number[];
  rounds: number;
  seconds: number;
}

export interface WorkloadResults {
  results: Result[];
  /** A sentence for each figure that does not balance. */
  faults: string[];
}

interface Target {
  url: string;
  processes: Parts['processes'];
  /** What was granted since the books were opened. */
  grants: Grants;
}

const POOLS = [4, 16, 32];
/** At most; none of these takes longer than a run. */
const POOL_SECONDS = 1;
const WARM_SECONDS = 2;
const STATEMENT_SECONDS = 1;
const STATEMENT_CONNECTIONS = 64;
/** What a run takes beyond its seconds: drawing and building requests, waiting for the last answers. */
const AROUND_A_RUN_SECONDS = 0.6;
export const SETUP_SECONDS = 6;

/** How long it will take, for the progress bar. */
export function plannedSeconds({ workloads, connections, rounds, seconds }: Options): number {
  const runs = 3 * rounds * (seconds + AROUND_A_RUN_SECONDS);
  const pools = POOLS.length * (Math.min(POOL_SECONDS, seconds) + AROUND_A_RUN_SECONDS);
  const warm = 2 * (Math.min(WARM_SECONDS, seconds) + AROUND_A_RUN_SECONDS);
  const statements = Math.min(STATEMENT_SECONDS, seconds) + AROUND_A_RUN_SECONDS;
  return SETUP_SECONDS + warm + workloads.length * connections.length * (runs + pools) + statements;
}

export class Session implements AsyncDisposable {
  private readonly started = new AsyncDisposableStack();
  private starting: Promise<void> | undefined;
  private generator!: Generator;
  private server!: Holdfast;
  private rivalDatabase!: RivalDatabase;
  private holdfast!: Target;
  private ceiling!: Target;
  /** By the size of the pool. */
  private rivals!: Map<number, Target>;
  private seed = 1;

  constructor(
    private readonly options: Options,
    private readonly progress: Progress,
  ) {}

  start(): Promise<void> {
    this.starting = this.startAll();
    return this.starting;
  }

  private async startAll(): Promise<void> {
    const { started, progress } = this;
    progress.begin('starting servers and loading stock', SETUP_SECONDS);
    this.server = started.use(await Holdfast.start());
    const { fronts, workers } = this.server.pids();
    this.holdfast = target(this.server.url, { front: fronts, worker: workers });
    await this.server.loadStock();
    const { socketFolder, user } = this.server.database();
    this.rivalDatabase = started.use(await RivalDatabase.create(socketFolder, user));
    this.rivals = new Map();
    for (const pool of POOLS) {
      const spec = JSON.stringify({ ...this.rivalDatabase.connection, pool });
      this.rivals.set(pool, ofService(started.use(await startService('rival.ts', { RIVAL: spec }))));
    }
    this.ceiling = ofService(started.use(await startService('ceiling.ts')));
    this.generator = started.use(new Generator());
  }

  async warmUp(): Promise<void> {
    const [connections] = this.options.connections;
    const [workload] = this.options.workloads;
    const seconds = Math.min(WARM_SECONDS, this.options.seconds);
    for (const target of [this.ceiling, this.holdfast])
      await this.run(target, workload, connections, seconds, 'warming up');
  }

  get dataFolder(): string {
    return this.server.dataFolder;
  }

  /** All connections of one workload. */
  async measure(workload: WorkloadName): Promise<WorkloadResults> {
    const opened = await this.openBooks();
    const results: Result[] = [];
    for (const connections of this.options.connections)
      results.push(await this.measureAt(workload, connections));
    return { results, faults: await this.closeBooks(opened) };
  }

  async statements(): Promise<Statement[]> {
    const { socketFolder, user } = this.server.database();
    const seconds = Math.min(STATEMENT_SECONDS, this.options.seconds);
    return await statementsDuring(socketFolder, user, async () => {
      await this.run(this.holdfast, 'uniform', STATEMENT_CONNECTIONS, seconds, 'which statements run');
    });
  }

  private async measureAt(workload: WorkloadName, connections: number): Promise<Result> {
    const { rounds, seconds } = this.options;
    const where = `${workload}, ${connections} connections`;
    const pools = await this.tryPools(workload, connections, where);
    const pool = Number(Object.keys(pools).toSorted((a, b) => pools[b] - pools[a])[0]);
    const shots = { ceiling: [] as Measured[], rival: [] as Measured[], holdfast: [] as Measured[] };
    const targets = { ceiling: this.ceiling, rival: this.rivals.get(pool)!, holdfast: this.holdfast };
    for (let round = 1; round <= rounds; round++) {
      for (const name of ['ceiling', 'rival', 'holdfast'] as const) {
        const step = `${where}, round ${round} of ${rounds}: ${name}`;
        shots[name].push(await this.run(targets[name], workload, connections, seconds, step));
      }
    }
    return {
      workload,
      connections,
      seconds,
      ceiling: summarize(shots.ceiling),
      holdfast: summarize(shots.holdfast),
      rival: summarize(shots.rival),
      pool,
      pools,
    };
  }

  /** @returns requests per second by the size of the pool */
  private async tryPools(
    workload: WorkloadName,
    connections: number,
    where: string,
  ): Promise<Record<string, number>> {
    const poolSeconds = Math.min(POOL_SECONDS, this.options.seconds);
    const rates: Record<string, number> = {};
    for (const [pool, rival] of this.rivals) {
      const step = `${where}: rival with a pool of ${pool}`;
      const { answers, seconds } = await this.run(rival, workload, connections, poolSeconds, step);
      rates[pool] = Math.round(answers / seconds);
    }
    return rates;
  }

  private async run(
    target: Target,
    workload: WorkloadName,
    connections: number,
    seconds: number,
    step: string,
  ): Promise<Measured> {
    this.progress.begin(step, seconds + AROUND_A_RUN_SECONDS);
    const job = { url: target.url, workload, connections, seconds, seed: this.seed++ };
    const parts = { processes: target.processes, postmaster: this.server.pids().postgres };
    const shot = await this.generator.run(job, parts);
    target.grants.granted += shot.granted;
    target.grants.lost += shot.lost;
    return shot;
  }

  private async openBooks(): Promise<{ holdfast: Books; rival: Books }> {
    for (const { grants } of [this.holdfast, ...this.rivals.values()]) {
      grants.granted = 0;
      grants.lost = 0;
    }
    return { holdfast: await this.server.books(), rival: await this.rivalDatabase.books() };
  }

  private async closeBooks(opened: { holdfast: Books; rival: Books }): Promise<string[]> {
    const rivals = [...this.rivals.values()].map(({ grants }) => grants);
    const ofRivals = {
      granted: rivals.reduce((sum, { granted }) => sum + granted, 0),
      lost: rivals.reduce((sum, { lost }) => sum + lost, 0),
    };
    return [
      ...imbalances(opened.holdfast, await this.server.books(), this.holdfast.grants).map(named('holdfast')),
      ...imbalances(opened.rival, await this.rivalDatabase.books(), ofRivals).map(named('rival')),
    ];
  }

  /** Ends whatever has been started. What is being started is waited for, or it would stay behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.starting?.catch(() => {});
    await this.started.disposeAsync();
  }
}

function target(url: string, processes: Parts['processes']): Target {
  return { url, processes, grants: { granted: 0, lost: 0 } };
}

function ofService({ url, pid }: Service): Target {
  return target(url, { server: [pid] });
}

function named(name: string): (fault: string) => string {
  return (fault) => `${name}: ${fault}`;
}
