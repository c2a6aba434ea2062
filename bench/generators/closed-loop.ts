/**
 * Closed loop, by autocannon: each connection sends when it has its answer, so load is as much as
 * the server takes.
 *
 * When a run's time is up, each connection waits for the answer that it is owed and then ends. So every
 * request has an answer, and afterwards the books can be compared to the unit; what got no answer (a
 * timeout, a broken connection) is counted as lost.
 */
import autocannon from 'autocannon';
import { Latencies } from '../latencies.ts';
import { drawnFor, type Load, type Request, requestsOf } from '../load.ts';
import type { Shot } from '../shot.ts';
import type { Job, Watch } from './child.ts';

const ANSWER_TIMEOUT_SECONDS = 10;
const SAMPLE_MS = 100;
const GRANTED = 201;
/** How a result of the batch endpoint begins that has been granted. */
const GRANTED_ITEM = `"status":${GRANTED}`;

/** What autocannon's clients have beyond its types: a client ends itself after this many requests. */
interface Limited {
  reqsMade: number;
  responseMax: number;
}

/** What came of one answer. */
interface Outcome {
  operations: number;
  held: number;
  closed: number;
}

export async function closedLoop(job: Job, watch: Watch): Promise<Shot> {
  const { url, load, connections, seconds, seed } = job;
  const drawn = requestsOf(load, seed, drawnFor(load, connections, seconds));
  const perClient = Math.floor(drawn.length / connections);
  const clients: autocannon.Client[] = [];
  const latencies = new Latencies();
  const statuses: Record<string, number> = {};
  const effects = { held: 0, closed: 0 };
  // Few and long requests are measured until the last has its answer: of those on their way, much is done.
  const isToTheLast = load.batch !== undefined;
  let operations = 0;
  let startedAt = 0;
  let endedAt = 0;
  let answeredAt = 0;
  /** Of the answer that is being counted, where its body had to be looked at. */
  let outcome: Outcome | undefined;

  const finished = Promise.withResolvers<autocannon.Result>();
  const instance = autocannon(
    {
      url,
      headers: { 'content-type': 'application/json' },
      connections,
      // The run ends when its connections have; this only bounds how long that may take.
      duration: seconds + 2 * ANSWER_TIMEOUT_SECONDS,
      timeout: ANSWER_TIMEOUT_SECONDS,
      sampleInt: SAMPLE_MS,
      setupClient(client) {
        const from = clients.length * perClient;
        const own = drawn.slice(from, from + perClient);
        client.setRequests(own.flatMap((request) => steps(load, request, (read) => (outcome = read))));
        clients.push(client);
      },
    },
    (error, result) => (error ? finished.reject(error) : finished.resolve(result)),
  );
  instance.on('start', () => {
    watch.begins();
    startedAt = performance.now();
    setTimeout(() => {
      if (!isToTheLast) {
        endedAt = performance.now();
        watch.ends();
      }
      for (const client of clients as unknown as Limited[]) client.responseMax = client.reqsMade;
    }, seconds * 1000);
  });
  instance.on('response', (_client, status, _bytes, milliseconds) => {
    const came = outcome ?? plainOutcome(load, status);
    outcome = undefined;
    statuses[status] = (statuses[status] ?? 0) + 1;
    effects.held += came.held;
    effects.closed += came.closed;
    if (endedAt > 0) return;
    operations += came.operations;
    latencies.record(milliseconds);
    answeredAt = performance.now();
  });

  const { requests } = await finished.promise;
  if (isToTheLast) watch.ends();
  return {
    seconds: ((endedAt || answeredAt) - startedAt) / 1000,
    operations,
    latencies: latencies.counts,
    statuses,
    effects: { ...effects, lost: requests.sent - requests.total },
  };
}

/** What one drawn request comes to: itself, and what is done with what it has held. */
function steps(load: Load, request: Request, tell: (outcome: Outcome) => void): autocannon.Request[] {
  if (load.batch !== undefined) {
    const onResponse = (_status: number, body: string) => {
      const held = body.split(GRANTED_ITEM).length - 1;
      tell({ operations: held, held, closed: 0 });
    };
    return [{ ...request, onResponse }];
  }
  const { close } = load;
  if (close === undefined) return [{ ...request }];
  let held: string | undefined;
  return [
    {
      ...request,
      onResponse(status, body) {
        held = status === GRANTED ? JSON.parse(body).id : undefined;
        tell({ operations: 0, held: held === undefined ? 0 : 1, closed: 0 });
      },
    },
    {
      method: 'POST',
      // Of what was not held, nothing is confirmed: the connection goes on to its next request.
      setupRequest: (built) =>
        (held === undefined
          ? null
          : { ...built, path: `/v1/reservations/${held}/${close}` }) as autocannon.Request,
      onResponse(status) {
        const closed = isGood(status) ? 1 : 0;
        tell({ operations: closed, held: 0, closed });
      },
    },
  ];
}

function plainOutcome({ call, refusals }: Load, status: number): Outcome {
  const good = isGood(status) ? 1 : 0;
  return { operations: refusals ? 1 : good, held: call === 'hold' ? good : 0, closed: 0 };
}

function isGood(status: number): boolean {
  return status >= 200 && status < 300;
}
