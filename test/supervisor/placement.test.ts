/** Who gets what while a rolling restart's spare worker comes and goes. The workers are there in name only, and do what they are told. */
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { log } from '../../src/observability/log.ts';
import { evenMap } from '../../src/routing/partition-map.ts';
import type { KeptProcess } from '../../src/supervisor/kept-process.ts';
import { Placement } from '../../src/supervisor/placement.ts';

const PARTITIONS = 8;
const [FIRST, SECOND, SPARE] = [0, 1, 2];

const silenced = ['info', 'warn'] as const;
beforeAll(() => {
  for (const level of silenced) spyOn(log, level).mockImplementation(() => {});
});
afterAll(() => {
  for (const level of silenced) spyOn(log, level).mockRestore();
});

function worker(): KeptProcess {
  const obedient: Partial<KeptProcess> = {
    isServing: true,
    deaths: [],
    endForCertain: async () => {},
    order: async ({ type }) =>
      type === 'give' ? { type: 'gave', claims: [] } : { type: 'took', served: true },
  };
  return obedient as KeptProcess;
}

async function withSpare() {
  const workers = [worker(), worker(), worker()];
  const placement = new Placement(
    evenMap(1, PARTITIONS, ['first', 'second']),
    () => workers,
    () => {},
  );
  await placement.grow('spare');
  return placement;
}

test('what a worker had that is down goes to those that stay, and none of it to the spare one', async () => {
  const placement = await withSpare();
  const ended = Promise.withResolvers<void>();
  const leaving = placement.shrink(() => ended.promise);
  const taken = placement.takeOver(FIRST);
  ended.resolve();
  expect(await leaving).toBe(true);
  await taken;
  expect(placement.ownedBy(SECOND)).toHaveLength(PARTITIONS);

  const another = await withSpare();
  await another.takeOver(FIRST);
  expect([another.ownedBy(SECOND).length, another.ownedBy(SPARE).length]).toEqual([PARTITIONS, 0]);
});

test('a spare one stays if it was given something before its turn to go came', async () => {
  const placement = await withSpare();
  const moving = placement.moveAll(placement.ownedBy(FIRST), SPARE);
  let isEnded = false;
  const leaving = placement.shrink(async () => {
    isEnded = true;
  });
  expect(await moving).toBeUndefined();
  expect([await leaving, isEnded]).toEqual([false, false]);
  expect(placement.map.sockets).toHaveLength(SPARE + 1);

  // And goes once that is elsewhere.
  await placement.takeOver(SPARE);
  expect(await placement.shrink(async () => {})).toBe(true);
  expect(placement.map.sockets).toEqual(['first', 'second']);
});

test('a move says why it was not made, or is not done', async () => {
  const placement = await withSpare();
  const [partition] = placement.ownedBy(FIRST);
  const keeps: Partial<KeptProcess> = { isServing: true, order: async () => ({ type: 'gave' }) };
  const slow: Partial<KeptProcess> = {
    isServing: true,
    order: async () => ({ type: 'took', served: false }),
  };
  const between = (from: Partial<KeptProcess>, to: Partial<KeptProcess>): Placement =>
    new Placement(
      placement.map,
      () => [from, to] as KeptProcess[],
      () => {},
    );
  expect(await between(keeps, worker()).moveAll([partition], SECOND)).toBe('worker 0 has not loaded it yet');
  const late = between(worker(), slow);
  expect(await late.moveAll([partition], SECOND)).toBe(
    'worker 1 has it now, and has not loaded it within 30 s; it goes on trying',
  );
  expect(late.map.owner[partition]).toBe(SECOND);
});
