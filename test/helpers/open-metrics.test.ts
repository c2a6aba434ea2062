/** The parser that the metrics are held against: what it must refuse. */
import { expect, test } from 'bun:test';
import { parseOpenMetrics } from './open-metrics.ts';

const COUNTER = '# HELP a A\n# TYPE a counter\n';
const HISTOGRAM = '# HELP h H\n# TYPE h histogram\n';

test('takes what is well formed', () => {
  const text = `${COUNTER}a_total{x="1",y="\\"\\\\\\n"} 3\n${HISTOGRAM}h_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 2\nh_sum 4.5\nh_count 2\n# EOF\n`;
  expect(parseOpenMetrics(text).get('a')!.samples).toEqual([
    { name: 'a_total', labels: { x: '1', y: '"\\\n' }, value: 3 },
  ]);
});

test.each([
  ['no end', `${COUNTER}a_total 1\n`],
  ['something after the end', `${COUNTER}a_total 1\n# EOF\n\n`],
  ['a counter without _total', `${COUNTER}a 1\n# EOF\n`],
  ['a family that ends in _total', '# HELP a_total A\n# TYPE a_total counter\na_total_total 1\n# EOF\n'],
  ['no type', '# HELP a A\na_total 1\n# EOF\n'],
  ['no help', '# TYPE a counter\na_total 1\n# EOF\n'],
  ['an empty line', `${COUNTER}\na_total 1\n# EOF\n`],
  ['a series twice', `${COUNTER}a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 1\n# EOF\n`],
  ['a label twice', `${COUNTER}a_total{x="1",x="2"} 1\n# EOF\n`],
  ['a comma at the end', `${COUNTER}a_total{x="1",} 1\n# EOF\n`],
  ['a quote in a value', `${COUNTER}a_total{x="1"2"} 1\n# EOF\n`],
  ['a negative counter', `${COUNTER}a_total -1\n# EOF\n`],
  ['not a number', `${COUNTER}a_total one\n# EOF\n`],
  ['a family in two pieces', `${COUNTER}a_total 1\n${HISTOGRAM}${COUNTER}# EOF\n`],
  [
    'buckets that fall',
    `${HISTOGRAM}h_bucket{le="1.0"} 3\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n# EOF\n`,
  ],
  ['a bound like 1', `${HISTOGRAM}h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n# EOF\n`],
  ['no bucket +Inf', `${HISTOGRAM}h_bucket{le="1.0"} 1\nh_sum 1\nh_count 1\n# EOF\n`],
])('refuses %s', (_, text) => {
  expect(() => parseOpenMetrics(text)).toThrow();
});
