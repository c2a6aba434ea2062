/**
 * The database server: tables that survive everything, and sessions that don't. A statement travels to the server, is
 * executed there after those before it in its session, at one moment, and its answer travels back. Whatever ends a session in
 * between leaves its client without an answer: the statement has landed, or will, or never does, as with a real one, which
 * learns that its client has gone only when it has answered.
 */
import { COMMIT_ANSWER_MS, READS_AT_ONCE, REQUEST_DEADLINE_MS } from '../../src/limits.ts';
import type { BatchRows } from '../../src/storage/batch-rows.ts';
import type { CommitStore } from '../../src/storage/commit-store.ts';
import type { FailureKind } from '../../src/storage/database.ts';
import type { Loads, ReadStore } from '../../src/storage/read-store.ts';
import { type MemoryDatabase, StoreFailure } from '../helpers/memory-database.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const LATENCY_US = { from: 20, to: 200 };
const READ_US = { from: 50, to: 1000 };
/** With its fsync. */
const COMMIT_US = { from: 150, to: 6000 };
/** How long a statement may still go on whose session has ended. */
const ORPHANED_US = { from: 100, to: 15_000_000 };
const STALL_LOOKED_AT_US = 50_000;
const REFUSED_AFTER_US = { from: 500, to: 50_000 };

/** Told what the tables have just become. */
export interface Auditor {
  committed(rows: BatchRows): void;
  /** @param answersSince since when the database answers; now, while it does not */
  took(partitions: number[], epoch: number, process: Process, answersSince: () => number): void;
}

export class Postgres {
  up = true;
  /** How often it has died: nothing that was given to it before is executed afterwards. */
  deaths = 0;
  /** Nothing is executed before this moment. */
  stalledUntil = 0;
  /** Everything takes so many times as long. */
  slowness = 1;
  /** How many of its commits it refuses, as with a full disk. */
  refusing = 0;
  /** Of so many commits, those that come next, the session ends when they have landed and before it is said. */
  losing = 0;
  commits = 0;
  private startedAt = 0;
  private readonly sessions = new Set<Session>();
  private readonly random: Random;

  constructor(
    private readonly world: World,
    readonly tables: MemoryDatabase,
    private readonly auditor: Auditor,
  ) {
    this.random = world.random.fork('postgres');
  }

  /** Every session ends, and what was being executed lands, or not. */
  crash(): void {
    this.up = false;
    this.deaths++;
    this.world.note('postgres', 'dies');
    for (const session of this.sessions) session.end('crash');
  }
  start(): void {
    this.up = true;
    this.startedAt = this.world.now;
    this.world.note('postgres', 'starts');
  }
  private answersSince(): number {
    const { now } = this.world;
    return this.up ? Math.min(now, Math.max(this.startedAt, this.stalledUntil)) : now;
  }
  /** Ends a session, if there is one in the middle of something. */
  breakOne(): void {
    const busy = [...this.sessions].filter(({ depth }) => depth > 0);
    if (busy.length > 0) this.random.pick(busy).end('break');
  }

  commitStore(process: Process): CommitStore {
    const connection = new Connection(process, (name) => this.session(process, name), 1);
    return {
      commit: (rows) => connection.use('commit', () => this.commit(process, rows), COMMIT_ANSWER_MS),
      readCommitSeq: (epoch) =>
        connection.use('read', () => this.tables.readCommitSeq(epoch), COMMIT_ANSWER_MS),
      failureKind,
      failureText: String,
      close: () => connection.close(),
    };
  }

  readStore(process: Process): ReadStore {
    const { tables } = this;
    const connection = new Connection(process, (name) => this.session(process, name), READS_AT_ONCE);
    const read = <T>(run: () => T, withinMs?: number): Promise<T> => connection.use('read', run, withinMs);
    const find = <T>(run: () => T): Promise<T> => read(run, REQUEST_DEADLINE_MS);
    const stream =
      <Args extends unknown[], Row>(load: (...args: Args) => Row[]) =>
      async (...all: [...Args, (row: Row) => void]): Promise<void> => {
        const onRow = all.pop() as (row: Row) => void;
        for (const row of await read(() => load(...(all as unknown as Args)))) onRow(row);
      };
    /** One after the other, so that what the seeds of planted bugs reach does not hang on which of two loads is first. */
    let loading = Promise.resolve();
    const loads: Loads = {
      levels: stream((partitions) => tables.loadLevels(partitions)),
      open: stream((partitions) => tables.loadOpen(partitions)),
      never: stream((homes, since) => tables.loadNever(homes, since)),
      unsettled: stream((homes) => tables.loadUnsettled(homes)),
      keys: stream((partitions, since) => tables.loadKeys(partitions, since)),
    };
    return {
      takePartitions: (partitions, joining) =>
        connection.use('commit', () => this.take(process, partitions, joining)),
      load: (run) => (loading = loading.catch(() => {}).then(() => run(loads))),
      // Two statements, and what happens between them.
      async findReservation(home, id) {
        const row = await find(() => tables.findHome(home, id));
        return row === undefined ? undefined : find(() => tables.findLines(row));
      },
      findAnswer: (partition, { hash }) => find(() => tables.findAnswer(partition, hash)),
      isHeld: (partition, id) => find(() => tables.isHeld(partition, id)),
      readCommitSeq: (epoch) => read(() => tables.readCommitSeq(epoch)),
      // What is left of an owner says nothing.
      forgetOwner: async () => {},
      failureKind,
      failureText: String,
      close: () => connection.close(),
    };
  }

  private commit({ name }: Process, rows: BatchRows): void {
    if (this.refusing > 0 && this.random.chance(this.refusing)) throw new StoreFailure('not-committed');
    this.tables.commit(rows);
    this.commits++;
    this.world.note('postgres', `commit ${rows.owner.epoch}/${rows.owner.commitSeq} of ${name}`);
    this.auditor.committed(rows);
  }

  private take(process: Process, partitions: number[], joining?: number): number {
    const epoch = this.tables.takePartitions(partitions, joining);
    this.world.note('postgres', `epoch ${epoch}: ${process.name} takes ${partitions.join(' ')}`);
    this.auditor.took(partitions, epoch, process, () => this.answersSince());
    return epoch;
  }

  private session(process: Process, name: string): Session {
    const session = new Session(this.world, this, this.random, process, name, () =>
      this.sessions.delete(session),
    );
    this.sessions.add(session);
    return session;
  }
}

function failureKind(error: unknown): FailureKind {
  return error instanceof StoreFailure ? error.kind : 'ambiguous';
}

/** What storage/database.ts makes of a pool: sessions that are replaced once one is broken. */
class Connection {
  private sessions: Session[] = [];

  constructor(
    private readonly process: Process,
    private readonly open: (name: string) => Session,
    private readonly most: number,
  ) {}

  use<T>(kind: 'read' | 'commit', run: () => T, withinMs?: number): Promise<T> {
    const session = this.session();
    if (withinMs !== undefined) {
      const cancel = this.process.clock.after(withinMs, () => this.end());
      return session.submit(kind, run, cancel);
    }
    return session.submit(kind, run, () => {});
  }

  /** The one with the least to do. */
  private session(): Session {
    this.sessions = this.sessions.filter(({ ended }) => !ended);
    if (this.sessions.length < this.most) this.sessions.push(this.open(this.process.name));
    return this.sessions.reduce((least, one) => (one.depth < least.depth ? one : least));
  }

  private end(): void {
    for (const session of this.sessions) session.end('client');
  }

  async close(): Promise<void> {
    if (this.process.acts()) this.end();
  }
}

interface Statement {
  kind: 'read' | 'commit';
  /** @throws what the statement fails with */
  execute(): unknown;
  answer(result: { value: unknown } | { error: unknown }): void;
}

class Session {
  ended = false;
  /** Not yet executed, the first of them first. */
  private readonly waiting: Statement[] = [];
  /** Without an answer. */
  private readonly open = new Set<Statement>();
  private busy = false;
  /** Executed after its end, and whether that goes on. */
  private readonly orphans: Statement[] = [];
  private cutOff = false;
  private lastArrival = 0;
  private lastAnswer = 0;

  constructor(
    private readonly world: World,
    private readonly server: Postgres,
    private readonly random: Random,
    private readonly process: Process,
    readonly name: string,
    private readonly onEnd: () => void,
  ) {
    process.onDeath(() => this.end('client'));
  }

  get depth(): number {
    return this.open.size;
  }

  submit<T>(kind: Statement['kind'], execute: () => T, settled: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.process.acts()) return;
      const statement: Statement = {
        kind,
        execute,
        answer: (result) =>
          this.process.deliver(() => {
            if (!this.open.delete(statement)) return;
            settled();
            if ('value' in result) resolve(result.value as T);
            else reject(result.error);
          }),
      };
      this.open.add(statement);
      if (!this.server.up) {
        this.world.after(this.random.magnitude(REFUSED_AFTER_US.from, REFUSED_AFTER_US.to), () =>
          this.end('client'),
        );
        return;
      }
      this.lastArrival = Math.max(this.lastArrival, this.world.now + this.travel());
      this.world.at(this.lastArrival, () => this.arrive(statement));
    });
  }

  private arrive(statement: Statement): void {
    if (this.ended) return this.orphan([statement]);
    this.waiting.push(statement);
    this.work();
  }

  private travel(): number {
    return Math.round(this.random.magnitude(LATENCY_US.from, LATENCY_US.to));
  }

  private work(): void {
    if (this.busy || this.waiting.length === 0) return;
    this.busy = true;
    const [statement] = this.waiting;
    const { from, to } = statement.kind === 'commit' ? COMMIT_US : READ_US;
    this.world.after(this.random.magnitude(from, to) * this.server.slowness, () => this.execute(statement));
  }

  private execute(statement: Statement): void {
    if (this.waiting[0] !== statement || !this.server.up) return;
    const { stalledUntil } = this.server;
    if (stalledUntil > this.world.now) {
      // It may be over sooner.
      return void this.world.after(STALL_LOOKED_AT_US, () => this.execute(statement));
    }
    this.waiting.shift();
    this.busy = false;
    const result = resultOf(statement);
    if (statement.kind === 'commit' && this.server.losing > 0) {
      this.server.losing--;
      this.end('break');
    }
    this.lastAnswer = Math.max(this.lastAnswer, this.world.now + this.travel());
    if (!this.ended) this.world.at(this.lastAnswer, () => statement.answer(result));
    this.work();
  }

  /**
   * Whoever waits gets no answer. What had come to the server before is executed none the less, up to some
   * statement: at once where the server dies, else whenever it comes to it.
   */
  end(why: 'crash' | 'break' | 'client'): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd();
    const waiting = this.waiting.splice(0);
    if (why === 'crash') {
      for (const statement of waiting) if (this.lands()) resultOf(statement);
      this.cutOff = true;
    } else this.orphan(waiting);
    for (const statement of this.open)
      this.world.after(this.travel(), () => statement.answer({ error: new StoreFailure('ambiguous') }));
  }

  /** After the first that does not land none does. */
  private lands(): boolean {
    this.cutOff ||= this.random.chance(0.5);
    return !this.cutOff;
  }

  private orphan(statements: Statement[]): void {
    const isIdle = this.orphans.length === 0;
    for (const statement of statements) if (this.lands()) this.orphans.push(statement);
    if (isIdle) this.finish();
  }

  private finish(): void {
    const [statement] = this.orphans;
    if (statement === undefined) return;
    const { from, to } = ORPHANED_US;
    const { deaths } = this.server;
    const at =
      Math.max(this.world.now, this.server.stalledUntil) + Math.round(this.random.magnitude(from, to));
    this.world.at(at, () => {
      if (this.server.deaths !== deaths || !this.server.up) return void this.orphans.splice(0);
      if (this.server.stalledUntil > this.world.now) return this.finish();
      this.orphans.shift();
      resultOf(statement);
      this.finish();
    });
  }
}

/** What contradicts the tables is a defect, and no answer. */
function resultOf(statement: Statement): { value: unknown } | { error: unknown } {
  try {
    return { value: statement.execute() };
  } catch (error) {
    if (error instanceof StoreFailure) return { error };
    throw error;
  }
}
