/** Who waits for which answer: as a Map would have it, also where ids begin anew and many wait. */
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Unanswered } from '../../src/wire/unanswered.ts';

const LAST_ID = 2 ** 32 - 1;

/** Adds so many; or takes the one that is so far from the first, by its id; or asks for an id that nobody waits for; or takes all. */
const steps = fc.array(
  fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 700 }) }),
    fc.record({ take: fc.nat(), times: fc.integer({ min: 1, max: 500 }) }),
    fc.record({ unknown: fc.integer({ min: 0, max: LAST_ID }) }),
    fc.constant('all' as const),
  ),
  { maxLength: 30 },
);

test('it has what was added, each once, until it is taken', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: LAST_ID - 1000, max: LAST_ID }), fc.nat({ max: 1000 })),
      steps,
      (lastId, steps) => {
        const unanswered = new Unanswered<{ n: number }>(lastId);
        const model = new Map<number, { n: number }>();
        let n = 0;
        for (const step of steps) {
          if (step === 'all') {
            const all = unanswered.takeAll().map(({ n }) => n);
            expect(all.sort((a, b) => a - b)).toEqual([...model.values()].map(({ n }) => n));
            model.clear();
          } else if ('add' in step) {
            for (let i = 0; i < step.add; i++) {
              const receiver = { n: n++ };
              const id = unanswered.add(receiver);
              expect([model.has(id), id >= 0, id <= LAST_ID]).toEqual([false, true, true]);
              model.set(id, receiver);
            }
          } else if ('unknown' in step) {
            if (!model.has(step.unknown)) expect(unanswered.take(step.unknown)).toBeUndefined();
          } else {
            for (let i = 0; i < step.times && model.size > 0; i++) {
              const id = [...model.keys()][step.take % model.size];
              expect(unanswered.take(id)).toBe(model.get(id)!);
              expect(unanswered.take(id)).toBeUndefined();
              model.delete(id);
            }
          }
          expect(unanswered.count).toBe(model.size);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('one that is not answered for long keeps its id from all others', () => {
  const unanswered = new Unanswered<string>();
  const slow = unanswered.add('slow');
  for (let i = 0; i < 100_000; i++) {
    const id = unanswered.add('quick');
    expect(id).not.toBe(slow);
    expect(unanswered.take(id)).toBe('quick');
  }
  expect(unanswered.take(slow)).toBe('slow');
});
