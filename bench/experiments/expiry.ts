/**
 * Whether many reservations that end in the same second keep others waiting: open loop at half of the peak, once
 * with nothing else and once through the second in which the burst expires; and by how much the last of it
 * was late.
 */
import type postgres from 'postgres';
import { Account } from '../books.ts';
import type { Measured } from '../generators/generator.ts';
import { LOADS, type Load, requestsOf } from '../load.ts';
import { count } from '../numbers.ts';
import { figureOf, measured } from '../results.ts';
import { AROUND_A_RUN_SECONDS } from '../session.ts';
import type { Workload } from '../workloads.ts';
import { OPEN_CONNECTIONS, peakOf } from './latency.ts';

export const QUIET = 'without a burst';
export const LAST = 'the last of it was late by';
/** The burst ends within a second; the run begins a little before that, and goes on after it. */
const BURST_MS = 1000;
const BEFORE_MS = 200;
/** Between the last hold and the beginning of the run. */
const SPARE_MS = 500;
const GONE_WITHIN_MS = 60_000;
const POLL_MS = 50;
/** For the progress bar. */
const HOLDS_A_SECOND = 50_000;

export const expiry: Workload = {
  title: 'a burst of reservations that end in the same second: p99 of others through it',
  seconds: ({ rounds, seconds, burst }) =>
    rounds * (2 * (1 + seconds + AROUND_A_RUN_SECONDS) + 2 + (2 * burst) / HOLDS_A_SECOND),
  async measure(session, workload) {
    const { rounds, seconds, burst } = session.options;
    const holdfast = (await session.server('holdfast'))!;
    const bursts = new Bursts(holdfast.url, await session.sql(), burst);
    const account = await Account.open(holdfast.keeper!);
    const rate = (await peakOf(session, holdfast, account)) / 2;
    const run = async (what: string): Promise<Measured> => {
      const how = { tool: 'open loop', rate, seconds: 1 + seconds } as const;
      const step = `${workload}: ${what}`;
      const shot = await session.run(holdfast, LOADS.uniform, OPEN_CONNECTIONS, step, how);
      account.add(LOADS.uniform, shot.effects);
      return shot;
    };

    const through = `through a burst of ${count(burst)}`;
    const shots: { quiet: Measured[]; through: Measured[] } = { quiet: [], through: [] };
    const late: number[] = [];
    await bursts.practise(account);
    for (let round = 1; round <= rounds; round++) {
      shots.quiet.push(await run(QUIET));
      session.step(`${workload}: holding ${count(burst)}`, 2 + burst / HOLDS_A_SECOND);
      const endsAt = await bursts.hold(account);
      await Bun.sleep(endsAt - BURST_MS - BEFORE_MS - Date.now());
      shots.through.push(await run(through));
      late.push(await bursts.lateness());
    }
    const figures = [
      figureOf('holdfast', QUIET, LOADS.uniform.unit, shots.quiet),
      figureOf('holdfast', through, LOADS.uniform.unit, shots.through),
      measured('holdfast', LAST, 's', late),
    ];
    return { results: [{ workload, seconds: 1 + seconds, figures }], faults: await account.faults() };
  },
};

/** Waits until all that were held since a moment have expired. @returns by how many seconds the one that was most late was */
export async function latenessSince(sql: postgres.Sql, startedAt: Date, size: number): Promise<number> {
  const giveUpAt = Date.now() + GONE_WITHIN_MS;
  for (;;) {
    const [{ gone, late }] = await sql`
      select count(*)::float8 as gone, extract(epoch from max(closed_at - expires_at))::float8 as late
        from holdfast.reservation
       where status = 'expired' and partition = home and created_at >= ${startedAt}`;
    if (gone === size) return late;
    if (Date.now() > giveUpAt) throw new Error(`of ${count(size)} reservations ${count(gone)} have expired`);
    await Bun.sleep(POLL_MS);
  }
}

class Bursts {
  private seed = 1_000_000;
  private heldAMs = 1;
  private startedAt = new Date();

  constructor(
    private readonly url: string,
    private readonly sql: postgres.Sql,
    private readonly size: number,
  ) {}

  /** Holds some that expire at once, to find out how fast that goes. */
  async practise(account: Account): Promise<void> {
    const some = Math.min(this.size, LOADS.batch.batch);
    this.startedAt = new Date();
    await this.holdSome(some, 1);
    this.heldAMs = some / (Date.now() - this.startedAt.getTime());
    expired(account, some);
    await this.lateness(some);
  }

  /** @returns when all of them will have ended: each does in the second before */
  async hold(account: Account): Promise<number> {
    this.startedAt = new Date();
    const takesMs = (2 * this.size) / this.heldAMs;
    const endsAt = Date.now() + takesMs + 2 * BURST_MS + BEFORE_MS + SPARE_MS;
    for (let held = 0; held < this.size; held += LOADS.batch.batch) {
      const expiresInSeconds = Math.floor((endsAt - Date.now()) / 1000);
      if (endsAt - Date.now() < BURST_MS + BEFORE_MS)
        throw new Error(`${count(this.size)} reservations could not be held in ${Math.round(takesMs)} ms`);
      await this.holdSome(Math.min(LOADS.batch.batch, this.size - held), expiresInSeconds);
    }
    expired(account, this.size);
    return endsAt;
  }

  /** Waits until all have expired. @returns by how many seconds the last one was late */
  lateness(size = this.size): Promise<number> {
    return latenessSince(this.sql, this.startedAt, size);
  }

  private async holdSome(some: number, expiresInSeconds: number): Promise<void> {
    const load: Load = { ...LOADS.batch, batch: some, expiresInSeconds };
    const [{ method, path, body }] = requestsOf(load, this.seed++, 1);
    const response = await fetch(this.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body,
    });
    const text = await response.text();
    const held = text.split('"status":201').length - 1;
    if (!response.ok || held !== some)
      throw new Error(`of ${some} reservations ${held} were held: ${response.status} ${text.slice(0, 200)}`);
  }
}

/** So many were held, and are no more. */
export function expired(account: Account, size: number): void {
  account.add({ ...LOADS.uniform, close: 'cancel' }, { held: size, closed: size, lost: 0 });
}
