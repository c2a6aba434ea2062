/** The bucket of a rate, by a clock that the test moves; and what a caller over HTTP sees of it. */
import { describe, expect, test } from 'bun:test';
import { RateLimit } from '../../src/front/rate-limit.ts';
import { keyringOf, testKey } from '../helpers/api-keys.ts';
import { startScriptedFront } from './scripted-front.ts';

/** How many get through of as many as come. */
function burst(limit: RateLimit, now: number): number {
  let through = 0;
  while (through < 100_000 && limit.take(now)) through++;
  return through;
}

describe('a bucket', () => {
  test('is full at first, empties, and fills evenly', () => {
    const limit = new RateLimit({ requests: 500, seconds: 1 }, 1, 0);
    expect([limit.policy, limit.state()]).toEqual(['"key";q=500;w=1', '"key";r=500;t=0']);
    expect(burst(limit, 0)).toBe(500);
    expect([limit.state(), limit.retryAfter()]).toEqual(['"key";r=0;t=1', 1]);
    expect(burst(limit, 100)).toBe(50);
    expect(burst(limit, 102)).toBe(1);
    expect(burst(limit, 60_000)).toBe(500);
  });

  test('says when the next one comes', () => {
    const limit = new RateLimit({ requests: 2, seconds: 3600 }, 1, 0);
    expect(burst(limit, 0)).toBe(2);
    expect([limit.retryAfter(), limit.state()]).toEqual([1800, '"key";r=0;t=3600']);
    expect([limit.take(1_799_999), limit.retryAfter()]).toEqual([false, 1]);
    expect(limit.take(1_800_000)).toBe(true);
  });

  test('of several fronts is a share, and of a small rate still one at a time', () => {
    const share = new RateLimit({ requests: 500, seconds: 1 }, 4, 0);
    expect([burst(share, 0), share.policy]).toEqual([125, '"key";q=125;w=1']);
    const small = new RateLimit({ requests: 1, seconds: 1 }, 4, 0);
    expect([burst(small, 0), small.policy]).toEqual([1, '"key";q=1;w=4']);
    expect([small.take(3999), small.take(4000)]).toEqual([false, true]);
  });

  test('neither gives nor takes when the clock is set back', () => {
    const limit = new RateLimit({ requests: 10, seconds: 1 }, 1, 100_000);
    expect(burst(limit, 100_000)).toBe(10);
    expect(burst(limit, 50_000)).toBe(0);
    expect(burst(limit, 50_100)).toBe(1);
  });
});

test('a caller is told what is left, refused beyond it, and its neighbours are not', async () => {
  const limited = testKey(['read'], { rate: { requests: 3, seconds: 3600 } });
  const free = testKey(['read']);
  const front = await startScriptedFront(
    ({ kind }) => (kind === 'status' ? undefined : { kind: 'problem', code: 'unknown-sku' }),
    keyringOf(limited, free),
  );
  try {
    const ask = async (headers: Record<string, string>, path = '/v1/stock/A', method = 'GET') => {
      const { status, headers: sent } = await fetch(front.url + path, { method, headers });
      return [status, sent.get('ratelimit'), sent.get('ratelimit-policy'), sent.get('retry-after')];
    };
    const policy = '"key";q=3;w=3600';
    expect(await ask(limited.headers)).toEqual([404, '"key";r=2;t=1200', policy, null]);
    // What it may not do, or does not exist, counts as well.
    expect(await ask(limited.headers, '/v1/reservations', 'POST')).toEqual([
      403,
      '"key";r=1;t=2400',
      policy,
      null,
    ]);
    expect(await ask(limited.headers, '/nothing')).toEqual([404, '"key";r=0;t=3600', policy, null]);
    expect(await ask(limited.headers)).toEqual([429, '"key";r=0;t=3600', policy, '1200']);
    expect(await ask(limited.headers, '/nothing')).toEqual([429, '"key";r=0;t=3600', policy, '1200']);
    // What needs no key costs nothing and is not limited.
    expect(await ask(limited.headers, '/livez')).toEqual([200, null, null, null]);
    expect(await ask(free.headers)).toEqual([404, null, null, null]);
    expect((await ask({}))[0]).toBe(401);
  } finally {
    await front.stop();
  }
});
