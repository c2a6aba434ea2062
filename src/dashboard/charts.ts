/** The curves, one below the other in time: what each shows, and uPlot told how. */
import type uPlotType from 'uplot';
import { byId, make, say } from './dom.ts';
import { count, milliseconds, perSecond, timeOfDay } from './format.ts';
import type { Point } from './live.ts';

type Curve = Exclude<keyof Point, 'at'>;

interface Chart {
  title: string;
  curves: { of: Curve; name: string }[];
  format(value: number | null | undefined): string;
  /** Of an axis on which every tenfold has the same room. */
  logarithmic?: boolean;
  /** What is there instead of curves that show nothing. */
  empty: string;
  /** Whether curves that lie on the ground show something. */
  zeroSays?: boolean;
}

const CHARTS: Chart[] = [
  {
    title: 'Throughput',
    curves: [
      { of: 'requests', name: 'requests' },
      { of: 'granted', name: 'granted' },
      { of: 'refused', name: 'out of stock' },
      { of: 'failed', name: 'failed' },
    ],
    format: perSecond,
    empty: 'No traffic yet',
  },
  {
    title: 'Latency',
    curves: [
      { of: 'p50', name: 'p50' },
      { of: 'p99', name: 'p99' },
    ],
    format: milliseconds,
    logarithmic: true,
    empty: 'No traffic yet',
  },
  {
    title: 'Batch size, in commands a commit',
    curves: [
      { of: 'batchMean', name: 'mean' },
      { of: 'batchP99', name: 'p99' },
    ],
    format: count,
    empty: 'No commits yet',
  },
  {
    title: 'Mailbox depth, in commands',
    curves: [
      { of: 'waiting', name: 'all' },
      { of: 'deepest', name: 'fullest' },
    ],
    format: count,
    empty: 'Waiting for the first figures',
    zeroSays: true,
  },
];

const SECONDS_MIN = 60;
const SECONDS_MAX = 300;
/** Points further apart than this are not joined. */
const GAP_MS = 2500;
const LABEL_EVERY_MS = 5000;
const FONT = '12px system-ui, sans-serif';

class Plot {
  private readonly plot: HTMLElement;
  private readonly legend: HTMLElement;
  private readonly empty: HTMLElement;
  private readonly chart: uPlotType;
  private points: (Point | undefined)[] = [];
  private labelledAt = 0;

  constructor(
    private readonly what: Chart,
    parent: HTMLElement,
  ) {
    this.legend = make('dl', { className: 'legend' });
    for (const { of, name } of what.curves) {
      const entry = make('div', {}, make('dt', { textContent: name }), make('dd', { textContent: '–' }));
      entry.dataset.series = of;
      this.legend.append(entry);
    }
    this.empty = make('p', { className: 'empty', textContent: 'Waiting for the first figures' });
    this.plot = make('div', { className: 'plot', role: 'img' }, this.empty);
    const head = make(
      'div',
      { className: 'card-head' },
      make('h2', { textContent: what.title }),
      this.legend,
    );
    parent.append(make('div', { className: 'chart' }, head, this.plot));
    this.chart = new uPlot(this.options(), [[], ...what.curves.map(() => [])], this.plot);
    this.chart.root.hidden = true;
    new ResizeObserver(() => this.chart.setSize(this.size())).observe(this.plot);
  }

  /** @param points with undefined where the curves are to be broken */
  show(points: (Point | undefined)[], times: number[]): void {
    const { curves, empty, format, zeroSays = false } = this.what;
    this.points = points;
    const columns = curves.map(({ of }) => points.map((point) => point?.[of] ?? null));
    const isEmpty = columns.every((column) =>
      column.every((value) => value === null || (value === 0 && !zeroSays)),
    );
    this.empty.hidden = !isEmpty;
    this.chart.root.hidden = isEmpty;
    if (points.length > 0) say(this.empty, empty);
    this.chart.setData([times, ...columns]);
    this.showValues(this.chart.cursor.idx);
    if (Date.now() - this.labelledAt < LABEL_EVERY_MS) return;
    this.labelledAt = Date.now();
    const last = points.at(-1);
    const values = curves.map(({ of, name }) => `${name} ${format(last?.[of])}`).join(', ');
    this.plot.ariaLabel = `${this.what.title}: ${isEmpty ? empty : values}`;
  }

  redraw(): void {
    this.chart.redraw(false);
  }

  /** Those under the cursor, or else the last. */
  private showValues(index: number | null | undefined): void {
    const point = this.points[index ?? this.points.length - 1];
    for (const [at, { of }] of this.what.curves.entries())
      say(this.legend.children[at].lastElementChild!, this.what.format(point?.[of]));
  }

  private size(): { width: number; height: number } {
    return { width: this.plot.clientWidth, height: this.plot.clientHeight };
  }

  private options(): uPlotType.Options {
    const { curves, format, logarithmic } = this.what;
    const axis = {
      font: FONT,
      stroke: () => colour('--muted'),
      grid: { stroke: () => colour('--grid'), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.size(),
      // Room for half of the last time.
      padding: [10, 30, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'time' }, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { range: (_plot, _min, max) => this.span(max) },
        y: logarithmic
          ? { distr: 3, range: (_plot, min, max) => [roundBelow(min ?? 1), roundAbove(max ?? 100)] }
          : { range: (_plot, _min, max) => [0, Math.max(4, (max ?? 0) * 1.1)] },
      },
      axes: [
        {
          ...axis,
          space: 90,
          size: 26,
          gap: 8,
          values: (_plot, ticks) => ticks.map((tick) => timeOfDay(tick * 1000)),
        },
        {
          ...axis,
          size: 62,
          gap: 8,
          ...(logarithmic && {
            space: 22,
            splits: (_plot: uPlotType, _axis: number, min: number, max: number) => steps(min, max),
            filter: everyTick,
          }),
          values: (_plot, ticks) => ticks.map((tick) => (tick === null ? '' : format(tick))),
        },
      ],
      series: [
        {},
        ...curves.map(({ of }) => ({
          stroke: () => colour('--series', this.legend.querySelector(`[data-series="${of}"]`)!),
          width: 2,
          // The whole, behind its parts.
          fill: of === 'requests' ? () => colour('--area') : undefined,
          points: { show: false },
        })),
      ],
      hooks: { setCursor: [({ cursor }) => this.showValues(cursor.idx)] },
    };
  }

  /** Seconds: all that there is, but neither too few for a curve nor more than are kept. */
  private span(newest: number | null): [number, number] {
    const to = newest ?? Date.now() / 1000;
    const oldest = this.points.find((point) => point !== undefined)?.at ?? 0;
    const seconds = Math.min(SECONDS_MAX, Math.max(SECONDS_MIN, to - oldest / 1000));
    return [to - seconds, to];
  }
}

/** Where a logarithmic axis begins, ends, and has its lines: 1, 2, 5, 10, 20, 50 … */
const STEPS = [-1, 0, 1, 2, 3, 4, 5].flatMap((power) =>
  [1, 2, 5].map((digit) => Number(`${digit}e${power}`)),
);
function roundBelow(value: number): number {
  return STEPS.findLast((step) => step < value) ?? STEPS[0];
}
function roundAbove(value: number): number {
  return STEPS.find((step) => step > value) ?? STEPS[STEPS.length - 1];
}
function steps(min: number, max: number): number[] {
  return STEPS.filter((step) => step >= min && step <= max);
}
/** uPlot's own choice for a logarithmic axis leaves out most labels. */
const everyTick: uPlotType.Axis.Filter = (_plot, splits) => splits;

/** What a custom property is in this scheme: canvas does not know of light-dark(). */
const probe = make('span', { hidden: true });
function colour(property: string, within: Element = document.body): string {
  within.append(probe);
  probe.style.color = `var(${property})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export class Charts {
  private readonly plots: Plot[];
  private points: Point[] = [];

  constructor() {
    const parent = byId('charts');
    this.plots = CHARTS.map((chart) => new Plot(chart, parent));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const plot of this.plots) plot.redraw();
    });
  }

  /** What a front knows from before; another one may know less than is here already. */
  remember(points: Point[]): void {
    const known = new Set(this.points.map(({ at }) => at));
    this.points = [...this.points, ...points.filter(({ at }) => !known.has(at))].sort((a, b) => a.at - b.at);
  }

  show(point: Point | undefined): void {
    if (point !== undefined) this.points.push(point);
    const since = Date.now() - SECONDS_MAX * 1000;
    this.points = this.points.filter(({ at }) => at >= since);
    const shown: (Point | undefined)[] = [];
    const times: number[] = [];
    for (const [index, point] of this.points.entries()) {
      const before = this.points[index - 1];
      if (before !== undefined && point.at - before.at > GAP_MS) {
        shown.push(undefined);
        times.push((before.at + 1) / 1000);
      }
      shown.push(point);
      times.push(point.at / 1000);
    }
    for (const plot of this.plots) plot.show(shown, times);
  }

  /** The newest first. */
  latest(most: number): Point[] {
    return this.points.slice(-most).reverse();
  }
}
