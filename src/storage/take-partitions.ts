/**
 * Becoming the owner of partitions: raises their epochs, after which no commit of an earlier owner
 * can succeed, and says where their histories stand.
 */
import type { Sql } from './database.ts';

export interface PartitionHead {
  partition: number;
  epoch: number;
  commitSeq: number;
  ledgerSeq: number;
}

export async function takePartitions(sql: Sql, partitions: number[]): Promise<PartitionHead[]> {
  return await sql<PartitionHead[]>`
    update holdfast.partition set epoch = epoch + 1
     where partition = any(${arrayLiteral(partitions)}::smallint[])
    returning partition, epoch, commit_seq as "commitSeq", ledger_seq as "ledgerSeq"`;
}

/** Where the histories stand now, to learn what became of a commit that was not answered. */
export async function readPartitions(sql: Sql, partitions: number[]): Promise<PartitionHead[]> {
  return await sql<PartitionHead[]>`
    select partition, epoch, commit_seq as "commitSeq", ledger_seq as "ledgerSeq"
      from holdfast.partition where partition = any(${arrayLiteral(partitions)}::smallint[])`;
}

export function arrayLiteral(values: (number | string)[]): string {
  return `{${values.join(',')}}`;
}
