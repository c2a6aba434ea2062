/**
 * Invariant I1 against the real processes: four times as many requests as there are units, all at
 * once, over two fronts and two workers. Afterwards clients, HTTP and Postgres must tell one story.
 */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { type BooksSql, decisionsOf, faultsOf, levelsOf } from '../helpers/books.ts';
import { shareServer } from '../helpers/shared-server.ts';
import {
  forEachAtOnce,
  type Line,
  type Reservation,
  type Shop,
  seeded,
  unitsByLevel,
} from '../helpers/shop.ts';

const SEED = Number(process.env.SEED ?? Date.now());
const UNITS = 400;
const AT_ONCE = 256;
const SLOW_MS = 60_000;
setDefaultTimeout(SLOW_MS);

let shop: Shop;
let sql: BooksSql;

shareServer((shared) => {
  ({ shop, sql } = shared);
});

interface Demand {
  lines: Line[];
  cancel: boolean;
}

function repeat(times: number, demand: () => Demand): Demand[] {
  return Array.from({ length: times }, demand);
}

test('more demand than stock: everything is sold, nothing twice', async () => {
  const random = seeded(SEED);
  const skus = Array.from({ length: 24 }, (_, i) => `basket-${i}`);
  await shop.stockUp(['hot', 'churn'], 'berlin', UNITS * 0.6);
  await shop.stockUp(['hot', 'churn'], 'hamburg', UNITS * 0.4);
  await shop.stockUp(['twice'], 'berlin', UNITS);
  await shop.stockUp(skus, 'berlin', UNITS / 8);
  await shop.stockUp(skus, 'hamburg', UNITS / 8);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
  const anywhere = (): string | undefined => pick([undefined, undefined, 'berlin', 'hamburg']);

  const demands = [
    // Half of them anywhere, so that what the others leave at one location is wanted too.
    ...repeat(UNITS * 4, () => ({
      lines: [{ sku: 'hot', quantity: 1, location: anywhere() }],
      cancel: false,
    })),
    ...repeat(UNITS, () => ({
      lines: [
        { sku: 'twice', quantity: 1 },
        { sku: 'twice', quantity: 3, location: 'berlin' },
      ],
      cancel: false,
    })),
    ...repeat(UNITS * 4, () => ({ lines: [{ sku: 'churn', quantity: 1 }], cancel: random() < 0.5 })),
    ...repeat(UNITS * 4, () => ({
      lines: Array.from({ length: 2 + Math.floor(random() * 5) }, () => ({
        sku: pick(skus),
        quantity: 1 + Math.floor(random() * 3),
        location: anywhere(),
      })),
      cancel: random() < 0.3,
    })),
  ];
  for (let i = demands.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [demands[i], demands[j]] = [demands[j], demands[i]];
  }

  const held = new Map<string, Reservation>();
  const cancelled = new Set<string>();
  const answers = new Map<string, number>();
  const granted = { hot: 0, twice: 0 };
  await forEachAtOnce(demands, AT_ONCE, async ({ lines, cancel }, index) => {
    const answer = await shop.hold(lines, { reference: `demand-${index}` });
    const kind = `${answer.status} ${answer.code ?? ''}`;
    answers.set(kind, (answers.get(kind) ?? 0) + 1);
    if (answer.status !== 201) return;
    const { body } = answer;
    expect(body.lines.map(({ sku, quantity }) => ({ sku, quantity }))).toEqual(
      lines.map(({ sku, quantity }) => ({ sku, quantity })),
    );
    for (const [i, { location, quantity }] of lines.entries()) {
      const { allocations } = body.lines[i];
      expect(allocations.reduce((sum, part) => sum + part.quantity, 0)).toBe(quantity);
      if (location !== undefined) expect(allocations.map((part) => part.location)).toEqual([location]);
    }
    if (lines[0].sku === 'hot') granted.hot++;
    if (lines[0].sku === 'twice') granted.twice++;
    held.set(body.id, body);
    if (!cancel) return;
    const closed = await shop.cancel(body.id);
    expect([closed.status, closed.body.status]).toEqual([200, 'cancelled']);
    held.delete(body.id);
    cancelled.add(body.id);
  });

  expect([...answers.keys()].sort(), `seed ${SEED}`).toEqual(['201 ', '409 insufficient-stock']);
  expect(granted, `seed ${SEED}`).toEqual({ hot: UNITS, twice: UNITS / 4 });
  expect(await faultsOf(sql), `seed ${SEED}`).toEqual([]);

  const decisions = await decisionsOf(sql);
  const withStatus = (status: string): string[] =>
    decisions
      .filter((row) => row.status === status)
      .map(({ id }) => id)
      .sort();
  expect(withStatus('held')).toEqual([...held.keys()].sort());
  expect(withStatus('cancelled')).toEqual([...cancelled].sort());
  expect(decisions.length).toBe(held.size + cancelled.size);

  const units = unitsByLevel([...held.values()].flatMap(({ lines }) => lines));
  const seen = await shop.levels(['hot', 'twice', 'churn', ...skus]);
  for (const { sku, location, reserved, onHand, available } of seen) {
    expect(`${sku}@${location} ${reserved}`).toBe(
      `${sku}@${location} ${units.get(`${sku}@${location}`) ?? 0}`,
    );
    expect(available).toBe(onHand - reserved);
    expect(available).toBeGreaterThanOrEqual(0);
  }
  const byKey = (a: { sku: string; location: string }, b: { sku: string; location: string }): number =>
    `${a.sku}@${a.location}` < `${b.sku}@${b.location}` ? -1 : 1;
  expect(
    seen
      .map(({ sku, location, onHand, reserved, version }) => ({ sku, location, onHand, reserved, version }))
      .sort(byKey),
  ).toEqual((await levelsOf(sql)).sort(byKey));
});
