/**
 * What one commit takes: a transaction that writes nothing but one small record to the log, which has to be
 * durable before it is answered. One after the other, on one connection. No promise can be kept faster.
 */
import type postgres from 'postgres';
import type { Measured } from '../generators/generator.ts';
import { Latencies } from '../latencies.ts';
import { NO_EFFECTS } from '../shot.ts';

export async function emptyTransactions(sql: postgres.Sql, seconds: number): Promise<Measured> {
  const latencies = new Latencies();
  const startedAt = performance.now();
  let operations = 0;
  let now = startedAt;
  while (now - startedAt < seconds * 1000) {
    // A transaction without any record is not made durable at its commit.
    await sql`select pg_logical_emit_message(true, 'bench', '')`;
    const answeredAt = performance.now();
    latencies.record(answeredAt - now);
    now = answeredAt;
    operations++;
  }
  return {
    tool: 'bench',
    seconds: (now - startedAt) / 1000,
    operations,
    latencies: latencies.counts,
    statuses: {},
    effects: NO_EFFECTS,
    cpu: undefined,
    generatorShare: undefined,
  };
}
