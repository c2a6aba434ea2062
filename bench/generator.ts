/**
 * The load generator: autocannon in a process of its own, one run after the other, so that it is warm.
 *
 * When a run's time is up, each connection waits for the answer that it is owed and then ends. So every
 * request has an answer, and afterwards the books can be compared to the unit; what got no answer (a
 * timeout, a broken connection) is counted as lost.
 */
import autocannon from 'autocannon';
import { bodies, type WorkloadName } from './workloads.ts';

export interface Job {
  url: string;
  workload: WorkloadName;
  connections: number;
  seconds: number;
  seed: number;
}

export interface Shot {
  /** Of the measured time, which ends before the last answers are in. */
  seconds: number;
  answers: number;
  p50Ms: number;
  p99Ms: number;
  /** Of the whole run: answers with 2xx, others by status, and requests without an answer. */
  granted: number;
  otherStatuses: Record<string, number>;
  lost: number;
}

export type FromGenerator =
  | { type: 'measuring' }
  | { type: 'measured' }
  | { type: 'done'; shot: Shot }
  | { type: 'failed'; reason: string };

/** Drawn ahead for a run and repeated: enough for a Zipf distribution to show its shape. */
const BODIES = 32_768;
const ANSWER_TIMEOUT_SECONDS = 10;
const SAMPLE_MS = 100;

/** What autocannon's clients have beyond its types: a client ends itself after this many requests. */
interface Limited {
  reqsMade: number;
  responseMax: number;
}

async function run({ url, workload, connections, seconds, seed }: Job): Promise<Shot> {
  const drawn = bodies(workload, BODIES, seed);
  const perClient = Math.ceil(BODIES / connections);
  const clients: autocannon.Client[] = [];
  const latencies: number[] = [];
  let answers = 0;
  let startedAt = 0;
  let endedAt = 0;

  const finished = Promise.withResolvers<autocannon.Result>();
  const instance = autocannon(
    {
      url: `${url}/v1/reservations`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      connections,
      // The run ends when its connections have; this only bounds how long that may take.
      duration: seconds + 2 * ANSWER_TIMEOUT_SECONDS,
      timeout: ANSWER_TIMEOUT_SECONDS,
      sampleInt: SAMPLE_MS,
      setupClient(client) {
        const from = clients.length * perClient;
        const own = Array.from({ length: perClient }, (_, index) => drawn[(from + index) % BODIES]);
        client.setRequests(own.map((body) => ({ body })));
        clients.push(client);
      },
    },
    (error, result) => (error ? finished.reject(error) : finished.resolve(result)),
  );
  instance.on('start', () => {
    say({ type: 'measuring' });
    startedAt = performance.now();
    setTimeout(() => {
      endedAt = performance.now();
      say({ type: 'measured' });
      for (const client of clients as unknown as Limited[]) client.responseMax = client.reqsMade;
    }, seconds * 1000);
  });
  instance.on('response', (_client, _status, _bytes, milliseconds) => {
    if (endedAt > 0) return;
    answers++;
    latencies.push(milliseconds);
  });

  const { requests, statusCodeStats = {}, '2xx': granted } = await finished.promise;
  const sorted = Float64Array.from(latencies).sort();
  const others = Object.entries(statusCodeStats).filter(([status]) => !status.startsWith('2'));
  return {
    seconds: (endedAt - startedAt) / 1000,
    answers,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    granted,
    otherStatuses: Object.fromEntries(others.map(([status, { count = 0 }]) => [status, count])),
    lost: requests.sent - requests.total,
  };
}

function say(message: FromGenerator): void {
  process.send!(message);
}

process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (job: Job) => {
  run(job).then(
    (shot) => say({ type: 'done', shot }),
    (error) => say({ type: 'failed', reason: String(error) }),
  );
});
