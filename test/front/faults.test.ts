/** Workers that go, or never answer; ports that are taken; a front that drains. */
import { describe, expect, test } from 'bun:test';
import type { Clock } from '../../src/clock.ts';
import { Backends, type Linked, type PartitionRequest } from '../../src/front/backends.ts';
import { Deadlines } from '../../src/front/deadlines.ts';
import { startFront } from '../../src/front/front.ts';
import { REQUEST_DEADLINE_MS, SWEEP_MS, UNAVAILABLE_WAIT_MS } from '../../src/limits.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { LinkBroken, type Receiver } from '../../src/wire/link.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { until } from '../helpers/server.ts';
import { PARTITIONS, type ScriptedFront, startScriptedFront } from './scripted-front.ts';

const ID = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e0002';
const CALLS: { method: string; path: string; body?: unknown; writes: boolean; searches?: boolean }[] = [
  { method: 'PUT', path: '/v1/stock/A/x', body: { onHand: 1 }, writes: true },
  { method: 'GET', path: '/v1/stock/A', writes: false },
  { method: 'POST', path: '/v1/stock/query', body: { skus: ['A'] }, writes: false },
  { method: 'POST', path: '/v1/reservations', body: { lines: [{ sku: 'A', quantity: 1 }] }, writes: true },
  { method: 'GET', path: `/v1/reservations/${ID}`, writes: false },
  { method: 'POST', path: `/v1/reservations/${ID}/cancel`, writes: true },
  { method: 'GET', path: '/v1/reservations?sku=A', writes: false, searches: true },
  { method: 'GET', path: '/v1/stock/A/ledger', writes: false, searches: true },
];

function send(front: ScriptedFront, { method, path, body }: (typeof CALLS)[number]): Promise<Response> {
  return fetch(front.url + path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

async function codeOf(response: Response): Promise<string> {
  expect(response.status).toBe(503);
  const { code } = (await response.json()) as { code: string };
  expect(response.headers.get('retry-after')).toBe(code === 'search-too-slow' ? '5' : '1');
  return code;
}

describe('a worker that goes', () => {
  test('with requests unanswered, and then is not there', async () => {
    const front = await startScriptedFront();
    try {
      const sent = CALLS.map((call) => send(front, call));
      await until(
        () => front.asked.length === CALLS.length,
        5000,
        () => 'the requests do not arrive',
      );
      front.stopWorker();
      for (const [i, response] of (await Promise.all(sent)).entries())
        expect(await codeOf(response)).toBe(CALLS[i].writes ? 'outcome-unknown' : 'partition-unavailable');
      const again = await Promise.all(CALLS.map(async (call) => codeOf(await send(front, call))));
      expect(again).toEqual(CALLS.map(() => 'partition-unavailable'));
      expect((await fetch(`${front.url}/readyz`)).status).toBe(503);
      expect((await fetch(`${front.url}/livez`)).status).toBe(200);
    } finally {
      await front.stop();
    }
  }, 15_000);

  test('with a participant’s hold unanswered: the home is not asked, so nothing can be held', async () => {
    const skus = ['A', 'B', 'C'].map((sku) => ({ sku, partition: partitionOf(sku, PARTITIONS) }));
    expect(new Set(skus.map(({ partition }) => partition)).size).toBe(3);
    const front = await startScriptedFront((request) => {
      if (request.kind === 'status') return undefined;
      if (request.kind !== 'hold' || request.partition === skus[1].partition) return 'later';
      return { kind: 'granted', lines: [], short: [] };
    });
    try {
      const lines = skus.map(({ sku }) => ({ sku, quantity: 1 }));
      const response = send(front, { ...CALLS[3], body: { lines } });
      await until(
        () => front.asked.length === 2,
        5000,
        () => 'the participants are not asked',
      );
      front.stopWorker();
      expect(await codeOf(await response)).toBe('partition-unavailable');
      expect(front.asked.map((request) => request.kind === 'hold' && request.role)).toEqual(['try', 'try']);
    } finally {
      await front.stop();
    }
  }, 15_000);
});

test('a worker that never answers is given up at the deadline', async () => {
  const front = await startScriptedFront((request) => (request.kind === 'status' ? undefined : 'later'));
  try {
    const started = performance.now();
    const codes = CALLS.map(async (call) => codeOf(await send(front, call)));
    expect(await Promise.all(codes)).toEqual(
      CALLS.map(({ writes, searches }) =>
        writes ? 'outcome-unknown' : searches ? 'search-too-slow' : 'partition-unavailable',
      ),
    );
    const ms = performance.now() - started;
    expect(ms).toBeGreaterThanOrEqual(REQUEST_DEADLINE_MS - 5);
    expect(ms).toBeLessThan(REQUEST_DEADLINE_MS + 1500);
    // The worker knows of the same deadline, so that it need not start what nobody waits for.
    for (const request of front.asked) {
      if (!('deadline' in request)) throw new Error();
      expect(Math.abs(request.deadline - (Date.now() - ms + REQUEST_DEADLINE_MS))).toBeLessThan(1000);
    }
  } finally {
    await front.stop();
  }
}, 20_000);

describe('Backends', () => {
  /** Time that passes when told to. */
  function manualClock() {
    let now = 0;
    let timers: { at: number; run: () => void }[] = [];
    const clock: Clock = {
      now: () => now,
      after(ms, run) {
        const timer = { at: now + ms, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
      soon: (run) => run(),
    };
    return {
      clock,
      pass(ms: number) {
        for (const end = now + ms; now < end; now++) {
          const due = timers.filter(({ at }) => at <= now);
          timers = timers.filter(({ at }) => at > now);
          for (const { run } of due) run();
        }
      },
      timers: () => timers.length,
    };
  }

  const request: PartitionRequest = { kind: 'get-levels', partition: 1, deadline: 500, sku: 'A' };

  test('asks the owner, gives up at the deadline and not before, and forgets what was answered', async () => {
    const { clock, pass, timers } = manualClock();
    const deadlines = new Deadlines(clock);
    const asked: { path: string; receiver: Receiver }[] = [];
    let defect: Error | undefined;
    const link = (path: string): Linked => ({
      send(_request, receiver) {
        if (defect !== undefined) throw defect;
        asked.push({ path, receiver });
      },
      connected: true,
      inFlight: 0,
      close() {},
    });
    const map = { version: 1, sockets: ['zero', 'one'], owner: [0, 1] };
    const backends = new Backends(map, deadlines, clock, link);
    const reply: Reply = { kind: 'levels', levels: [] };

    const answered = backends.ask(request);
    asked[0].receiver.resolve(reply);
    expect([asked[0].path, await answered]).toEqual(['one', reply]);

    let settled: unknown;
    const late = backends.ask(request).then((answer) => {
      settled = answer;
    });
    pass(500);
    await Promise.resolve();
    expect(settled).toBeUndefined();
    pass(SWEEP_MS + 1);
    await late;
    expect(settled).toEqual({ kind: 'lost', sent: true });
    asked[1].receiver.resolve(reply);

    const broken = backends.ask({ ...request, deadline: 10_000 });
    asked.at(-1)!.receiver.reject(new LinkBroken(true, 'gone'));
    expect(await broken).toEqual({ kind: 'lost', sent: true });
    defect = new Error('a defect');
    expect(backends.ask({ ...request, deadline: 10_000 })).rejects.toThrow('a defect');
    deadlines.close();
    expect(timers()).toBe(0);
  });

  test('asks again what certainly had no effect, whom the newest map names, for a while', async () => {
    const { clock, pass, timers } = manualClock();
    const deadlines = new Deadlines(clock);
    const asked: string[] = [];
    const closed: string[] = [];
    const gone = new LinkBroken(false, 'gone');
    const unavailable: Reply = { kind: 'problem', code: 'partition-unavailable' };
    const levels: Reply = { kind: 'levels', levels: [] };
    let answers: (Reply | LinkBroken)[] = [];
    const link = (path: string): Linked => ({
      send(_request, receiver) {
        asked.push(path);
        const answer = answers.shift() ?? unavailable;
        if (answer instanceof LinkBroken) receiver.reject(answer);
        else receiver.resolve(answer);
      },
      connected: true,
      inFlight: 0,
      close: () => closed.push(path),
    });
    const map = { version: 1, sockets: ['zero', 'one'], owner: [0, 1] };
    const backends = new Backends(map, deadlines, clock, link);
    const ask = async (given: (Reply | LinkBroken)[], during = () => {}) => {
      answers = given;
      asked.length = 0;
      const startedAt = clock.now();
      let answer: unknown;
      void backends.ask({ ...request, deadline: startedAt + 10_000 }).then((given) => {
        answer = given;
      });
      for (let i = 0; answer === undefined; i++) {
        await Bun.sleep(0);
        if (i === 1) during();
        pass(1);
      }
      return { answer, ms: clock.now() - startedAt };
    };

    const soon = await ask([unavailable, gone, levels]);
    expect([soon.answer, soon.ms < 30, asked]).toEqual([levels, true, ['one', 'one', 'one']]);
    // What may have had an effect, and every other refusal, is the answer.
    for (const final of [new LinkBroken(true, 'gone'), { kind: 'problem', code: 'overloaded' } as const]) {
      await ask([unavailable, final, levels]);
      expect(asked).toEqual(['one', 'one']);
    }
    // There is a third worker, which gets the partition; then it is gone again.
    await ask([unavailable, levels], () =>
      backends.adopt({ version: 2, sockets: ['zero', 'one', 'two'], owner: [0, 2] }),
    );
    expect(asked).toEqual(['one', 'two']);
    backends.adopt({ ...map, version: 3 });
    expect(closed).toEqual(['two']);

    const late = await ask([]);
    expect(late.answer).toEqual(unavailable);
    expect(late.ms).toBeLessThanOrEqual(UNAVAILABLE_WAIT_MS);
    expect(late.ms).toBeGreaterThan(UNAVAILABLE_WAIT_MS * 0.9);
    // A caller that waits for less is not kept for longer.
    answers = [];
    const hurried = backends.ask(request, clock.now() + 3);
    expect(await hurried).toEqual(unavailable);
    deadlines.close();
    expect(timers()).toBe(0);
  }, 20_000);

  test('asks workers in turn for a search, and the next one where one cannot say', async () => {
    const { clock, pass } = manualClock();
    const deadlines = new Deadlines(clock);
    const asked: string[] = [];
    const found: Reply = { kind: 'found', reservations: [] };
    const unavailable: Reply = { kind: 'problem', code: 'partition-unavailable' };
    const silence = new Promise<Reply>(() => {});
    let workers: Record<string, () => Promise<Reply>> = {};
    const link = (path: string): Linked => ({
      send(_request, receiver) {
        asked.push(path);
        void workers[path]().then(
          (reply) => receiver.resolve(reply),
          (error) => receiver.reject(error),
        );
      },
      connected: true,
      inFlight: 0,
      close() {},
    });
    const map = { version: 1, sockets: ['a', 'b', 'c'], owner: [0, 1, 2, 0] };
    const backends = new Backends(map, deadlines, clock, link);
    const search = async (a: () => Promise<Reply>, b = a, c = b) => {
      workers = { a, b, c };
      const reply = await backends.search({ kind: 'find-reservations', deadline: 500, limit: 1 });
      return [asked.splice(0).join(' '), reply.kind === 'problem' ? reply.code : reply.kind];
    };
    const answer = (reply: Reply) => async () => reply;
    const gone = (sent: boolean) => () => Promise.reject(new LinkBroken(sent, 'gone'));

    for (const worker of ['a', 'b', 'c', 'a']) expect(await search(answer(found))).toEqual([worker, 'found']);
    expect(await search(answer(found), gone(false), answer(unavailable))).toEqual(['b c a', 'found']);
    expect(await search(answer(found), answer(found), gone(true))).toEqual(['c a', 'found']);
    expect(await search(answer(unavailable), gone(true))).toEqual(['a b c', 'partition-unavailable']);
    for (const code of ['overloaded', 'search-too-slow', 'unknown-sku'] as const)
      expect(await search(answer({ kind: 'problem', code }))).toEqual([expect.any(String), code]);
    const late = search(() => silence);
    pass(500 + SWEEP_MS + 1);
    expect(await late).toEqual(['b', 'search-too-slow']);
    deadlines.close();
  });

  test('many waits end each at its own time, in any order of joining and leaving', () => {
    const { clock, pass } = manualClock();
    const deadlines = new Deadlines(clock);
    const expired: number[] = [];
    const waits = Array.from({ length: 60 }, (_, i) =>
      deadlines.wait(((i * 37) % 60) * SWEEP_MS, () => expired.push(i)),
    );
    for (let i = 0; i < 60; i += 3) waits[i].leave();
    waits[3].leave();
    for (let sweeps = 1; sweeps <= 62; sweeps++) {
      pass(SWEEP_MS);
      const due = waits.flatMap((_, i) =>
        i % 3 && ((i * 37) % 60) * SWEEP_MS < sweeps * SWEEP_MS ? [i] : [],
      );
      for (const i of expired) expect(((i * 37) % 60) * SWEEP_MS).toBeLessThanOrEqual(clock.now());
      expect(due.length - expired.length).toBeLessThanOrEqual(1);
    }
    expect(expired.toSorted((a, b) => a - b)).toEqual(waits.flatMap((_, i) => (i % 3 ? [i] : [])));
    deadlines.close();
  });
});

describe('a front', () => {
  test('refuses a port that is taken, in one line, and leaves nothing open', async () => {
    const front = await startScriptedFront();
    try {
      const again = startFront({
        role: 'front',
        front: 1,
        host: '127.0.0.1',
        port: front.port,
        map: { version: 1, sockets: ['/nowhere.sock'], owner: [0] },
        fronts: 2,
        mayBeOpen: true,
        standby: false,
      });
      await expect(again).rejects.toThrow(
        `cannot listen at 127.0.0.1:${front.port}: another program is listening there`,
      );
      expect((await fetch(`${front.url}/livez`)).status).toBe(200);
    } finally {
      await front.stop();
    }
  });

  test('drains: finishes what it has, takes nothing new, closes its links', async () => {
    const answers: (() => void)[] = [];
    const front = await startScriptedFront((request, answer) => {
      if (request.kind === 'status') return undefined;
      answers.push(() => answer({ kind: 'problem', code: 'unknown-sku' }));
      return 'later';
    });
    try {
      const inFlight = fetch(`${front.url}/v1/stock/A`);
      await until(
        () => answers.length === 1,
        5000,
        () => 'the request does not arrive',
      );
      let drained = false;
      const draining = front.drain().then(() => {
        drained = true;
      });
      await Bun.sleep(50);
      expect(drained).toBe(false);
      expect(fetch(`${front.url}/livez`, { keepalive: false })).rejects.toThrow();
      answers[0]();
      expect((await inFlight).status).toBe(404);
      await draining;
    } finally {
      await front.stop();
    }
  });
});
