/** Whether books that do not balance are found, whatever was asked of the server. */
import { describe, expect, test } from 'bun:test';
import { Account, type Books, type Keeper } from '../../bench/books.ts';
import { LOADS, type Load } from '../../bench/load.ts';
import type { Effects } from '../../bench/shot.ts';
import { readsStock } from '../../bench/statements.ts';

/** A keeper whose books change by these amounts after they were opened. */
function keeper(changes: Books): Keeper {
  let opened = false;
  return {
    name: 'shop',
    async books() {
      const books = Object.fromEntries(
        Object.entries(changes).map(([quantity, places]) => [
          quantity,
          Object.fromEntries(
            Object.entries(places).map(([place, rise]) => [place, 100 + (opened ? rise : 0)]),
          ),
        ]),
      );
      opened = true;
      return books;
    },
    restock: async () => 30,
  };
}

async function faultsOf(changes: Books, answers: [Load, Partial<Effects>][]): Promise<string[]> {
  const account = await Account.open(keeper(changes));
  for (const [load, effects] of answers) account.add(load, { held: 0, closed: 0, lost: 0, ...effects });
  return await account.faults();
}

const reserved = (http: number, table: number): Books => ({
  reserved: { 'over HTTP': http, 'in stock': table },
});

describe('one line', () => {
  test.each([
    ['all agree', reserved(5, 5), { held: 5 }, 0],
    ['one was granted that nobody asked for', reserved(6, 6), { held: 5 }, 2],
    ['one is missing', reserved(4, 4), { held: 5 }, 2],
    ['memory and database disagree', reserved(5, 6), { held: 5 }, 1],
    ['a lost answer may have been granted', reserved(6, 6), { held: 5, lost: 1 }, 0],
    ['but not in one place only', reserved(6, 5), { held: 5, lost: 1 }, 1],
  ])('%s', async (_case, changes, effects, faults) => {
    expect(await faultsOf(changes, [[LOADS.uniform, effects]])).toHaveLength(faults);
  });
});

test.each<[string, Load, Partial<Effects>, Books]>([
  [
    'a sale leaves nothing reserved, and takes from the shelf',
    LOADS.sale,
    { held: 7, closed: 7 },
    { reserved: { a: 0 }, onHand: { a: -7 }, held: { a: 0 }, confirmed: { a: 7 }, rows: { a: 7 } },
  ],
  [
    'a sale that was cut off is still held',
    LOADS.sale,
    { held: 7, closed: 5 },
    { reserved: { a: 2 }, onHand: { a: -5 }, held: { a: 2 }, confirmed: { a: 5 } },
  ],
  [
    'a cancellation gives everything back',
    LOADS.cancelled,
    { held: 7, closed: 7 },
    { reserved: { a: 0 }, onHand: { a: 0 }, held: { a: 0 }, confirmed: { a: 0 } },
  ],
  [
    'every line of many counts',
    LOADS.multi,
    { held: 4 },
    { reserved: { a: 12 }, held: { a: 4 }, rows: { a: 12 } },
  ],
])('%s', async (_case, load, effects, changes) => {
  expect(await faultsOf(changes, [[load, effects]])).toEqual([]);
  for (const [quantity, places] of Object.entries(changes)) {
    for (const wrong of [places.a + 1, places.a - 1])
      expect(await faultsOf({ ...changes, [quantity]: { a: wrong } }, [[load, effects]])).toHaveLength(1);
  }
});

test('several loads on the same server add up, and so does what was found on the shelf', async () => {
  const account = await Account.open(keeper({ reserved: { a: 5 }, onHand: { a: 28 } }));
  account.add(LOADS.uniform, { held: 2, closed: 0, lost: 0 });
  account.add(LOADS.multi, { held: 1, closed: 0, lost: 0 });
  account.add(LOADS.sale, { held: 2, closed: 2, lost: 0 });
  await account.restock('x', 10);
  expect(await account.faults()).toEqual([]);
});

test('a unit promised twice is a fault, whatever was answered', async () => {
  expect(await faultsOf({ oversold: { a: 1 } }, [[LOADS.uniform, { held: 1, lost: 5 }]])).toEqual([
    'shop: oversold a changed by 1; the answers say 0',
  ]);
});

test.each([
  ['select * from holdfast.stock_level where partition = $1', true],
  ['SELECT 1 FROM reservation r', true],
  ['with x as (select id from "reservation") update stock_level set version = $1', true],
  ['with fence as (update owner set commit_seq = $2 returning epoch) select epoch from fence', false],
  ['update stock_level s set on_hand = u.on_hand from unnest($1) u', false],
  ['insert into reservation (id) select u.id from unnest($1) u', false],
  ['select commit_seq from owner', false],
])('statements: %s', (query, reads) => {
  expect(readsStock({ query, calls: 1, rows: 1, milliseconds: 1 })).toBe(reads);
});
