/**
 * Becoming the owner of partitions: afterwards no commit of an earlier owner of any of them can succeed.
 */
import type { Sql } from './database.ts';

/** @returns the epoch of the new owner, which has made no commit yet */
export async function takePartitions(sql: Sql, partitions: number[]): Promise<number> {
  return await sql.begin(async (transaction) => {
    const listed = arrayLiteral(partitions);
    const before = await transaction<{ epoch: number }[]>`
      select epoch from holdfast.partition where partition = any(${listed}::smallint[])
       order by partition for update`;
    const owners = arrayLiteral([...new Set(before.map(({ epoch }) => epoch))]);
    // Waits for a commit that is under way; those that follow it find no row.
    await transaction`delete from holdfast.owner where epoch = any(${owners}::bigint[])`;
    const [{ epoch }] = await transaction<{ epoch: number }[]>`
      insert into holdfast.owner (epoch) values (nextval('holdfast.epoch')) returning epoch`;
    await transaction`
      update holdfast.partition set epoch = ${epoch} where partition = any(${listed}::smallint[])`;
    return epoch;
  });
}

/** How many commits this owner has made, or undefined when another has taken its place. */
export async function readCommitSeq(sql: Sql, epoch: number): Promise<number | undefined> {
  const [owner] = await sql<{ commitSeq: number }[]>`
    select commit_seq as "commitSeq" from holdfast.owner where epoch = ${epoch}`;
  return owner?.commitSeq;
}

export function arrayLiteral(values: readonly (number | string)[]): string {
  return `{${values.join(',')}}`;
}
