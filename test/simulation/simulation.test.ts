/** A fixed set of seeds, twice the same run from one seed, and a bug for every mechanism: each is caught. */
import { expect, test } from 'bun:test';
import { BUGS, caughtIn } from './bugs.ts';
import { simulate } from './simulation.ts';

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
/** Which one catches a bug changes with every change of what is simulated; some one of these must. */
const SEEDS_A_BUG_HAS = 20;
const SLOW_MS = 30_000;

test.each(SEEDS)(
  'seed %i: nothing lost, nothing oversold',
  async (seed) => {
    const { violation, commits, checked } = await simulate(seed);
    expect(violation).toBeUndefined();
    expect(commits).toBeGreaterThan(0);
    expect(checked).toBeGreaterThan(0);
  },
  SLOW_MS,
);

test(
  'a seed is one run, to the last event',
  async () => {
    const [once, again, other] = [await simulate(1), await simulate(1), await simulate(2)];
    expect(again).toEqual(once);
    expect(other.digest).not.toBe(once.digest);
  },
  SLOW_MS,
);

test.each(BUGS)(
  'a planted bug is caught: $name',
  async (bug) => {
    const caught = await caughtIn(bug, SEEDS_A_BUG_HAS);
    expect(caught?.violation).toBeString();
    // It is the bug that is caught.
    expect((await simulate(caught!.seed)).violation).toBeUndefined();
  },
  SLOW_MS,
);
