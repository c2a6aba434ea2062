/**
 * Open loop: requests are sent by time, whether or not earlier ones have been answered, as buyers do.
 *
 * The schedule is fixed ahead: each millisecond's share is due at its beginning. How long a request took is
 * measured from when it was due, not from when it could be sent, so a server that stalls is seen to stall by
 * all that were due meanwhile (Gil Tene's "coordinated omission"). What this process itself was late by counts too, and is
 * reported.
 */
import { Worker } from 'node:worker_threads';
import { Latencies } from '../latencies.ts';
import { drawnFor, requestsOf } from '../load.ts';
import type { Shot } from '../shot.ts';
import type { Job, Watch } from './child.ts';
import { type Answer, connect, type HttpConnection } from './http-connection.ts';
import type { Pace } from './pacer.ts';

const STARTS_IN_MS = 50;
const ANSWERS_WITHIN_MS = 10_000;
/** Fewer than a server that listens keeps waiting for it. */
const CONNECTS_AT_ONCE = 128;
const UNAVAILABLE = 503;
const RETRY_AFTER = /\r\nretry-after: \d+/i;

export async function openLoop(job: Job & { rate: number }, watch: Watch): Promise<Shot> {
  const { url, load, connections, seconds, seed, rate } = job;
  const { host } = new URL(url);
  const requests = requestsOf(load, seed, drawnFor(load, connections, seconds)).map(
    ({ method, path, body }) =>
      Buffer.from(
        `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      ),
  );
  const idle: HttpConnection[] = [];
  while (idle.length < connections) {
    const few = Math.min(CONNECTS_AT_ONCE, connections - idle.length);
    idle.push(...(await Promise.all(Array.from({ length: few }, () => connect(url)))));
  }
  const everyone = [...idle];

  const total = Math.round(rate * seconds);
  const milliseconds = Math.ceil(seconds * 1000);
  const startsAt = performance.now() + STARTS_IN_MS;
  const dueAt = (index: number) => startsAt + Math.floor((index * 1000) / rate);
  const latencies = new Latencies();
  const lateness = new Latencies();
  const byStatus: Record<string, Latencies> = {};
  const statuses: Record<string, number> = {};
  let unadvised = 0;
  /** Undefined while requests are being sent, and where all were answered by then. */
  let heldInTime: number | undefined;
  let due = 0;
  let sent = 0;
  let answered = 0;
  let held = 0;
  const ended = Promise.withResolvers<void>();

  function sendWhatIsDue(): void {
    while (sent < due && idle.length > 0) {
      // In turn, so that none is unused for so long that the server closes it.
      const connection = idle.shift()!;
      if (connection.isOpen) void send(connection, sent++);
    }
  }

  async function send(connection: HttpConnection, index: number): Promise<void> {
    let isAdvised = false;
    const answer = await new Promise<Answer>((answered) =>
      connection.send(requests[index % requests.length], (answer, head) => {
        isAdvised = RETRY_AFTER.test(head);
        answered(answer);
      }),
    );
    if (answer === 'broken') return;
    const tookMs = performance.now() - dueAt(index);
    latencies.record(tookMs);
    byStatus[answer] ??= new Latencies();
    byStatus[answer].record(tookMs);
    if (answer === UNAVAILABLE && !isAdvised) unadvised++;
    statuses[answer] = (statuses[answer] ?? 0) + 1;
    if (answer >= 200 && answer < 300 && load.call === 'hold') held++;
    answered++;
    idle.push(connection);
    sendWhatIsDue();
    if (answered === total) ended.resolve();
  }

  const workerData: Pace = { startsAt: performance.timeOrigin + startsAt, milliseconds };
  const pacer = new Worker(new URL('./pacer.ts', import.meta.url), { workerData });
  pacer.on('message', (tick: number) => {
    if (tick === 0) watch.begins();
    lateness.record(performance.now() - startsAt - tick);
    due = Math.min(total, Math.ceil(((tick + 1) * rate) / 1000));
    sendWhatIsDue();
    if (tick < milliseconds - 1) return;
    heldInTime = held;
    watch.ends();
    setTimeout(ended.resolve, ANSWERS_WITHIN_MS);
  });
  await ended.promise;
  await pacer.terminate();
  for (const connection of everyone) connection.close();
  return {
    seconds,
    operations: answered,
    latencies: latencies.counts,
    statuses,
    effects: { held, closed: 0, lost: sent - answered },
    lateMs: lateness.percentileMs(0.99),
    byStatus: Object.fromEntries(Object.entries(byStatus).map(([status, { counts }]) => [status, counts])),
    heldInTime: heldInTime ?? held,
    unadvised,
  };
}
