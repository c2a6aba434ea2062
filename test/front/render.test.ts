import { describe, expect, test } from 'bun:test';
import { created, ok, renderReservation, renderSkuStock } from '../../src/front/render.ts';
import type { Reservation, StockLevel } from '../../src/reservations/types.ts';

const AWKWARD = 'a"b\\c\u2028</script>😀';

const level: StockLevel = {
  sku: AWKWARD,
  location: AWKWARD,
  onHand: -1,
  reserved: 2,
  safetyStock: 3,
  backorderLimit: 4,
  version: 5,
  updatedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
};

const reservation: Reservation = {
  id: '019caa3d-7b40-7c1e-9f2a-5d0c8b1e002a',
  status: 'held',
  lines: [
    {
      line: 0,
      sku: AWKWARD,
      quantity: 3,
      allocations: [
        { location: AWKWARD, quantity: 1 },
        { location: 'b', quantity: 2 },
      ],
    },
    { line: 1, sku: 'x', quantity: 1, allocations: [{ location: 'y', quantity: 1 }] },
  ],
  createdAt: 0,
  expiresAt: 1,
};

describe('stock', () => {
  test('one SKU with its levels and sums', () => {
    const fields = { onHand: -1, reserved: 2, safetyStock: 3, backorderLimit: 4 };
    const shown = {
      sku: AWKWARD,
      location: AWKWARD,
      ...fields,
      available: -2,
      version: 5,
      updatedAt: '2026-01-02T03:04:05.006Z',
    };
    expect(JSON.parse(renderSkuStock(AWKWARD, [level, level]))).toEqual({
      sku: AWKWARD,
      totals: { onHand: -2, reserved: 4, safetyStock: 6, backorderLimit: 8, available: -4 },
      levels: [shown, shown],
    });
  });
});

describe('reservations', () => {
  test('without and with what is optional', () => {
    const lines = reservation.lines.map(({ line: _line, ...shown }) => shown);
    const expected = {
      id: reservation.id,
      status: 'held',
      lines,
      createdAt: '1970-01-01T00:00:00.000Z',
      expiresAt: '1970-01-01T00:00:00.001Z',
    };
    expect(JSON.parse(renderReservation(reservation))).toEqual(expected);
    expect(JSON.parse(renderReservation({ ...reservation, reference: AWKWARD, closedAt: 99_999 }))).toEqual({
      ...expected,
      reference: AWKWARD,
      closedAt: '1970-01-01T00:01:39.999Z',
    });
  });

  test('times read as Date writes them, however many seconds are remembered', () => {
    for (let i = 0; i < 500; i++) {
      const createdAt = Date.UTC(2026, 0, 1) + i * 777;
      const { createdAt: shown } = JSON.parse(renderReservation({ ...reservation, createdAt }));
      expect(shown).toBe(new Date(createdAt).toISOString());
    }
  });
});

test('a header set on one answer is not on the next', () => {
  created('{}').headers.set('location', '/elsewhere');
  ok('{}').headers.set('etag', '"1"');
  expect(created('{}').headers.toJSON()).toEqual({ 'content-type': 'application/json' });
  expect(ok('{}').headers.toJSON()).toEqual({ 'content-type': 'application/json' });
});
