/** What a soak finds to have grown, and that it does not grow itself. */
import { describe, expect, test } from 'bun:test';
import { Latencies } from '../../bench/latencies.ts';
import { judge, type Sample } from '../../bench/soak/judge.ts';
import { type Call, KINDS, Shop } from '../../bench/soak/shop.ts';
import type { TableState } from '../../bench/soak/tables.ts';

const MIB = 2 ** 20;
const SAMPLES = 24;
const TABLES = ['stock_level', 'owner', 'partition', 'reservation', 'ledger_page', 'idempotency_key'];

/** A server that does the same all the time; its history grows, as it must. */
function sampleAt(index: number): Sample {
  const latencies = new Latencies();
  for (let call = 1; call <= 1000; call++) latencies.record(call / 100);
  const rows = 1000 * (index + 1);
  const table = (name: string): TableState => ({
    bytes: TABLES.indexOf(name) < 3 ? MIB : 100 * rows,
    indexBytes: TABLES.indexOf(name) < 3 ? MIB : 40 * rows,
    inserted: rows,
    deleted: 0,
    updated: rows,
    hotUpdated: rows,
    dead: 10,
    vacuums: index,
  });
  const state = { bytes: 100 * MIB, descriptors: 30 };
  return {
    seconds: 10,
    interval: {
      kinds: { hold: { latencies: latencies.counts, statuses: { '201': 900, '409': 100 } } },
      lost: 0,
      lateMs: 0.1,
    },
    processes: {
      supervisor: { ...state },
      'front 0': { ...state },
      'worker 0': { ...state },
      Postgres: { ...state },
    },
    tables: Object.fromEntries(TABLES.map((name) => [name, table(name)])),
    held: 500,
    keys: 1000,
  };
}

/** @returns what does not hold when each sample was changed so, the more the later it is */
function found(change: (sample: Sample, share: number) => void): string[] {
  const samples = Array.from({ length: SAMPLES }, (_, index) => {
    const sample = sampleAt(index);
    change(sample, index / SAMPLES);
    return sample;
  });
  return judge(samples)
    .filter(({ holds }) => !holds)
    .map(({ what }) => what);
}

describe('a soak', () => {
  test('finds nothing where nothing grows but the history', () => {
    expect(found(() => {})).toEqual([]);
  });

  test.each<[string, (sample: Sample, share: number) => void]>([
    [
      'memory, front 0',
      ({ processes }, share) => {
        processes['front 0'].bytes *= 1 + share;
      },
    ],
    [
      'memory, worker 0',
      ({ processes }, share) => {
        processes['worker 0'].bytes *= 1 + share;
      },
    ],
    [
      'memory, Postgres',
      ({ processes }, share) => {
        processes.Postgres.bytes *= 1 + share;
      },
    ],
    [
      'descriptors, supervisor',
      ({ processes }, share) => {
        processes.supervisor.descriptors += 20 * share;
      },
    ],
    [
      'held at once, most',
      (sample, share) => {
        sample.held *= 1 + share;
      },
    ],
    [
      'table stock_level',
      ({ tables }, share) => {
        tables.stock_level.bytes += 4 * MIB * share;
      },
    ],
    [
      'HOT updates of stock_level, of all',
      ({ tables }) => {
        tables.stock_level.hotUpdated /= 2;
      },
    ],
    [
      'reservation: table, a row',
      ({ tables }, share) => {
        tables.reservation.bytes *= 1 + share;
      },
    ],
    [
      'ledger_page: indexes, a row',
      ({ tables }, share) => {
        tables.ledger_page.indexBytes *= 1 + share;
      },
    ],
    [
      'reservation: dead rows, of all',
      ({ tables: { reservation } }, share) => {
        reservation.dead = reservation.inserted * share;
      },
    ],
    [
      '5xx, or no answer',
      ({ interval: { kinds } }) => {
        kinds.hold!.statuses['503'] = 1;
      },
    ],
  ])('finds a growth: %s', (what, change) => {
    expect(found(change)).toEqual([what]);
  });

  test('finds answers that get slower', () => {
    const slower = found(({ interval: { kinds } }, share) => {
      const latencies = new Latencies();
      for (let call = 1; call <= 1000; call++) latencies.record((call / 100) * (1 + 20 * share));
      kinds.hold!.latencies = latencies.counts;
    });
    expect(slower).toEqual(['p50, hold', 'p99, hold']);
  });

  test('takes the memory of keys for what it is, and no more than that', () => {
    const keys = (bytesAKey: number) =>
      found((sample, share) => {
        sample.keys += 1_000_000 * share;
        sample.processes['worker 0'].bytes += 1_000_000 * share * bytesAKey;
      });
    expect(keys(100)).toEqual([]);
    expect(keys(300)).toEqual(['memory, worker 0']);
  });
});

test('the calls of a soak are of every kind, and neither they nor what is held become more with time', () => {
  const RATE = 1000;
  const shop = new Shop(1);
  const kinds = new Map<string, number>();
  const held: number[] = [];
  const open = new Map<string, number>();
  let ids = 0;
  const answer = (call: Call, second: number): void => {
    kinds.set(call.kind, (kinds.get(call.kind) ?? 0) + 1);
    const [, , , id, verb] = call.path.split('/');
    if (verb === 'confirm' || verb === 'cancel') open.delete(id);
    if (verb === 'extend') open.set(id, second + 30);
    if (!call.kind.startsWith('hold')) return void call.onAnswer?.(200, '{"results":[],"id":""}');
    open.set(String(++ids), second + 30);
    call.onAnswer!(201, JSON.stringify({ id: String(ids) }));
  };
  for (let second = 0; second < 300; second++) {
    for (let call = 0; call < RATE; call++) answer(shop.next(second), second);
    for (const [id, endsAt] of open) if (endsAt <= second) open.delete(id);
    held.push(open.size);
  }
  expect([...kinds.keys()].toSorted()).toEqual([...KINDS].toSorted());
  expect(Math.max(...held.slice(200))).toBeLessThan(Math.max(...held.slice(50, 150)) * 1.1);
  expect(held[299]).toBeGreaterThan(1000);
  // Nobody waits for long: of what was granted, the most are closed in time.
  expect(shop.said.confirmed / shop.said.granted).toBeGreaterThan(0.5);
});
