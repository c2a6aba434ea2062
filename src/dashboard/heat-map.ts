/**
 * The partitions, each a cell, with the worker that owns them: the more, the stronger. One cell is the selected
 * one, by pointer, tap or arrow keys, and the line below says everything about it; without one, about the strongest.
 */
import { byId, fillTable, make, mark, say } from './dom.ts';
import { count, perSecond } from './format.ts';
import type { Partitions } from './live.ts';

const MEASURES = {
  rate: { name: 'commands', format: perSecond },
  held: { name: 'held', format: count },
  depth: { name: 'waiting', format: count },
  levels: { name: 'levels', format: count },
} as const;
type Measure = keyof typeof MEASURES;

/** With more of them, cells are small. */
const LARGE_MAX = 512;
const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };

export class HeatMap {
  private measure: Measure = 'rate';
  private partitions: Partitions | undefined;
  private cells: HTMLElement[] = [];
  private selected: number | undefined;
  /** Which worker owns what, as the cells are grouped now. */
  private grouped = '';

  constructor() {
    for (const [measure, { name }] of Object.entries(MEASURES)) {
      const input = make('input', { type: 'radio', name: 'measure', checked: measure === this.measure });
      input.addEventListener('change', () => {
        this.measure = measure as Measure;
        this.paint();
      });
      byId('measures').append(make('label', {}, input, name));
    }
    const map = byId('heat-map');
    for (const event of ['pointerover', 'click'])
      map.addEventListener(event, ({ target }) => this.select((target as HTMLElement).dataset.partition));
    map.addEventListener('pointerleave', () => this.select(undefined));
    map.addEventListener('keydown', (event) => this.step(event));
  }

  show(partitions: Partitions): void {
    this.partitions = partitions;
    const grouping = partitions.worker.join();
    if (grouping !== this.grouped) this.group(partitions.worker);
    this.grouped = grouping;
    this.paint();
    fillTable('workers', workerRows(partitions));
  }

  private group(owners: number[]): void {
    this.cells = owners.map((_, partition) => {
      const cell = make('span', { id: `partition-${partition}`, role: 'option', ariaSelected: 'false' });
      cell.ariaLabel = `partition ${partition}`;
      cell.dataset.partition = String(partition);
      return cell;
    });
    const groups = [...new Set(owners)]
      .sort((a, b) => a - b)
      .map((worker) => {
        const cells = this.cells.filter((_, partition) => owners[partition] === worker);
        const title = make('h3', { textContent: `worker ${worker} · ${cells.length} partitions` });
        const list = make('div', { className: 'cells', role: 'listbox', tabIndex: 0 }, ...cells);
        list.classList.toggle('many', owners.length > LARGE_MAX);
        list.ariaLabel = `Partitions of worker ${worker}`;
        return make('div', { className: 'worker' }, title, list);
      });
    byId('heat-map').replaceChildren(...groups);
  }

  private paint(): void {
    const { partitions, cells, measure } = this;
    if (partitions === undefined) return;
    const values = partitions[measure];
    const most = values.reduce((most: number, value) => Math.max(most, value ?? 0), 0);
    for (const [partition, cell] of cells.entries()) {
      // Anything at all can be told from nothing.
      const value = values[partition] ?? 0;
      const heat = value === 0 ? 0 : Math.round(12 + (88 * value) / most);
      cell.style.setProperty('--heat', String(heat));
      mark(cell, 'serving', partitions.serving[partition] ? undefined : 'false');
    }
    const { format, name } = MEASURES[measure];
    say(byId('heat-scale'), `0 to ${format(most)}${measure === 'rate' ? '' : ` ${name}`}`);
    this.describe(most);
  }

  private describe(most: number): void {
    const { partitions, measure, selected } = this;
    if (partitions === undefined) return;
    if (selected !== undefined) return say(byId('partition-detail'), sentence(partitions, selected));
    const strongest = partitions[measure].indexOf(most);
    const text =
      most === 0
        ? 'Point at a partition, or choose one by arrow keys'
        : `Most: ${sentence(partitions, strongest)}`;
    say(byId('partition-detail'), text);
  }

  private select(partition: string | undefined): void {
    if (this.selected !== undefined) this.cells[this.selected].ariaSelected = 'false';
    this.selected = partition === undefined ? undefined : Number(partition);
    const cell = this.selected === undefined ? undefined : this.cells[this.selected];
    if (cell !== undefined) {
      cell.ariaSelected = 'true';
      cell.parentElement!.setAttribute('aria-activedescendant', cell.id);
    }
    this.paint();
  }

  private step(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    const list = (event.target as HTMLElement).closest('[role="listbox"]');
    if (step === undefined || list === null) return;
    event.preventDefault();
    const cells = [...list.children] as HTMLElement[];
    const at = cells.findIndex(({ ariaSelected }) => ariaSelected === 'true');
    const isRow = event.key === 'ArrowLeft' || event.key === 'ArrowRight';
    const across = isRow ? 1 : getComputedStyle(list).gridTemplateColumns.split(' ').length;
    const next = at < 0 ? 0 : at + step * across;
    if (next in cells) this.select(cells[next].dataset.partition);
  }
}

function sentence(partitions: Partitions, partition: number): string {
  const { worker, serving, epoch, levels, held, depth, rate } = partitions;
  const where = `partition ${partition} · worker ${worker[partition]}`;
  if (epoch[partition] === null) return `${where} · does not answer`;
  const state = serving[partition] ? '' : ' · loading';
  return `${where}${state} · epoch ${epoch[partition]} · ${count(levels[partition])} ${levels[partition] === 1 ? 'level' : 'levels'} · ${count(held[partition])} held · ${count(depth[partition])} waiting · ${perSecond(rate[partition])}`;
}

function workerRows({ worker: owners, serving, epoch, ...measures }: Partitions): string[][] {
  return [...new Set(owners)]
    .sort((a, b) => a - b)
    .map((worker) => {
      const own = [...owners.keys()].filter((partition) => owners[partition] === worker);
      const sum = (of: (number | null)[]): number =>
        own.reduce((total, partition) => total + (of[partition] ?? 0), 0);
      const epochs = own.map((partition) => epoch[partition]).filter((value) => value !== null);
      return [
        String(worker),
        count(own.length),
        count(own.filter((partition) => serving[partition]).length),
        epochs.length === 0 ? '–' : String(Math.max(...epochs)),
        ...[measures.rate, measures.levels, measures.held, measures.depth].map((of) => count(sum(of))),
      ];
    });
}
