import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { allocate } from '../../src/reservations/allocate.ts';
import type { HoldLine, Strategy } from '../../src/reservations/types.ts';
import { Locations, Snapshot } from '../../src/worker/snapshot.ts';

/** `{A: {dc1: 3}}` as the stock of a partition. */
function stockOf(stock: Record<string, Record<string, number>>): Snapshot {
  const snapshot = new Snapshot(new Locations());
  for (const [sku, levels] of Object.entries(stock)) {
    for (const [location, onHand] of Object.entries(levels)) {
      snapshot.onHand[snapshot.addLevel(sku, location)] = onHand;
    }
  }
  return snapshot;
}

/** `2 A`, `2 A@dc1` */
function lineOf(text: string, line: number): HoldLine {
  const [quantity, what] = text.split(' ');
  const [sku, location] = what.split('@');
  return { line, sku, quantity: Number(quantity), location };
}

interface Case {
  name: string;
  stock: Record<string, Record<string, number>>;
  lines: string[];
  strategy?: Strategy;
  locations?: string[];
  /** `0: 2 dc1`: line 0 got 2 at dc1. */
  granted?: string[];
  /** `1: unknown-sku 0`: line 1 was refused with 0 available. */
  refused?: string[];
}

const cases: Case[] = [
  { name: 'one line', stock: { A: { dc1: 3 } }, lines: ['2 A'], granted: ['0: 2 dc1'] },
  { name: 'the last unit', stock: { A: { dc1: 1 } }, lines: ['1 A'], granted: ['0: 1 dc1'] },
  { name: 'one too many', stock: { A: { dc1: 1 } }, lines: ['2 A'], refused: ['0: insufficient-stock 1'] },
  { name: 'an unknown SKU', stock: { A: { dc1: 1 } }, lines: ['1 B'], refused: ['0: unknown-sku 0'] },
  {
    name: 'a SKU that is not stocked at the location',
    stock: { A: { dc1: 1 } },
    lines: ['1 A@dc2'],
    refused: ['0: insufficient-stock 0'],
  },
  {
    name: 'two lines of one SKU count together',
    stock: { A: { dc1: 3 } },
    lines: ['2 A', '2 A'],
    refused: ['1: insufficient-stock 1'],
  },
  {
    name: 'two lines of one SKU that fit',
    stock: { A: { dc1: 4 } },
    lines: ['2 A', '2 A@dc1'],
    granted: ['0: 2 dc1', '1: 2 dc1'],
  },
  {
    name: 'every line at fault is named, and nothing is taken',
    stock: { A: { dc1: 1 }, B: { dc1: 9 } },
    lines: ['2 A', '1 B', '1 C', '10 B'],
    refused: ['0: insufficient-stock 1', '2: unknown-sku 0', '3: insufficient-stock 8'],
  },
  {
    name: 'most-available takes the fullest location',
    stock: { A: { dc1: 3, dc2: 5, dc3: 4 } },
    lines: ['2 A'],
    granted: ['0: 2 dc2'],
  },
  {
    name: 'most-available does not split',
    stock: { A: { dc1: 3, dc2: 3 } },
    lines: ['4 A'],
    refused: ['0: insufficient-stock 3'],
  },
  {
    name: 'most-available among candidates only',
    stock: { A: { dc1: 3, dc2: 5, dc3: 4 } },
    lines: ['2 A'],
    locations: ['dc1', 'dc3', 'nowhere'],
    granted: ['0: 2 dc3'],
  },
  {
    name: 'in-order takes the first that has enough',
    stock: { A: { dc1: 3, dc2: 5, dc3: 9 } },
    lines: ['4 A'],
    strategy: 'in-order',
    locations: ['dc1', 'dc2', 'dc3'],
    granted: ['0: 4 dc2'],
  },
  {
    name: 'in-order names the most that any one location had',
    stock: { A: { dc1: 3, dc2: 5 } },
    lines: ['6 A'],
    strategy: 'in-order',
    refused: ['0: insufficient-stock 5'],
  },
  {
    name: 'split goes over locations in order',
    stock: { A: { dc1: 3, dc2: 0, dc3: 4 } },
    lines: ['5 A'],
    strategy: 'split',
    granted: ['0: 3 dc1', '0: 2 dc3'],
  },
  {
    name: 'split with a location named twice counts it once',
    stock: { A: { dc1: 3, dc2: 1 } },
    lines: ['4 A'],
    strategy: 'split',
    locations: ['dc1', 'dc1'],
    refused: ['0: insufficient-stock 3'],
  },
  {
    name: 'a line with a location is not sourced elsewhere',
    stock: { A: { dc1: 3, dc2: 9 } },
    lines: ['4 A@dc1'],
    strategy: 'split',
    refused: ['0: insufficient-stock 3'],
  },
  {
    name: 'the largest quantities',
    stock: { A: { dc1: 2_147_483_647 } },
    lines: ['2147483647 A', '1 A'],
    refused: ['1: insufficient-stock 0'],
  },
];

function run({ lines, strategy = 'most-available', locations = [] }: Case, snapshot: Snapshot) {
  const { taken, refused } = allocate(snapshot, lines.map(lineOf), strategy, locations);
  return {
    granted: taken.map(({ line, level, quantity }) => `${line}: ${quantity} ${snapshot.locationOf(level)}`),
    refused: refused.map(({ line, code, available }) => `${line}: ${code} ${available}`),
  };
}

describe('allocate', () => {
  test.each(cases.map((one): [string, Case] => [one.name, one]))('%s', (_, one) => {
    const snapshot = stockOf(one.stock);
    expect(run(one, snapshot)).toEqual({ granted: one.granted ?? [], refused: one.refused ?? [] });
    const reserved = snapshot.reserved.reduce((sum, quantity) => sum + quantity, 0);
    const asked = one.lines.map(lineOf).reduce((sum, { quantity }) => sum + quantity, 0);
    expect(reserved).toBe(one.granted === undefined ? 0 : asked);
  });

  test('safety stock is kept back and a backorder limit is added', () => {
    const snapshot = stockOf({ A: { dc1: 5 } });
    snapshot.safetyStock[0] = 3;
    const three: Case = { name: '', stock: {}, lines: ['3 A'] };
    expect(run(three, snapshot).refused).toEqual(['0: insufficient-stock 2']);
    snapshot.backorderLimit[0] = 1;
    expect(run(three, snapshot).granted).toEqual(['0: 3 dc1']);
  });

  test('a level counted below what is promised grants nothing', () => {
    const snapshot = stockOf({ A: { dc1: 5 } });
    snapshot.reserved[0] = 9;
    expect(run({ name: '', stock: {}, lines: ['1 A'] }, snapshot).refused).toEqual([
      '0: insufficient-stock 0',
    ]);
  });

  test('never below zero, all or nothing, whatever is asked', () => {
    const name = fc.constantFrom('A', 'B', 'C');
    const place = fc.constantFrom('dc1', 'dc2', 'dc3');
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.dictionary(place, fc.nat(10))),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), name, fc.option(place)), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.constantFrom<Strategy>('most-available', 'in-order', 'split'),
        fc.array(place, { maxLength: 4 }),
        (stock, asked, strategy, locations) => {
          const snapshot = stockOf(stock);
          const lines = asked.map(
            ([quantity, sku, location], line): HoldLine => ({
              line,
              sku,
              quantity,
              location: location ?? undefined,
            }),
          );
          const { taken, refused } = allocate(snapshot, lines, strategy, locations);
          for (let level = 0; level < snapshot.levels; level++) {
            expect(snapshot.available(level)).toBeGreaterThanOrEqual(0);
          }
          for (const { line, quantity } of lines) {
            const got = taken.filter((one) => one.line === line).reduce((sum, one) => sum + one.quantity, 0);
            expect(got).toBe(refused.length > 0 ? 0 : quantity);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
