/** What was answered to an Idempotency-Key. Read when a request is repeated. */
import type { Sql } from './database.ts';

/** @param key 32 hexadecimal digits */
export async function findAnswer(sql: Sql, partition: number, key: string): Promise<Uint8Array | undefined> {
  const [row] = await sql<{ answer: Uint8Array }[]>`
    select answer from holdfast.idempotency_key where partition = ${partition} and key = ${key}::uuid`;
  return row?.answer;
}
