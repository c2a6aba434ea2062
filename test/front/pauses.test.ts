/** How long is waited before what was refused is asked for again. */
import { expect, test } from 'bun:test';
import { PAUSE_MS_MAX, Pauses } from '../../src/front/pauses.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const FOR_MS = 30_000;

/** @returns how long each pause was */
async function pausesOf(drawn: number, gone?: AbortSignal): Promise<number[]> {
  const clock = new ManualClock();
  const pauses = new Pauses({ clock, random: () => drawn }, FOR_MS, gone);
  const lasted: number[] = [];
  for (;;) {
    const from = clock.now();
    const next = pauses.next();
    await clock.advance(0);
    let isOver: boolean | undefined;
    void next.then((goesOn) => {
      isOver = !goesOn;
    });
    while (isOver === undefined) await clock.advance(1);
    if (isOver) return lasted;
    lasted.push(clock.now() - from);
  }
}

test('they grow to a bound, half of each by chance, and end when the time is over', async () => {
  const [shortest, longest] = [await pausesOf(0), await pausesOf(1)];
  expect(shortest.slice(0, 5)).toEqual([50, 100, 200, 250, 250]);
  expect(longest.slice(0, 5)).toEqual([100, 200, 400, 500, 500]);
  for (const lasted of [shortest, longest]) {
    const sum = lasted.reduce((total, ms) => total + ms, 0);
    expect(sum).toBeWithin(FOR_MS - PAUSE_MS_MAX - 1, FOR_MS);
  }
});

test('they end when nobody waits any more', async () => {
  expect(await pausesOf(1, AbortSignal.abort())).toEqual([]);
  const clock = new ManualClock();
  const gone = new AbortController();
  const next = new Pauses({ clock, random: () => 1 }, FOR_MS, gone.signal).next();
  gone.abort();
  await clock.advance(PAUSE_MS_MAX);
  expect(await next).toBe(false);
});
