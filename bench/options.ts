/** The command line. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { count } from './numbers.ts';
import { WORKLOADS } from './workloads.ts';

export interface Options {
  workloads: string[];
  connections: number[];
  rounds: number;
  seconds: number;
  /** Of a large stock: levels, and reservations held. */
  levels: number;
  held: number;
  /** Reservations that expire in the same second. */
  burst: number;
  results: string;
}

export const HELP = `Measures Holdfast beside ceilings (what could be done at all) and rivals (what others would do),
all on this machine, in one run, in turn.

  bun run bench [workload …] [--rounds 3] [--seconds 1.5] [--connections 64,256] …

${Object.entries(WORKLOADS)
  .map(([name, { title }]) => `  ${name.padEnd(13)} ${title}`)
  .join('\n')}

  --rounds       figures are medians of so many; default 3
  --seconds      length of each run; default 1.5, for a run of about five minutes
  --connections  default 64,256: uniform and hot are measured with each, the others with the first
  --levels       of import, recovery, memory and growth; default 1,000,000
  --held         reservations of recovery, memory and growth; default 1,000,000
  --burst        reservations that expire in the same second; default 100,000
  --results      where to append a line of JSON a result, beside a plot; default bench/results.jsonl
  --help         this text

Ends with code 1 if the books of a server do not balance, or Holdfast's write path reads stock.`;

const RESULTS = join(import.meta.dir, 'results.jsonl');

export function readOptions(args: string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '1.5' },
      connections: { type: 'string', default: '64,256' },
      levels: { type: 'string', default: '1000000' },
      held: { type: 'string', default: '1000000' },
      burst: { type: 'string', default: '100000' },
      results: { type: 'string', default: RESULTS },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const all = Object.keys(WORKLOADS);
  const unknown = positionals.find((name) => !all.includes(name));
  if (unknown !== undefined)
    throw new Error(`there is no workload ${JSON.stringify(unknown)}; there are ${all.join(', ')}`);
  return {
    workloads: all.filter((name) => positionals.length === 0 || positionals.includes(name)),
    rounds: number('rounds', values.rounds, 1, 100),
    seconds: number('seconds', values.seconds, 0.1, 600, false),
    connections: values.connections.split(',').map((text) => number('connections', text, 1, 4096)),
    levels: number('levels', values.levels, 1, 100_000_000),
    held: number('held', values.held, 1, 100_000_000),
    burst: number('burst', values.burst, 1, 10_000_000),
    results: values.results,
  };
}

function number(name: string, text: string, min: number, max: number, whole = true): number {
  const value = Number(text);
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? 'a whole number' : 'a number';
  throw new Error(`--${name} is ${JSON.stringify(text)}; allowed is ${kind} from ${min} to ${count(max)}`);
}
