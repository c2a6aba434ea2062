/**
 * A soak: a server under a mixed load for a long time, watched from outside. Two workers, so that reservations are
 * coordinated between processes; keys are remembered and history is kept for as short as a server can be told.
 *
 *   driver ──HTTP, open loop──▶ front ▶ 2 workers ▶ Postgres
 *   soak   ──/proc, /metrics, pg_stat──▶ all of them, every ten seconds
 */
import type postgres from 'postgres';
import { Holdfast } from '../holdfast.ts';
import { Progress } from '../progress.ts';
import { checkBooks } from './books.ts';
import { answersOf, judge, type Line, type Sample } from './judge.ts';
import { type Finished, SoakLoad } from './load.ts';
import { processStates } from './processes.ts';
import { HOLDS_END_WITHIN_SECONDS, type Level, soakedLevels } from './shop.ts';
import { tableStates } from './tables.ts';

export interface SoakOptions {
  minutes: number;
  rate: number;
  seed: number;
}

export interface Soaked {
  lines: Line[];
  finished: Finished;
  /** What is wrong with the books. */
  faults: string[];
}

const LEVELS = soakedLevels();
const SETTINGS = { HOLDFAST_WORKERS: '2', HOLDFAST_RETENTION_DAYS: '1', HOLDFAST_KEY_HOURS: '1' };
const SAMPLE_SECONDS = 10;
/** Of the time, but no longer than what a heap takes to find its size. */
const WARM_UP_SHARE = 0.2;
const WARM_UP_SECONDS_MAX = 240;
const AROUND_SECONDS = 20;
const MIB = 2 ** 20;

/** @param signal ends it early; what it has started ends, too */
export async function soak(options: SoakOptions, signal: AbortSignal): Promise<Soaked> {
  const seconds = options.minutes * 60;
  using progress = new Progress(seconds + HOLDS_END_WITHIN_SECONDS + AROUND_SECONDS);
  progress.begin('starting', AROUND_SECONDS);
  await using holdfast = await Holdfast.start('Holdfast', skusOf(LEVELS), SETTINGS);
  await using load = await start(holdfast, options, seconds);
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('interrupted')));
  });
  return await Promise.race([measure(holdfast, load, seconds, progress), interrupted]);
}

async function start(holdfast: Holdfast, { rate, seed }: SoakOptions, seconds: number): Promise<SoakLoad> {
  await loadLevels(holdfast.url);
  return new SoakLoad({ url: holdfast.url, rate, seconds, seed });
}

async function measure(
  holdfast: Holdfast,
  load: SoakLoad,
  seconds: number,
  progress: Progress,
): Promise<Soaked> {
  const sql = holdfast.connect();
  try {
    progress.begin('under load', seconds);
    const samples = await watch(holdfast, sql, load, seconds);
    const finished = await load.finished;
    progress.begin('waiting for what is held to expire', HOLDS_END_WITHIN_SECONDS);
    const faults = [...finished.wrong, ...(await checkBooks(holdfast, sql, finished))];
    const warm = Math.ceil(Math.min(WARM_UP_SHARE * seconds, WARM_UP_SECONDS_MAX) / SAMPLE_SECONDS);
    return { lines: judge(samples.slice(warm)), finished, faults };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function skusOf(levels: Level[]): string[] {
  return [...new Set(levels.map(({ sku }) => sku))];
}

async function loadLevels(url: string): Promise<void> {
  const rows = LEVELS.map(({ sku, location, onHand }) => `${sku},${location},${onHand}\n`);
  const response = await fetch(`${url}/v1/stock/import`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: `sku,location,onHand\n${rows.join('')}`,
  });
  if (!response.ok) throw new Error(`the levels could not be loaded: ${await response.text()}`);
}

/** A sample every some seconds, for as long as the load goes on. */
async function watch(
  holdfast: Holdfast,
  sql: postgres.Sql,
  load: SoakLoad,
  seconds: number,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  for (let end = SAMPLE_SECONDS; end <= seconds; end += SAMPLE_SECONDS) {
    // A load that has died ends the soak.
    await Promise.race([Bun.sleep((end - elapsed()) * 1000), load.finished]);
    const sample: Sample = {
      seconds: SAMPLE_SECONDS,
      interval: await load.interval(),
      processes: processStates(holdfast.pids(), Number(new URL(holdfast.url).port)),
      tables: await tableStates(sql),
      ...(await gauges(holdfast.url)),
    };
    samples.push(sample);
    console.error(described(end, sample));
  }
  return samples;
}

async function gauges(url: string): Promise<Pick<Sample, 'held' | 'keys'>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const total = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return { held: total('holdfast_reservations_held'), keys: total('holdfast_idempotency_keys') };
}

/** One line, for whoever waits. */
function described(second: number, { interval, processes, tables, held, seconds }: Sample): string {
  const { calls, p99Ms, failed } = answersOf(interval);
  const memory = Object.entries(processes).map(([name, { bytes }]) => `${name} ${Math.round(bytes / MIB)}`);
  const { dead, bytes } = tables.stock_level;
  return (
    `${String(second).padStart(5)} s  ${Math.round(calls / seconds)}/s  p99 ${p99Ms.toFixed(0)} ms  ` +
    `late ${interval.lateMs.toFixed(0)} ms  held ${held}  5xx ${failed}  MiB: ${memory.join(', ')}  ` +
    `stock_level ${(bytes / MIB).toFixed(1)} MiB, ${dead} dead`
  );
}
