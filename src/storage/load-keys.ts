/** Streams the Idempotency-Keys that a worker must know: those decided by its partitions, and those claimed there. */
import type { Sql } from './database.ts';
import { streamRows } from './stream-rows.ts';
import { arrayLiteral } from './take-partitions.ts';

export interface KeyRow {
  partition: number;
  keyPartition: number;
  /** 32 hexadecimal digits, like the fingerprint. */
  key: string;
  fingerprint: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
}

/** @param since milliseconds since the Unix epoch; what was used before is forgotten */
export async function loadKeys(
  sql: Sql,
  partitions: number[],
  since: number,
  onRow: (row: KeyRow) => void,
): Promise<void> {
  const listed = arrayLiteral(partitions);
  const query = sql<KeyRow[]>`
    select partition, key_partition as "keyPartition", replace(key::text, '-', '') as key,
           replace(fingerprint::text, '-', '') as fingerprint, round(extract(epoch from at) * 1000)::float8 as at
      from holdfast.idempotency_key
     where (partition = any(${listed}::smallint[])
            -- As the primary key begins with the partition, each range of those that it names.
            or partition = any(array(select partition from holdfast.partition))
               and key_partition = any(${listed}::smallint[]))
       and at > to_timestamp(${since}::float8 / 1000)`;
  await streamRows(sql, query, onRow);
}
