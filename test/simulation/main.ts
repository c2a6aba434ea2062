/** `bun run simulate`: seed after seed for some minutes, or one seed again. */
import { parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import { type Outcome, simulate } from './simulation.ts';
import { Totals } from './totals.ts';

const HELP = `Runs Holdfast in a simulated world that goes wrong in every way, and checks all that it says. See docs/reliability.md.

  bun run simulate [--minutes 1] [--seed N]

  --minutes  how long, in real time; a fraction is fine; default 1
  --seed     only this one, twice, and compares the two runs
  --help     this text

It ends with 1 when a seed fails, and says how to run that seed again.
`;
const SEED_MAX = 2 ** 31 - 1;
const LINES_SHOWN = 60;
const EXIT_USAGE = 2;

function readOptions(): { minutes: number; seed: number | undefined } | string {
  const { values } = parseArgs({
    options: { minutes: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) return HELP;
  const minutes = Number(values.minutes ?? 1);
  if (!(minutes > 0)) throw new Error(`--minutes is ${values.minutes}: it must be a number above 0`);
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  const isSeed = seed === undefined || (Number.isInteger(seed) && seed >= 0 && seed <= SEED_MAX);
  if (!isSeed) throw new Error(`--seed is ${values.seed}: it must be an integer from 0 to ${SEED_MAX}`);
  return { minutes, seed };
}

/** A seed fails: what is broken, what happened before, and how to see it again. */
function reportFailure({ seed, violation, lastLines }: Outcome): void {
  console.log(`\nSeed ${seed} fails. Its last events:\n`);
  for (const line of lastLines.slice(-LINES_SHOWN)) console.log(`  ${line}`);
  console.log(`\n  violation  ${violation}\n  again      bun run simulate --seed ${seed}\n`);
}

async function runOne(seed: number): Promise<number> {
  const totals = new Totals();
  const outcome = await simulate(seed);
  totals.add(outcome);
  if (outcome.violation !== undefined) reportFailure(outcome);
  console.log(totals.table());
  const again = await simulate(seed);
  const isSame = again.digest === outcome.digest;
  console.log(
    `\n  digest     ${outcome.digest}, ${isSame ? 'twice' : `and then ${again.digest}: NOT THE SAME RUN`}`,
  );
  return outcome.violation === undefined && isSame ? 0 : 1;
}

async function runMany(minutes: number): Promise<number> {
  const first = Math.floor(Math.random() * (SEED_MAX / 2));
  const totals = new Totals();
  const seconds = Math.ceil(minutes * 60);
  const bar = new SingleBar(
    {
      format: `{bar} {percentage} %  {seeds} seeds  {hours} simulated hours  {faults} faults  {eta_formatted} left`,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 10_000,
      etaBuffer: 100,
    },
    Presets.shades_classic,
  );
  console.log(`Seeds from ${first} on, for ${minutes} min\n`);
  bar.start(seconds, 0, totals.soFar());
  let failed: Outcome | undefined;
  for (let seed = first; failed === undefined && totals.realSeconds < seconds; seed++) {
    const outcome = await simulate(seed);
    totals.add(outcome);
    bar.update(Math.min(seconds, Math.round(totals.realSeconds)), totals.soFar());
    if (outcome.violation !== undefined) failed = outcome;
  }
  bar.stop();
  if (failed !== undefined) reportFailure(failed);
  console.log(`\n${totals.table()}`);
  return failed === undefined ? 0 : 1;
}

try {
  const options = readOptions();
  if (typeof options === 'string') console.log(options);
  else process.exit(await (options.seed === undefined ? runMany(options.minutes) : runOne(options.seed)));
} catch (error) {
  console.error(`simulate: ${(error as Error).message}`);
  process.exit(EXIT_USAGE);
}
