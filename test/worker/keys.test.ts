/** Idempotency-Keys in memory, and who may use one. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CLAIM_MS } from '../../src/limits.ts';
import type { Reply } from '../../src/wire/messages.ts';
import { Claims } from '../../src/worker/claims.ts';
import { Keys } from '../../src/worker/keys.ts';

const hex = (n: number): string =>
  new Bun.CryptoHasher('sha256').update(String(n)).digest('hex').slice(0, 32);

test('keys are known with their payload, and forgotten in time, through growth and reuse', () => {
  const operation = fc.record({
    what: fc.constantFrom('add', 'remove', 'sweep'),
    key: fc.nat(60),
    payload: fc.nat(1),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
      const keys = new Keys();
      const model = new Map<number, { payload: number; at: number }>();
      let now = 1_000_000_000_000;
      for (const { what, key, payload } of operations) {
        now += 1000;
        if (what === 'add') {
          keys.add(hex(key), hex(1000 + payload), now);
          if (!model.has(key)) model.set(key, { payload, at: now });
        } else if (what === 'remove') {
          keys.remove(hex(key));
          model.delete(key);
        } else {
          const before = now - 20_000;
          keys.sweep(before, 1000);
          for (const [known, { at }] of model) if (at < before) model.delete(known);
        }
        expect(keys.count).toBe(model.size);
        for (let known = 0; known <= 60; known++) {
          const expected = model.get(known);
          expect(keys.find(hex(known), hex(1000))).toBe(
            expected === undefined ? 'none' : expected.payload === 0 ? 'same' : 'other',
          );
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('a key costs what docs/operating.md says', () => {
  for (const many of [1000, 5000, 70_000, 1 << 17]) {
    const keys = new Keys();
    for (let i = 0; i < many; i++) keys.add(hex(i), hex(0), 1000);
    const arrays = Object.values(keys).filter((value) => value instanceof Uint32Array);
    expect(arrays).toHaveLength(3);
    expect(arrays.reduce((sum, { byteLength }) => sum + byteLength, 0) / many).toBeWithin(36, 48);
  }
});

test('one request with a key goes on at a time; who waits longer than its caller is dropped', () => {
  const claims = new Claims();
  const key = { hash: hex(1), fingerprint: hex(2), partition: 0 };
  const other = { ...key, fingerprint: hex(3) };
  const answers: Record<string, Reply> = {};
  const tokens = ['first', 'second', 'third', 'fourth', 'impatient', 'other', 'other again'];
  const claim = (name: string, deadline: number, now: number, with_ = key): void =>
    claims.claim(
      { kind: 'claim', partition: 0, deadline, key: with_, token: tokens.indexOf(name) },
      now,
      (reply) => {
        answers[name] = reply;
      },
    );
  const release = (name: string, used: boolean, now: number): void =>
    claims.release(
      { kind: 'release', partition: 0, deadline: now + 1, key, token: tokens.indexOf(name), used },
      now,
    );

  claim('first', 100, 0);
  claim('second', 100, 1);
  claim('impatient', 5, 1);
  claim('other', 100, 1, other);
  expect(answers).toEqual({
    first: { kind: 'claimed', known: false },
    other: { kind: 'problem', code: 'idempotency-key-reused' },
  });
  release('first', true, 10);
  expect(answers.second).toEqual({ kind: 'claimed', known: true });
  claim('third', 300, 11);
  expect(answers.third).toBeUndefined();
  release('second', true, 12);
  expect(answers.third).toEqual({ kind: 'claimed', known: true });
  expect(answers.impatient).toEqual({ kind: 'problem', code: 'overloaded' });
  // Its front is gone; whoever waits goes on when its time has run out.
  claim('fourth', 90_000, 290);
  claims.sweep(CLAIM_MS + 11, 0, 10);
  expect(answers.fourth).toBeUndefined();
  claims.sweep(CLAIM_MS + 13, 0, 10);
  expect(answers.fourth).toEqual({ kind: 'claimed', known: true });
  // What had no effect leaves the key to whom it belonged before,
  release('fourth', false, CLAIM_MS + 20);
  claim('other again', 90_000, CLAIM_MS + 20, other);
  expect(answers['other again']).toEqual({ kind: 'problem', code: 'idempotency-key-reused' });
});

test('a claim that is said to go on outlives its time, also at the next owner', () => {
  const [claims, next] = [new Claims(), new Claims()];
  const key = { hash: hex(1), fingerprint: hex(2), partition: 0 };
  const to = { partition: 0, deadline: 10 * CLAIM_MS, key };
  const heard: string[] = [];
  const claim = (at: Claims, name: string, now: number): void =>
    at.claim({ kind: 'claim', ...to, token: name.length }, now, () => heard.push(name));
  const token = 'first'.length;
  claim(claims, 'first', 0);
  claims.prolong({ kind: 'prolong', ...to, token }, CLAIM_MS - 1);
  claim(claims, 'second', CLAIM_MS + 1);
  claims.sweep(CLAIM_MS + 2, 0, 10);
  next.prolong({ kind: 'prolong', ...to, token }, CLAIM_MS);
  claim(next, 'third', CLAIM_MS + 1);
  expect(heard).toEqual(['first']);
  claims.sweep(2 * CLAIM_MS, 0, 10);
  next.release({ kind: 'release', ...to, token, used: true }, CLAIM_MS + 2);
  expect(heard).toEqual(['first', 'second', 'third']);
});

test('a key whose only request had no effect is free for another payload', () => {
  const claims = new Claims();
  const key = { hash: hex(1), fingerprint: hex(2), partition: 0 };
  const other = { ...key, fingerprint: hex(3) };
  const answers: Record<string, Reply> = {};
  const claim = (name: string, with_: typeof key): void =>
    claims.claim({ kind: 'claim', partition: 0, deadline: 1000, key: with_, token: 1 }, 0, (reply) => {
      answers[name] = reply;
    });
  claim('first', key);
  claims.release({ kind: 'release', partition: 0, deadline: 1000, key, token: 1, used: false }, 1);
  claim('free', other);
  expect(answers.free).toEqual({ kind: 'claimed', known: false });
});

test('what an earlier owner let through is known once it is over', () => {
  const claims = new Claims();
  const key = { hash: hex(1), fingerprint: hex(2), partition: 0 };
  claims.release({ kind: 'release', partition: 0, deadline: 100, key, token: 1, used: true }, 1);
  const answers: Reply[] = [];
  for (const fingerprint of [hex(2), hex(3)]) {
    const request = {
      kind: 'claim' as const,
      partition: 0,
      deadline: 100,
      key: { ...key, fingerprint },
      token: 2,
    };
    claims.claim(request, 2, (reply) => answers.push(reply));
  }
  expect(answers).toEqual([
    { kind: 'claimed', known: true },
    { kind: 'problem', code: 'idempotency-key-reused' },
  ]);
});

describe('of two requests with a key, one of which has lost its claim,', () => {
  const REUSED: Reply = { kind: 'problem', code: 'idempotency-key-reused' };
  const keyOf = (payload: number) => ({ hash: hex(1), fingerprint: hex(payload), partition: 0 });
  const to = (token: number, payload = 2) => ({
    partition: 0,
    deadline: 10 * CLAIM_MS,
    key: keyOf(payload),
    token,
  });
  const ask = (claims: Claims, token: number, now: number, payload?: number): Reply | 'waits' => {
    let answer: Reply | 'waits' = 'waits';
    claims.claim({ kind: 'claim', ...to(token, payload) }, now, (reply) => {
      answer = reply;
    });
    return answer;
  };

  test('neither goes on with the claim of the other nor ends it', () => {
    const claims = new Claims();
    // A crash has forgotten that 1 is under way; 2 is let through.
    expect(ask(claims, 2, 0)).toEqual({ kind: 'claimed', known: false });
    claims.prolong({ kind: 'prolong', ...to(1) }, CLAIM_MS - 1);
    claims.release({ kind: 'release', ...to(1), used: false }, CLAIM_MS - 1);
    expect(ask(claims, 3, CLAIM_MS - 1)).toBe('waits');
    // 1 did not prolong it.
    expect(ask(claims, 4, CLAIM_MS)).toEqual({ kind: 'claimed', known: true });
  });

  test.each(['prolong', 'release'] as const)('the key is not free when the other ends: %s', (kind) => {
    const claims = new Claims();
    ask(claims, 2, 0);
    if (kind === 'prolong') claims.prolong({ kind, ...to(1) }, 1);
    else claims.release({ kind, ...to(1), used: true }, 1);
    claims.release({ kind: 'release', ...to(2), used: false }, 2);
    expect(ask(claims, 5, 3, 3)).toEqual(REUSED);
  });

  test('the key is not free when the one ends that has outwaited the other', () => {
    const claims = new Claims();
    ask(claims, 1, 0);
    ask(claims, 2, CLAIM_MS);
    claims.release({ kind: 'release', ...to(2), used: false }, CLAIM_MS + 1);
    expect(ask(claims, 5, CLAIM_MS + 2, 3)).toEqual(REUSED);
  });
});
