/** The events of the dashboard: who may watch, what it costs when many or none do, and how it ends. */
import { expect, test } from 'bun:test';
import type { History, Live } from '../../src/dashboard/live.ts';
import { DASHBOARD_VIEWERS_MAX } from '../../src/limits.ts';
import { uncheckedFetch } from '../helpers/conformance.ts';
import { until } from '../helpers/server.ts';
import { PARTITIONS, type ScriptedFront, startScriptedFront } from './scripted-front.ts';

const HOT = { partition: 3, sku: 'MUG', asked: 12, onHand: 5, reserved: 4, available: 1 };

function start(): Promise<ScriptedFront> {
  return startScriptedFront(({ kind }) => (kind === 'hottest' ? { kind, skus: [HOT] } : undefined));
}
const looksOf = (front: ScriptedFront): number => front.asked.filter(({ kind }) => kind === 'hottest').length;

/** A viewer, and what it has heard so far. */
async function watch(front: ScriptedFront) {
  const leaving = new AbortController();
  const response = await fetch(`${front.url}/dashboard/events`, { signal: leaving.signal });
  const heard = { text: '', ended: false };
  const reading = (async () => {
    const decoder = new TextDecoder();
    if (response.body === null) return;
    for await (const chunk of response.body) heard.text += decoder.decode(chunk, { stream: true });
  })()
    .catch(() => {})
    .finally(() => {
      heard.ended = true;
    });
  const events = <Data>(event: string): Data[] =>
    [...heard.text.matchAll(new RegExp(`event: ${event}\ndata: (.*)\n\n`, 'g'))].map(([, data]) =>
      JSON.parse(data),
    );
  return {
    response,
    heard,
    lives: () => events<Live>('live'),
    histories: () => events<History>('history'),
    async leave() {
      leaving.abort();
      await reading;
    },
  };
}

test('one look a second, however many watch, and none when nobody does', async () => {
  const front = await start();
  try {
    const first = await watch(front);
    expect(first.response.headers.get('content-type')).toBe('text/event-stream');
    await until(
      () => first.lives().length >= 3,
      10_000,
      () => `heard only ${first.heard.text}`,
    );
    expect(first.histories()).toEqual([{ points: [] }]);
    const [live] = first.lives();
    expect(live.point).toBeUndefined();
    expect(live).toMatchObject({ database: 'up', serving: PARTITIONS, hottest: [HOT] });
    expect(live.verdict).toEqual({ level: 'good', reasons: [] });
    expect(live.partitions.held).toEqual(Array(PARTITIONS).fill(3));
    const { point } = first.lives()[2];
    expect(point).toMatchObject({ requests: 0, granted: 0, failed: 0, waiting: 4 * PARTITIONS, deepest: 4 });

    const others = await Promise.all(Array.from({ length: DASHBOARD_VIEWERS_MAX - 1 }, () => watch(front)));
    // Those that come later see what was before.
    await until(
      () => others.every(({ histories, lives }) => histories()[0].points.length > 0 && lives().length >= 3),
      10_000,
      () => 'not everyone hears',
    );
    const looks = looksOf(front);
    const lives = first.lives().length;
    expect(Math.abs(looks - lives)).toBeLessThanOrEqual(1);
    expect(others[0].lives().at(-1)).toEqual(others[9].lives().at(-1)!);

    // Pages are no part of the API document.
    const refused = await uncheckedFetch(`${front.url}/dashboard/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await refused.json()).toMatchObject({ code: 'overloaded' });

    await Promise.all([first, ...others].map(({ leave }) => leave()));
    await Bun.sleep(1200);
    const after = looksOf(front);
    await Bun.sleep(1200);
    expect(looksOf(front)).toBe(after);

    // Whoever left has made room, and what was known is told again.
    const again = await watch(front);
    await until(
      () => again.lives().length > 0,
      5000,
      () => 'nothing comes',
    );
    expect(again.response.status).toBe(200);
    expect(again.histories()[0].points.length).toBeGreaterThan(2);
    await again.leave();
  } finally {
    await front.stop();
  }
}, 30_000);

test('a worker that does not answer is what is seen, and a drain ends every stream at once', async () => {
  const front = await start();
  try {
    const viewer = await watch(front);
    await until(
      () => viewer.lives().length > 0,
      5000,
      () => 'nothing comes',
    );
    front.stopWorker();
    await until(
      () => viewer.lives().at(-1)!.serving === 0,
      5000,
      () => viewer.heard.text,
    );
    const { verdict, database, partitions } = viewer.lives().at(-1)!;
    expect(verdict).toEqual({
      level: 'bad',
      reasons: [`worker 0 does not answer (${PARTITIONS} partitions)`],
    });
    expect(database).toBe('unknown');
    expect(partitions.epoch).toEqual(Array(PARTITIONS).fill(null));
    const startedAt = performance.now();
    await front.drain();
    expect(performance.now() - startedAt).toBeLessThan(1500);
    await until(
      () => viewer.heard.ended,
      1000,
      () => 'the stream goes on',
    );
  } finally {
    await front.stop();
  }
}, 20_000);

test('HEAD asks for nothing more than whether it is there, and takes nobody’s place', async () => {
  const front = await start();
  try {
    const response = await fetch(`${front.url}/dashboard/events`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(looksOf(front)).toBe(0);
  } finally {
    await front.stop();
  }
});
