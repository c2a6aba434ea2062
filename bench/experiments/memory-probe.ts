/**
 * A process that fills the partitions of a worker as its start does, and adds up the bytes of every typed array
 * in them, those that are allocated ahead included.
 */
import { PARTITIONS_DEFAULT } from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import { Partition } from '../../src/worker/partition.ts';
import { Locations } from '../../src/worker/snapshot.ts';
import type { Host } from '../../src/worker/state.ts';
import { LOCATION, skuOf } from '../load.ts';
import { Places } from '../stock-rows.ts';

/** Of one each; of a level without the bytes of its SKU. */
export interface ArrayBytes {
  level: number;
  reservation: number;
}

const HELD_FOR_MS = 900_000;

function measure(levels: number, held: number): ArrayBytes {
  const now = Date.now();
  const locations = new Locations();
  const partitions = Array.from(
    { length: PARTITIONS_DEFAULT },
    (_, partition) => new Partition(partition, locations, {} as Host, now),
  );
  const places = new Places({ prefix: 'BIG', count: levels });
  const ids = new ReservationIds();
  const empty = bytesOf(partitions);
  let keyBytes = 0;
  for (let index = 0; index < levels; index++) {
    const sku = skuOf(places.skus, index);
    keyBytes += sku.length;
    partitions[places.partition[index]].snapshot.addLevel(sku, LOCATION);
  }
  const withLevels = bytesOf(partitions);
  const times = { createdAt: now, expiresAt: now + HELD_FOR_MS, dueAt: now + HELD_FOR_MS };
  for (let number = 0; number < held; number++) {
    const index = number % levels;
    const home = places.partition[index];
    const lines = [0, places.level[index], 1];
    partitions[home].restore(ids.next(now, home), home, true, times, undefined, [], lines);
  }
  return {
    level: (withLevels - empty - keyBytes) / levels,
    reservation: (bytesOf(partitions) - withLevels) / held,
  };
}

/** Of every array buffer that can be reached, each once. */
function bytesOf(root: object): number {
  const seen = new Set<object>([root]);
  const open: object[] = [root];
  let bytes = 0;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (value instanceof ArrayBuffer) {
      bytes += value.byteLength;
      continue;
    }
    const inner = ArrayBuffer.isView(value)
      ? [value.buffer]
      : value instanceof Map || value instanceof Set
        ? [...value.entries()].flat()
        : Object.values(value);
    for (const one of inner) {
      if (typeof one !== 'object' || one === null || seen.has(one)) continue;
      seen.add(one);
      open.push(one);
    }
  }
  return bytes;
}

const [levels, held] = process.argv.slice(2).map(Number);
console.log(JSON.stringify(measure(levels, held)));
