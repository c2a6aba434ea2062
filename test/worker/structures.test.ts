/** The typed-memory structures against plain Maps, with random operations. */
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { WHEEL_TICK_MS } from '../../src/limits.ts';
import { ByteHeap } from '../../src/worker/byte-heap.ts';
import { Holds } from '../../src/worker/holds.ts';
import { Locations, NONE, Snapshot } from '../../src/worker/snapshot.ts';
import { Wheel } from '../../src/worker/wheel.ts';

test('a byte heap keeps every text apart, and uses freed room again', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), text, fc.nat(1000)), { maxLength: 200 }), (operations) => {
      const heap = new ByteHeap();
      const kept: [number, string][] = [];
      for (const [put, value, which] of operations) {
        if (put || kept.length === 0) kept.push([heap.put(value), value]);
        else heap.release(kept.splice(which % kept.length, 1)[0][0]);
        for (const [at, expected] of kept) expect(heap.text(at)).toBe(expected);
      }
    }),
  );
  const heap = new ByteHeap();
  const first = heap.put('some reference');
  heap.release(first);
  expect(heap.put('another one')).toBe(first);
  expect(heap.text(heap.put('\uFEFFTEA'))).toBe('\uFEFFTEA');
});

const name = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' });
const place = fc.constantFrom('dc1', 'dc2', 'Köln', 'x');

test('a snapshot finds every level it was given, and no other', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, place), { maxLength: 300 }), (pairs) => {
      const snapshot = new Snapshot(new Locations());
      const model = new Map<string, Map<string, number>>();
      for (const [sku, location] of pairs) {
        const levels = model.get(sku) ?? new Map<string, number>();
        model.set(sku, levels);
        if (!levels.has(location)) levels.set(location, snapshot.addLevel(sku, location));
      }
      for (const [sku, levels] of model) {
        const number = snapshot.findSku(sku);
        expect(snapshot.levelsOfSku(number)).toEqual([...levels.values()]);
        for (const [location, level] of levels) {
          expect(snapshot.levelAt(number, location)).toBe(level);
          expect([snapshot.skuOf(level), snapshot.locationOf(level)]).toEqual([sku, location]);
        }
        expect(snapshot.levelAt(number, 'nowhere')).toBe(NONE);
      }
      expect(snapshot.findSku('a SKU that was never added')).toBe(NONE);
    }),
  );
});

test('a snapshot that is restored in any order is the one that it was', () => {
  const pairs = fc.uniqueArray(fc.tuple(name, place), {
    selector: (pair) => pair.join(' @ '),
    maxLength: 300,
  });
  const shuffled = pairs.chain((given) =>
    fc.tuple(fc.constant(given), fc.shuffledSubarray([...given.keys()], { minLength: given.length })),
  );
  fc.assert(
    fc.property(shuffled, ([given, order]) => {
      const made = new Snapshot(new Locations());
      for (const pair of given) made.addLevel(...pair);
      const restored = new Snapshot(new Locations());
      for (const level of order) restored.restoreLevel(level, ...given[level]);
      restored.checkRestored();
      for (const [sku] of given) {
        expect(restored.findSku(sku)).toBe(made.findSku(sku));
        expect(restored.levelsOfSku(restored.findSku(sku))).toEqual(made.levelsOfSku(made.findSku(sku)));
      }
      for (const [level, [sku, location]] of given.entries())
        expect([restored.skuOf(level), restored.locationOf(level)]).toEqual([sku, location]);
      expect(restored.addLevel('new', 'there')).toBe(given.length);
    }),
  );
  const gap = new Snapshot(new Locations());
  gap.restoreLevel(1, 'A', 'x');
  expect(() => gap.checkRestored()).toThrow('1 of 2 levels are missing');
  expect(() => gap.restoreLevel(1, 'A', 'x')).toThrow('level 1 is there twice');
  gap.restoreLevel(0, 'A', 'y');
  expect(() => gap.restoreLevel(1, 'A', 'x')).toThrow('level 1 is there twice');
});

test('a level takes 64 bytes beside its SKU, and a fifth more at most', () => {
  for (const levels of [1000, 3000, 10_000, 40_000, 150_000]) {
    const snapshot = new Snapshot(new Locations());
    const skus = Array.from({ length: levels }, (_, level) => `SKU-${level}`);
    for (const sku of skus) snapshot.addLevel(sku, 'x');
    const keyBytes = skus.reduce((sum, { length }) => sum + length, 0);
    const columns = Object.values(snapshot).filter((value) => ArrayBuffer.isView(value));
    const texts = (snapshot as unknown as { texts: ByteHeap }).texts.bytes;
    const bytes = [...columns, texts].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect((bytes - keyBytes) / levels).toBeWithin(52, 1.2 * 64);
  }
});

test('holds find what is open and forget what was removed, through growth and reuse', () => {
  // Few distinct words, so that probes collide.
  const id = fc
    .tuple(fc.constantFrom('0', 'f'), fc.nat(40), fc.constantFrom('0', 'a'))
    .map(([a, n, b]) => `${a.repeat(8)}-0000-7000-8000-${n.toString(16).padStart(8, '0')}${b.repeat(4)}`);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(id, fc.array(fc.nat(9), { maxLength: 4 })), { maxLength: 400 }),
      (operations) => {
        const holds = new Holds();
        const model = new Map<string, number[]>();
        for (const [id, quantities] of operations) {
          const slot = holds.find(id);
          expect(slot !== NONE).toBe(model.has(id));
          if (slot === NONE) {
            const added = holds.add(id, 'held', 1, 2, 3, `ref ${id}`);
            for (const [line, quantity] of quantities.entries()) holds.addLine(added, line, line, quantity);
            model.set(id, quantities);
          } else {
            holds.remove(slot);
            model.delete(id);
          }
        }
        expect(holds.count).toBe(model.size);
        const held = [0, 0, 0, 0];
        for (const [id, quantities] of model) {
          const slot = holds.find(id);
          expect([holds.idOf(slot), holds.reference(slot)]).toEqual([id, `ref ${id}`]);
          quantities.forEach((quantity, line) => {
            held[line] += quantity;
          });
        }
        expect([...holds.heldByLevel(4)]).toEqual(held);
      },
    ),
  );
});

test('a wheel fires each slot once, in its tick, over minutes, days and years', () => {
  const start = 1_795_480_000_000;
  const delay = fc.oneof(fc.nat(500), fc.nat(60_000), fc.nat(40 * 86_400_000), fc.nat(2 ** 38));
  const step = fc.oneof(fc.nat(200), fc.nat(20_000), fc.nat(5_000_000), fc.nat(30 * 86_400_000));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(30), fc.option(delay), step), { maxLength: 60 }), (operations) => {
      let now = start;
      const wheel = new Wheel(now);
      const due = new Map<number, number>();
      const advance = (by: number): void => {
        now += by;
        for (let slot = wheel.takeDue(now); slot !== NONE; slot = wheel.takeDue(now)) {
          expect(due.get(slot)).toBeLessThanOrEqual(now);
          due.delete(slot);
        }
        for (const at of due.values()) expect(at + WHEEL_TICK_MS).toBeGreaterThan(now);
      };
      for (const [slot, after, by] of operations) {
        if (after === null) {
          wheel.remove(slot);
          due.delete(slot);
        } else {
          wheel.set(slot, now + after);
          due.set(slot, now + after);
        }
        advance(by);
      }
    }),
    { numRuns: 60 },
  );
});
