/** What was answered to an Idempotency-Key. Read when a request is repeated. */
import type { Key } from '../reservations/key.ts';
import type { Sql } from './database.ts';

/** @param partition the one that decided */
export async function findAnswer(
  sql: Sql,
  partition: number,
  { hash, partition: claimedAt }: Key,
): Promise<Uint8Array | undefined> {
  const [row] = await sql<{ answer: Uint8Array }[]>`
    select answer from holdfast.idempotency_key 
     where partition = ${partition} and key_partition = ${claimedAt} and key = ${hash}::uuid`;
  return row?.answer;
}
