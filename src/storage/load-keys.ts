/** Streams the Idempotency-Keys that a worker must know: those decided by its partitions, and those claimed there. */
import { copyRows } from './copy-rows.ts';
import type { Sql } from './database.ts';
import { isOneOf, timestamp } from './load-partitions.ts';

export interface KeyRow {
  partition: number;
  keyPartition: number;
  /** Four words of the key and four of its fingerprint, valid until the callback returns. */
  words: Uint32Array;
  /** Milliseconds since the Unix epoch. */
  at: number;
}

const words = new Uint32Array(8);

/** @param since milliseconds since the Unix epoch; what was used before is forgotten */
export function loadKeys(
  sql: Sql,
  partitions: number[],
  since: number,
  onRow: (row: KeyRow) => void,
): Promise<void> {
  return copyRows(
    sql,
    `select partition, key_partition, key, fingerprint, at from holdfast.idempotency_key
      where (${isOneOf('partition', partitions)}
             -- As the primary key begins with the partition, each range of those that it names.
             or partition = any(array(select partition from holdfast.partition))
                and ${isOneOf('key_partition', partitions)})
        and at > ${timestamp(since)}`,
    (row) => {
      const partition = row.int16();
      const keyPartition = row.int16();
      row.uuid(words);
      row.uuid(words, 4);
      onRow({ partition, keyPartition, words, at: row.time() });
    },
  );
}
