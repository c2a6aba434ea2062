/**
 * Rows of Holdfast's tables as it would have written them, for stocks that are too large to be brought in one
 * request at a time: lines in the text format of COPY.
 */
import { PARTITIONS_DEFAULT } from '../src/limits.ts';
import { ReservationIds } from '../src/reservations/id.ts';
import { partitionOf } from '../src/routing/partition-map.ts';
import { LOCATION, type Skus, skuOf } from './load.ts';

export const LEVEL_COLUMNS =
  'partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit, version, updated_at';
export const RESERVATION_COLUMNS = 'partition, status, id, home, created_at, expires_at, participants, lines';

/** Longer than any run. */
const HELD_FOR_MS = 30 * 24 * 3_600_000;

/** Where each of these SKUs has its level, as arrays: there may be many millions. */
export class Places {
  readonly partition: Uint16Array;
  readonly level: Uint32Array;

  constructor(readonly skus: Skus) {
    this.partition = new Uint16Array(skus.count);
    this.level = new Uint32Array(skus.count);
    const next = new Uint32Array(PARTITIONS_DEFAULT);
    for (let index = 0; index < skus.count; index++) {
      const partition = partitionOf(skuOf(skus, index), PARTITIONS_DEFAULT);
      this.partition[index] = partition;
      this.level[index] = next[partition]++;
    }
  }

  /** @param held reservations of one unit, the first of the first SKU, and so on, and from the start again */
  *levels(onHand: number, held: number): Generator<string> {
    const { skus, partition, level } = this;
    const now = new Date().toISOString();
    for (let index = 0; index < skus.count; index++) {
      const reserved = Math.floor(held / skus.count) + (index < held % skus.count ? 1 : 0);
      yield `${partition[index]}\t${level[index]}\t${skuOf(skus, index)}\t${LOCATION}\t${onHand}\t${reserved}\t0\t0\t1\t${now}\n`;
    }
  }

  *reservations(held: number): Generator<string> {
    const { skus, partition, level } = this;
    const ids = new ReservationIds();
    const now = Date.now();
    const createdAt = new Date(now).toISOString();
    const expiresAt = new Date(now + HELD_FOR_MS).toISOString();
    for (let number = 0; number < held; number++) {
      const index = number % skus.count;
      const home = partition[index];
      yield `${home}\theld\t${ids.next(now, home)}\t${home}\t${createdAt}\t${expiresAt}\t{}\t{0,${level[index]},1}\n`;
    }
  }
}
