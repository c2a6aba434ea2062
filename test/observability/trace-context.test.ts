import { expect, test } from 'bun:test';
import { parseTraceparent, traceparentOf } from '../../src/observability/trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

test.each([
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  // Other flags are not ours to know.
  [`00-${TRACE}-${SPAN}-03`, true],
  // A later version may say more.
  [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, true],
])('%s is taken over', (text, sampled) => {
  expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
});

test.each([
  '',
  'nonsense',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE}-${SPAN}-1`,
  ` 00-${TRACE}-${SPAN}-01`,
  `00-${TRACE.slice(1)}-${SPAN}-01`,
])('%j is ignored', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test('is written as it was read', () => {
  const text = `00-${TRACE}-${SPAN}-01`;
  expect(traceparentOf(parseTraceparent(text)!)).toBe(text);
});
