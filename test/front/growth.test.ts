/** Rates and quantiles from what processes reported at two times, and the verdict that is passed on them. */
import { describe, expect, test } from 'bun:test';
import { type Gathered, Growth, quantile } from '../../src/front/growth.ts';
import { type Signs, verdictOf } from '../../src/front/verdict.ts';
import type { MetricFamily } from '../../src/process.ts';

const BOUNDS = [0.001, 0.01, 0.1];

/** What one process reports: a counter by route, a histogram, and when it began. */
function families(startedAt: number, byRoute: Record<string, number>, counts: number[]): MetricFamily[] {
  const routes = Object.entries(byRoute);
  return [
    { name: 'process_start_time_seconds', help: '', type: 'gauge', series: [{ value: startedAt }] },
    {
      name: 'requests',
      help: '',
      type: 'counter',
      series: routes.map(([route, value]) => ({ labels: { route }, value })),
    },
    { name: 'seconds', help: '', type: 'histogram', bounds: BOUNDS, series: [{ counts, sum: 1 }] },
  ];
}
const at = (seconds: number, reports: Record<string, MetricFamily[] | undefined>): Gathered => ({
  at: seconds * 1000,
  processes: Object.entries(reports).map(([process, families]) => ({ process, families })),
});

describe('growth', () => {
  test('is what was added, a second, over all processes and labels that are asked for', () => {
    const growth = new Growth(
      at(10, { a: families(1, { x: 5 }, [0, 0, 0, 0]), b: families(1, { x: 1 }, [9, 9, 9, 9]) }),
      at(12, { a: families(1, { x: 9, y: 6 }, [1, 0, 0, 0]), b: families(1, { x: 3 }, [9, 9, 12, 9]) }),
    );
    expect(growth.rate('requests')).toBe(6);
    expect(growth.rate('requests', ({ route }) => route === 'x')).toBe(3);
    expect(growth.rate('requests', (_labels, process) => process === 'b')).toBe(1);
    expect(growth.rate('nothing of that name')).toBe(0);
    expect(growth.histogram('seconds').counts).toEqual([1, 0, 3, 0]);
  });

  test('of a process that began anew is all that it has; of one that was silent, nothing', () => {
    const growth = new Growth(
      at(10, { a: families(1, { x: 500 }, []), silent: undefined, gone: families(1, { x: 5 }, []) }),
      at(11, { a: families(9, { x: 20 }, []), silent: families(1, { x: 700 }, []), gone: undefined }),
    );
    expect(growth.rate('requests')).toBe(20);
  });
});

test.each([
  [0.5, [0, 0, 0, 0], null],
  [0.5, [10, 0, 0, 0], 0.0005],
  [0.5, [0, 10, 0, 0], 0.0055],
  [0.99, [0, 100, 0, 0], 0.00991],
  [0.99, [98, 0, 2, 0], 0.055],
  // No more is known than that it is above the last bound.
  [0.5, [1, 1, 1, 10], 0.1],
])('the %p-quantile of %p is %p', (q, counts, expected) => {
  const found = quantile(q, { bounds: BOUNDS, counts, sum: 0 });
  if (expected === null) expect(found).toBeNull();
  else expect(found).toBeCloseTo(expected, 6);
});

describe('the verdict', () => {
  const well: Signs = {
    missing: [],
    silent: [],
    failedShare: 0,
    latencyP99: 20,
    commitP99: 5,
    commitFailures: 0,
    deepest: 10,
    lags: [{ process: 'front 0', lagP99: 2 }],
  };
  test.each<[Partial<Signs>, string, string[]]>([
    [{}, 'good', []],
    [{ latencyP99: null, commitP99: null }, 'good', []],
    [
      { missing: ['worker 0 does not answer (4 partitions)'] },
      'bad',
      ['worker 0 does not answer (4 partitions)'],
    ],
    [{ silent: ['front 1'] }, 'bad', ['front 1 does not report']],
    [{ missing: ['worker 0 does not answer'], silent: ['worker 0'] }, 'bad', ['worker 0 does not answer']],
    [{ failedShare: 0.002 }, 'warning', ['0.2 % of requests fail']],
    [{ failedShare: 0.0004 }, 'warning', ['under 0.1 % of requests fail']],
    [{ failedShare: 0.25 }, 'bad', ['25.0 % of requests fail']],
    [{ latencyP99: 812.3 }, 'warning', ['one request in a hundred takes over 812 ms']],
    [{ commitP99: 300 }, 'warning', ['one commit in a hundred takes over 300 ms']],
    [{ commitFailures: 0.1 }, 'warning', ['the database refuses commits, or does not answer them']],
    [{ deepest: 5000 }, 'warning', ['5000 commands wait in one mailbox']],
    [{ lags: [{ process: 'worker 1', lagP99: 500 }] }, 'warning', ['worker 1 is busy for 500 ms at a time']],
    [
      { deepest: 5000, silent: ['front 1'] },
      'bad',
      ['front 1 does not report', '5000 commands wait in one mailbox'],
    ],
  ])('on %p is %s', (signs, level, reasons) => {
    expect(verdictOf({ ...well, ...signs })).toEqual({ level, reasons } as ReturnType<typeof verdictOf>);
  });
});
