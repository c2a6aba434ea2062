/** `bun run soak`: a server under load for half an hour, and whether anything of it grows that should not. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { circumstances } from '../machine.ts';
import { count, readable } from '../numbers.ts';
import { table } from '../report/table.ts';
import { appendResults, type Figure } from '../results.ts';
import type { Line } from './judge.ts';
import { type SoakOptions, soak } from './soak.ts';

const HELP = `Runs a server under a mixed load for a long time, and says whether memory, descriptors, tables or answers get worse.

  bun run soak [--minutes 30] [--rate 1000] [--seed N] [--results FILE]

  --minutes  how long the load lasts, 2 at least
  --rate     calls a second
  --seed     what the calls are drawn from
  --results  where to append a line of JSON; default bench/results.jsonl
  --help     this text

It reads /proc, so it needs Linux. It ends with 1 when something has grown, an answer was wrong, or the books do not balance.
`;
const EXIT_USAGE = 2;
const MINUTES_MIN = 2;
const RATE_MAX = 100_000;

type Options = SoakOptions & { results: string };

function readOptions(): Options | string {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { minutes: text, rate: text, seed: text, results: text, help: { type: 'boolean' } },
  });
  if (values.help) return HELP;
  const minutes = Number(values.minutes ?? 30);
  if (!(minutes >= MINUTES_MIN)) throw new Error(`--minutes is ${values.minutes}: ${MINUTES_MIN} at least`);
  const rate = Number(values.rate ?? 1000);
  if (!(rate >= 1 && rate <= RATE_MAX)) throw new Error(`--rate is ${values.rate}: 1 to ${count(RATE_MAX)}`);
  const seed = Number(values.seed ?? 1);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed is ${values.seed}: it must be a whole number`);
  return { minutes, rate, seed, results: values.results ?? join(import.meta.dir, '..', 'results.jsonl') };
}

async function run({ results, ...options }: Options): Promise<number> {
  if (process.platform !== 'linux') throw new Error('it reads /proc, which only Linux has');
  const about = circumstances(tmpdir());
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.abort());
  const { lines, faults, finished } = await soak(options, interrupted.signal);
  const { granted, confirmed, cancelled } = finished.said;
  console.log(
    `\n${options.minutes} min at ${count(options.rate)} calls/s, commit ${about.commit}: ${count(granted)} holds,`,
  );
  console.log(`${count(confirmed)} of them confirmed, ${count(cancelled)} cancelled, the others expired\n`);
  console.log(linesTable(lines));
  console.log(`\nThe books ${faults.length === 0 ? 'balance' : 'DO NOT BALANCE, or answers were wrong'}.`);
  for (const fault of faults) console.error(`  ${fault}`);
  const figures = lines.map(figureOf);
  appendResults(results, about, [{ workload: 'soak', seconds: options.minutes * 60, figures }]);
  return faults.length === 0 && lines.every(({ holds }) => holds) ? 0 : 1;
}

function linesTable(lines: Line[]): string {
  const heads = ['', 'first quarter', 'last quarter', '', 'allowed', ''];
  const rows = lines.map(({ what, first, last, unit, tolerance, holds }) => [
    what,
    shown(first),
    shown(last),
    unit,
    tolerance,
    holds ? 'holds' : 'DOES NOT HOLD',
  ]);
  return table(heads, rows, [0, 3, 4, 5]);
}

function shown(value: number): string {
  return count(readable(value));
}

function figureOf({ what, unit, first, last }: Line): Figure {
  return { server: 'holdfast', what, value: readable(last), unit, rounds: [first, last].map(readable) };
}

try {
  const options = readOptions();
  if (typeof options === 'string') console.log(options);
  else process.exit(await run(options));
} catch (error) {
  console.error(`soak: ${(error as Error).message}`);
  process.exit(EXIT_USAGE);
}
