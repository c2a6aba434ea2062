import { describe, expect, test } from 'bun:test';
import { homeOf, ReservationIds } from '../../src/reservations/id.ts';

const NOW = Date.UTC(2026, 2, 1, 9, 30, 0, 123);

describe('ReservationIds', () => {
  test('lays out a UUID version 7 with the home partition at its end', () => {
    const zeros = new ReservationIds((bytes) => bytes.fill(0));
    const ones = new ReservationIds((bytes) => bytes.fill(255));
    const time = NOW.toString(16).padStart(12, '0');
    const prefix = `${time.slice(0, 8)}-${time.slice(8)}`;
    expect(zeros.next(NOW, 0)).toBe(`${prefix}-7000-8000-000000000000`);
    expect(ones.next(NOW, 4095)).toBe(`${prefix}-7fff-bfff-ffffffff0fff`);
  });

  test('keeps every bit of the time, up to the last millisecond that 48 bits hold', () => {
    const ids = new ReservationIds();
    for (const now of [0, 1, 0xffff, 0x10000, 2 ** 32 - 1, 2 ** 32, NOW, 2 ** 48 - 1])
      expect(Number.parseInt(ids.next(now, 1).replaceAll('-', '').slice(0, 12), 16)).toBe(now);
  });

  test('gives 100,000 different ids within one millisecond, each leading home', () => {
    const ids = new ReservationIds();
    const seen = new Set<string>();
    for (let i = 0; i < 100_000; i++) {
      const id = ids.next(NOW, i % 256);
      expect(homeOf(id, 256)).toBe(i % 256);
      seen.add(id);
    }
    expect(seen.size).toBe(100_000);
  });
});

describe('homeOf', () => {
  const good = '019caa3d-7b40-7c1e-9f2a-5d0c8b1e002a';
  test.each([
    ['a good id', good, 42],
    ['the last partition', `${good.slice(0, -4)}00ff`, 255],
    ['a partition beyond the last', `${good.slice(0, -4)}0100`, undefined],
    ['upper case', good.toUpperCase(), undefined],
    ['another version', good.replace('-7c', '-4c'), undefined],
    ['another variant', good.replace('-9', '-c'), undefined],
    ['too short', good.slice(1), undefined],
    ['too long', `${good}0`, undefined],
    ['a line break at its end', `${good}\n`, undefined],
    ['no hyphens', good.replaceAll('-', ''), undefined],
    ['something else', 'x', undefined],
    ['nothing', '', undefined],
  ])('%s', (_name, id, home) => {
    expect(homeOf(id, 256)).toBe(home as number);
  });
});
