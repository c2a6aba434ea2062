/** `bun run bench`: measures, checks that the books balance, prints, appends to results.jsonl, draws. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Circumstances, circumstances } from './machine.ts';
import type { Options } from './options.ts';
import { Progress } from './progress.ts';
import { cpuTable, figureTable } from './report/figures.ts';
import { svgBars, terminalBars } from './report/plot.ts';
import { statementTable } from './report/statements.ts';
import { targetTable } from './report/targets.ts';
import { appendResults, type Result } from './results.ts';
import { AROUND_A_RUN_SECONDS, Session, START_SECONDS } from './session.ts';
import { readsStock, type Statement, statementsOf } from './statements.ts';
import { WORKLOADS } from './workloads.ts';

const INTERRUPTED = 130;
/** What starting the servers takes besides Holdfast. */
const RIVALS_START_SECONDS = 8;

async function bench(options: Options, session: Session): Promise<number> {
  const about = circumstances(tmpdir());
  const results: Result[] = [];
  const faults: string[] = [];
  for (const name of options.workloads) {
    const measured = await WORKLOADS[name].measure(session, name);
    results.push(...measured.results);
    faults.push(...measured.faults);
  }
  const statements = await statementsOf(session);
  const reading = statements.filter(readsStock);
  if (faults.length === 0) {
    appendResults(options.results, about, results);
    writeFileSync(plotBeside(options.results), svgBars(results, described(about, options)));
  }
  print(results, statements, described(about, options));
  for (const reason of session.skipped) console.log(`not measured: ${reason}`);
  console.log(`\nThe books ${faults.length === 0 ? 'balance' : 'DO NOT BALANCE'}.`);
  for (const fault of faults) console.error(`  ${fault}`);
  return faults.length === 0 && reading.length === 0 ? 0 : 1;
}

function print(results: Result[], statements: Statement[], about: string): void {
  const reading = statements.filter(readsStock).length;
  const sections: [string, string | undefined][] = [
    [about, figureTable(results)],
    ['Bars', terminalBars(results)],
    ['CPU µs, by process', cpuTable(results)],
    ['Targets, for a machine of two cores', targetTable(results)],
    [
      `Statements of Holdfast's database under load: ${reading === 0 ? 'none reads stock or reservations' : `${reading} READ STOCK`}`,
      statements.length === 0 ? undefined : statementTable(statements),
    ],
  ];
  for (const [title, body] of sections) if (body !== undefined) console.log(`\n${title}\n\n${body}`);
}

function described(
  { commit, modified, machine, bun, fsyncMs, date }: Circumstances,
  options: Options,
): string {
  const { cpu, cores, memoryGiB } = machine;
  return (
    `${date.slice(0, 10)}, ${commit}${modified ? ', modified' : ''}; ${cores} × ${cpu}, ${memoryGiB} GiB; ` +
    `Bun ${bun}; fsync ${fsyncMs} ms; medians of ${options.rounds} rounds of ${options.seconds} s`
  );
}

function plotBeside(results: string): string {
  return `${results.replace(/\.jsonl$/, '')}.svg`;
}

function plannedSeconds(options: Options): number {
  const workloads = options.workloads.map((name) => WORKLOADS[name].seconds(options));
  const run = options.seconds + AROUND_A_RUN_SECONDS;
  return workloads.reduce((total, seconds) => total + seconds, START_SECONDS + RIVALS_START_SECONDS + run);
}

/** Runs until it is done or interrupted, and leaves nothing running either way. @returns the exit code */
export async function runBench(options: Options): Promise<number> {
  const interrupted = Promise.withResolvers<number>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.resolve(INTERRUPTED));
  const progress = new Progress(plannedSeconds(options));
  await using session = new Session(options, progress);
  try {
    return await Promise.race([bench(options, session), interrupted.promise]);
  } finally {
    progress[Symbol.dispose]();
  }
}
