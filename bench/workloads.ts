/** The workloads, in the order in which they are measured: most are comparisons, and no more than data. */
import { type Comparison, compare, type Measurement, secondsToCompare } from './compare.ts';
import { batch } from './experiments/batch.ts';
import { expiry } from './experiments/expiry.ts';
import { growth } from './experiments/growth.ts';
import { importing } from './experiments/import.ts';
import { latency } from './experiments/latency.ts';
import { memory } from './experiments/memory.ts';
import { overload } from './experiments/overload.ts';
import { recovery } from './experiments/recovery.ts';
import { LOADS, type Load } from './load.ts';
import type { Options } from './options.ts';
import type { ServerName } from './servers.ts';
import type { Session } from './session.ts';

export interface Workload {
  title: string;
  /** How long it will take, for the progress bar. */
  seconds(options: Options): number;
  measure(session: Session, name: string): Promise<Measurement>;
}

/** Every way to hold one line that there is. */
const RIVALS: ServerName[] = [
  'transaction',
  'for update',
  'statement',
  'batcher',
  'redis always',
  'redis everysec',
];

export const WORKLOADS: Record<string, Workload> = {
  uniform: comparison('10,000 SKUs, all alike', againstAll(LOADS.uniform)),
  zipf: comparison('10,000 SKUs, Zipf with exponent 1', {
    entries: [
      { server: 'no-op', load: LOADS.zipf },
      { server: 'holdfast', load: LOADS.zipf },
    ],
  }),
  hot: comparison('one SKU', againstAll(LOADS.hot)),
  sale: comparison('hold, then confirm (a sale) or cancel: two requests', {
    entries: [
      { server: 'holdfast', load: LOADS.uniform, what: 'hold' },
      { server: 'holdfast', load: LOADS.sale, what: 'hold + confirm' },
      { server: 'holdfast', load: LOADS.cancelled, what: 'hold + cancel' },
      { server: 'transaction', load: LOADS.sale, what: 'hold + confirm' },
      { server: 'statement', load: LOADS.sale, what: 'hold + confirm' },
    ],
  }),
  multi: comparison('3 lines of 3 partitions, beside 1 line', {
    entries: [
      { server: 'holdfast', load: LOADS.uniform, what: '1 line' },
      { server: 'holdfast', load: LOADS.multi, what: '3 lines' },
      { server: 'transaction', load: LOADS.multi, what: '3 lines' },
    ],
  }),
  'sold-out': comparison('one SKU with 1,000 units, and demand far beyond: refusals', {
    stock: 1000,
    entries: [
      { server: 'no-op', load: LOADS.storm },
      { server: 'holdfast', load: LOADS.storm },
    ],
  }),
  reads: comparison('GET of a SKU', {
    entries: [
      { server: 'no-op', load: LOADS.read },
      { server: 'holdfast', load: LOADS.read },
    ],
  }),
  batch,
  latency,
  overload,
  expiry,
  import: importing,
  recovery,
  memory,
  growth,
};

function comparison(title: string, what: Comparison): Workload {
  return {
    title,
    seconds: (options) => secondsToCompare(what, options),
    measure: (session, name) => compare(session, name, what),
  };
}

function againstAll(load: Load): Comparison {
  return {
    entries: [
      { server: 'no-op', load, always: true },
      ...RIVALS.map((server) => ({ server, load })),
      { server: 'holdfast', load, always: true },
    ],
  };
}
