/** POST /v1/stock/import of new levels, beside COPY of the same rows into a table of the same shape, with the same indexes. */
import { alternate } from '../alternate.ts';
import { Account } from '../books.ts';
import { copyLines } from '../ceilings/copy-text.ts';
import type { Holdfast } from '../holdfast.ts';
import { allOf, LOCATION, type Skus } from '../load.ts';
import { measured } from '../results.ts';
import { START_SECONDS } from '../session.ts';
import { LEVEL_COLUMNS, Places } from '../stock-rows.ts';
import type { Workload } from '../workloads.ts';

const ON_HAND = 7;
/** For the progress bar. */
const ROWS_A_SECOND = 40_000;
/** Levels that are compared over HTTP with the database afterwards. */
const COMPARED = 10_000;

export const importing: Workload = {
  title: 'POST /v1/stock/import of a CSV, beside COPY of the same rows',
  seconds: ({ levels }) => START_SECONDS + (2 * levels) / ROWS_A_SECOND,
  async measure(session, workload) {
    const { levels, rounds } = session.options;
    // All rounds together have as many levels as were asked for; each has its own.
    const part = Math.ceil(levels / rounds);
    const files: Skus[] = Array.from({ length: rounds }, (_, round) => ({
      prefix: `I${round}`,
      count: part,
    }));
    const holdfast = await session.another(workload, allOf({ ...files[0], count: Math.min(part, COMPARED) }));
    await using sql = Object.assign(holdfast.connect(), {
      [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
    });
    await sql.unsafe(
      'create schema bench; create table bench.stock_level (like holdfast.stock_level including all)',
    );
    const account = await Account.open(holdfast);
    let round = 0;
    const [copied, imported] = await alternate(rounds, [
      async () => {
        session.step(`${workload}: COPY`, part / ROWS_A_SECOND);
        const lines = [...new Places(files[round]).levels(ON_HAND, 0)];
        await sql`truncate bench.stock_level`;
        return await rowsASecond(part, () => copyLines(sql, `bench.stock_level (${LEVEL_COLUMNS})`, lines));
      },
      async () => {
        session.step(`${workload}: holdfast`, part / ROWS_A_SECOND);
        const file = csvOf(files[round++]);
        const rate = await rowsASecond(part, () => upload(holdfast, file, part));
        account.counted(part * ON_HAND);
        return rate;
      },
    ]);
    const figures = [
      measured('COPY', undefined, 'rows/s', copied, 0),
      measured('holdfast', undefined, 'rows/s', imported, 0),
    ];
    return { results: [{ workload, figures }], faults: await account.faults() };
  },
};

function csvOf(skus: Skus): Uint8Array {
  const rows = allOf(skus).map((sku) => `${sku},${LOCATION},${ON_HAND}\n`);
  return Buffer.from(`sku,location,onHand\n${rows.join('')}`);
}

async function upload(holdfast: Holdfast, file: Uint8Array, rows: number): Promise<void> {
  const response = await fetch(`${holdfast.url}/v1/stock/import`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: file,
  });
  const text = await response.text();
  if (!response.ok || JSON.parse(text).accepted !== rows)
    throw new Error(`an import of ${rows} rows was answered ${response.status}: ${text}`);
}

async function rowsASecond(rows: number, work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return rows / ((performance.now() - startedAt) / 1000);
}
