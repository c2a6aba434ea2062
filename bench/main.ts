/** `bun run bench`: measures, checks that the books balance, prints, appends to results.jsonl. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { circumstances } from './machine.ts';
import { Progress } from './progress.ts';
import { count, cpuTable, figures, statementTable, targets } from './report.ts';
import { appendResults, type Result } from './results.ts';
import { type Options, plannedSeconds, Session } from './session.ts';
import { readsStock } from './statements.ts';
import { WORKLOADS, type WorkloadName } from './workloads.ts';

const HELP = `Measures Holdfast beside a ceiling (Elysia that does nothing) and a rival (Elysia and
postgres.js, one transaction a request), all on this machine.

  bun run bench [workload …] [--rounds 3] [--seconds 4] [--connections 64,256] [--results file]

${Object.entries(WORKLOADS)
  .map(([name, { title }]) => `  ${name.padEnd(13)} ${title}`)
  .join('\n')}
  --rounds       figures are medians of so many; default 3
  --seconds      length of each run; default 4
  --connections  default 64,256
  --results      where to append one line of JSON a result; default bench/results.jsonl
  --help         this text

Ends with code 1 if the books of a server do not balance, or Holdfast's write path reads stock.`;

const RESULTS = join(import.meta.dir, 'results.jsonl');
const INTERRUPTED = 130;

async function bench(options: Options, resultsFile: string, session: Session): Promise<number> {
  await session.start();
  const about = circumstances(session.dataFolder);
  await session.warmUp();
  const results: Result[] = [];
  const faults: string[] = [];
  for (const workload of options.workloads) {
    const measured = await session.measure(workload);
    faults.push(...measured.faults);
    results.push(...measured.results);
  }
  const statements = await session.statements();
  const reading = statements.filter(readsStock);
  if (faults.length === 0) appendResults(resultsFile, about, results);

  const { cpu, cores, memoryGiB } = about.machine;
  const sections: [string, string | undefined][] = [
    [
      `${about.commit}${about.modified ? ', modified' : ''}; ${cores} × ${cpu}, ${memoryGiB} GiB; Bun ${about.bun}; fsync ${about.fsyncMs} ms\n` +
        `medians of ${options.rounds} rounds of ${options.seconds} s, one reservation of one line a request`,
      figures(results),
    ],
    ['CPU µs a request, by process', cpuTable(results)],
    ['Targets, for a machine of two cores', targets(results)],
    [
      `Statements of Holdfast's database under load: ${reading.length === 0 ? 'none reads stock or reservations' : `${reading.length} READ STOCK`}`,
      statementTable(statements),
    ],
  ];
  for (const [title, body] of sections) if (body !== undefined) console.log(`\n${title}\n\n${body}`);
  console.log(`\nThe books ${faults.length === 0 ? 'balance' : 'DO NOT BALANCE'}.`);
  for (const fault of faults) console.error(`  ${fault}`);
  return faults.length === 0 && reading.length === 0 ? 0 : 1;
}

function readOptions(args: string[]): (Options & { results: string }) | 'help' {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      connections: { type: 'string', default: '64,256' },
      results: { type: 'string', default: RESULTS },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const unknown = positionals.find((name) => !(name in WORKLOADS));
  if (unknown !== undefined)
    throw new Error(
      `there is no workload ${JSON.stringify(unknown)}; there are ${Object.keys(WORKLOADS).join(', ')}`,
    );
  const names = (positionals.length > 0 ? positionals : Object.keys(WORKLOADS)) as WorkloadName[];
  return {
    workloads: names,
    rounds: number('rounds', values.rounds, 1, 100),
    seconds: number('seconds', values.seconds, 0.1, 600, false),
    connections: values.connections.split(',').map((text) => number('connections', text, 1, 4096)),
    results: values.results,
  };
}

function number(name: string, text: string, min: number, max: number, whole = true): number {
  const value = Number(text);
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? 'a whole number' : 'a number';
  throw new Error(`--${name} is ${JSON.stringify(text)}; allowed is ${kind} from ${min} to ${count(max)}`);
}

/** Runs until it is done or interrupted, and leaves nothing running either way. */
async function runToTheEnd(options: Options & { results: string }): Promise<number> {
  const interrupted = Promise.withResolvers<number>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.resolve(INTERRUPTED));
  const progress = new Progress(plannedSeconds(options));
  await using session = new Session(options, progress);
  try {
    return await Promise.race([bench(options, options.results, session), interrupted.promise]);
  } finally {
    progress[Symbol.dispose]();
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') console.log(HELP);
  else process.exit(await runToTheEnd(options));
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
