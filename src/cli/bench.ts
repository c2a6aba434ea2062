/** `holdfast bench`: part of the repository, not of an installed package; see bench/main.ts. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from '../../bench/options.ts';
import { type Define, notes, Refusal } from './command.ts';
import { number, numbers } from './values.ts';

const FOLDER = join(import.meta.dir, '..', '..', 'bench');

export const define: Define = async (command, ending) => {
  if (!existsSync(FOLDER)) {
    command.allowUnknownOption().argument('[anything...]').action(refuse);
    return;
  }
  const { WORKLOADS } = await import('../../bench/workloads.ts');
  const { DEFAULTS } = await import('../../bench/options.ts');
  const names = Object.keys(WORKLOADS);
  const count = { min: 1, max: 100_000_000 };
  command
    .addArgument(
      command.createArgument('[workload...]', 'what to measure; everything, unless named').choices(names),
    )
    .option('--rounds <n>', 'figures are medians of so many', number({ min: 1, max: 100 }), DEFAULTS.rounds)
    .option(
      '--seconds <n>',
      'length of each run; as it is, all of it takes about five minutes',
      number({ min: 0.1, max: 600, fractions: true }),
      DEFAULTS.seconds,
    )
    .option(
      '--connections <list>',
      'uniform and hot are measured with each, the others with the first',
      numbers({ min: 1, max: 4096 }),
      DEFAULTS.connections,
    )
    .option('--levels <n>', 'of import, recovery, memory and growth', number(count), DEFAULTS.levels)
    .option('--held <n>', 'reservations of recovery, memory and growth', number(count), DEFAULTS.held)
    .option(
      '--burst <n>',
      'reservations that expire in the same second',
      number({ min: 1, max: 10_000_000 }),
      DEFAULTS.burst,
    )
    .option('--results <file>', 'where to append a line of JSON a result, beside a plot', DEFAULTS.results)
    .action(
      ending(async (asked: string[], options: Omit<Options, 'workloads'>) => {
        const workloads = names.filter((name) => asked.length === 0 || asked.includes(name));
        const { runBench } = await import('../../bench/main.ts');
        return runBench({ ...options, workloads }).catch((error) => {
          throw new Refusal(error instanceof Error ? error.message : String(error));
        });
      }),
    );
  notes(command, {
    more: `Workloads:\n${Object.entries(WORKLOADS)
      .map(([name, { title }]) => `  ${name.padEnd(13)} ${title}`)
      .join('\n')}`,
    examples: [
      ['holdfast bench', 'everything, in about five minutes'],
      ['holdfast bench sale multi --seconds 3', 'two workloads, in longer runs'],
    ],
    codes: { 0: 'measured, and all books balance', 1: 'books do not balance, or the write path reads stock' },
  });
};

function refuse(): never {
  throw new Refusal('the benchmark is part of the repository, not of the package: run it in a clone');
}
