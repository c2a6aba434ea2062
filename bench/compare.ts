/**
 * A comparison: several servers, or several loads, measured in turn within each round, and the books of all
 * that keep some compared with the answers afterwards.
 *
 * All of them are measured by the same load generator, because it takes its part of the same machine: by
 * autocannon, or, where that would be what limits the fastest of them, by wrk.
 */
import { Account, type Keeper } from './books.ts';
import type { Answer } from './ceilings/no-op.ts';
import type { Measured, Tool } from './generators/generator.ts';
import { hasWrk, isForWrk } from './generators/wrk.ts';
import { type Load, requestsOf, skuOf } from './load.ts';
import type { Options } from './options.ts';
import { type Figure, figureOf, type Result } from './results.ts';
import type { Server, ServerName, Setting } from './servers.ts';
import { AROUND_A_RUN_SECONDS, type Session, SHORT_SECONDS, warmSeconds } from './session.ts';

export interface Comparison {
  /** In the order in which they take turns; the first is what the generator is chosen by. */
  entries: Entry[];
  /** Those that are given otherwise are the benchmark's own. */
  connections?: number[];
  /** Before each run, so many units are made available again. */
  stock?: number;
}

export interface Entry {
  server: ServerName;
  load: Load;
  /** What it is asked, where a server is asked several things. */
  what?: string;
  /** Measured with every number of connections, not only with the first. */
  always?: true;
}

export interface Measurement {
  results: Result[];
  /** A sentence for each figure of a server's books that does not agree with its answers. */
  faults: string[];
}

/** From this share of a core on, the generator may be what limits a figure. */
export const GENERATOR_LIMIT = 0.9;
/** From this share on in a short run, it may come to be that in the rounds. */
const NEAR_GENERATOR_LIMIT = 0.75;

/** An entry whose server is there, and how it is measured. */
interface Contestant extends Entry {
  server: ServerName;
  running: Server;
  label?: string;
}

export async function compare(
  session: Session,
  workload: string,
  comparison: Comparison,
): Promise<Measurement> {
  const contestants = await present(session, comparison.entries);
  const accounts = await openAccounts(contestants);
  const results: Result[] = [];
  const counts = comparison.connections ?? session.options.connections;
  for (const [index, connections] of counts.entries()) {
    const measuring = contestants.filter(({ always }) => always || index === 0);
    if (measuring.length === 0) continue;
    const round = new Rounds(session, workload, connections, accounts, comparison.stock);
    const figures = await round.measure(measuring);
    results.push({ workload, connections, seconds: session.options.seconds, figures });
  }
  return { results, faults: await closeAccounts(accounts) };
}

/** How long it will take, for the progress bar. */
export function secondsToCompare({ entries, connections }: Comparison, options: Options): number {
  const run = options.seconds + AROUND_A_RUN_SECONDS;
  const short = Math.min(SHORT_SECONDS, options.seconds) + AROUND_A_RUN_SECONDS;
  const warm = warmSeconds(options) + AROUND_A_RUN_SECONDS;
  return (connections ?? options.connections)
    .map((_, index) => entries.filter(({ always }) => always || index === 0))
    .reduce((total, { length }) => total + length * options.rounds * run + short, entries.length * warm);
}

async function present(session: Session, entries: Entry[]): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const entry of entries) {
    const running = await session.server(entry.server);
    if (running !== undefined) contestants.push({ ...entry, running });
  }
  return contestants;
}

type Accounts = Map<Keeper, Account>;

async function openAccounts(contestants: Contestant[]): Promise<Accounts> {
  const keepers = new Set(contestants.flatMap(({ running }) => running.keeper ?? []));
  const accounts: Accounts = new Map();
  for (const keeper of keepers) accounts.set(keeper, await Account.open(keeper));
  return accounts;
}

async function closeAccounts(accounts: Accounts): Promise<string[]> {
  const faults: string[] = [];
  for (const account of accounts.values()) faults.push(...(await account.faults()));
  return faults;
}

/** The rounds of one workload at one number of connections. */
class Rounds {
  private readonly where: string;

  constructor(
    private readonly session: Session,
    workload: string,
    private readonly connections: number,
    private readonly accounts: Accounts,
    private readonly stock: number | undefined,
  ) {
    this.where = `${workload}, ${connections} connections`;
  }

  async measure(contestants: Contestant[]): Promise<Figure[]> {
    for (const contestant of contestants) {
      if (contestant.server === 'no-op') await this.teach(contestant);
      else await this.tune(contestant);
    }
    const tool = await this.toolFor(contestants);
    const shots = new Map<Contestant, Measured[]>(contestants.map((contestant) => [contestant, []]));
    const { rounds } = this.session.options;
    for (let round = 1; round <= rounds; round++) {
      for (const contestant of contestants) {
        const step = `round ${round} of ${rounds}: ${contestant.what ?? contestant.server}`;
        shots.get(contestant)!.push(await this.run(contestant, step, { tool }));
      }
    }
    return contestants.map((contestant) => {
      const { server, what, label, load } = contestant;
      return figureOf(server, what ?? label, load.unit, shots.get(contestant)!);
    });
  }

  private async run(
    { running, load }: Contestant,
    step: string,
    how: { tool?: Tool; seconds?: number },
  ): Promise<Measured> {
    const account = running.keeper && this.accounts.get(running.keeper);
    if (this.stock !== undefined) await account?.restock(skuOf(load.skus, 0), this.stock);
    const shot = await this.session.run(running, load, this.connections, `${this.where}, ${step}`, how);
    account?.add(load, shot.effects);
    return shot;
  }

  /** Lets the ceiling say what Holdfast says to such a request. */
  private async teach({ running, load }: Contestant): Promise<void> {
    const holdfast = (await this.session.server('holdfast'))!;
    const account = this.accounts.get(holdfast.keeper!)!;
    if (this.stock !== undefined) await account.restock(skuOf(load.skus, 0), 0);
    const [{ method, path, body }] = requestsOf(load, 0, 1);
    const response = await fetch(holdfast.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'POST' && { body }),
    });
    const answer: Answer = {
      status: response.status,
      headers: Object.fromEntries(
        [...response.headers].filter(([name]) => name !== 'content-length' && name !== 'date'),
      ),
      body: await response.text(),
    };
    await running.set!(answer);
    if (load.call === 'hold') account.add(load, { held: response.ok ? 1 : 0, closed: 0, lost: 0 });
  }

  /** Takes the setting that is fastest here. */
  private async tune(contestant: Contestant): Promise<void> {
    const { running, server } = contestant;
    const { settings = [] } = running;
    if (settings.length < 2) return;
    const rates = new Map<Setting, number>();
    for (const setting of settings) {
      await running.set!(setting);
      const step = `${server} with ${setting.label}`;
      const { operations, seconds } = await this.run(contestant, step, { seconds: this.session.short });
      rates.set(setting, operations / seconds);
    }
    const best = settings.toSorted((a, b) => rates.get(b)! - rates.get(a)!)[0];
    await running.set!(best);
    contestant.label = best.label;
  }

  private async toolFor(contestants: Contestant[]): Promise<Tool> {
    if (!hasWrk() || !contestants.every(({ load }) => isForWrk(load))) return 'autocannon';
    const step = 'is the load generator the limit?';
    const { generatorShare = 0 } = await this.run(contestants[0], step, { seconds: this.session.short });
    return generatorShare >= NEAR_GENERATOR_LIMIT ? 'wrk' : 'autocannon';
  }
}
