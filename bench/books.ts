/**
 * Whether what a server shows agrees with the answers that it gave: each figure must have changed by as much
 * as the answers say. A request without an answer may have had its effect, or not.
 */
import type { Load } from './load.ts';
import type { Effects } from './shot.ts';

/** What is counted: units reserved and on hand, reservations by status, their rows, and units promised twice. */
export type Quantity = 'reserved' | 'onHand' | 'held' | 'confirmed' | 'rows' | 'oversold' | 'drift';
/** What a server shows of some of them, in each place where it can be seen. */
export type Books = Partial<Record<Quantity, Record<string, number>>>;

/** A server that keeps books; several servers may share one. */
export interface Keeper {
  name: string;
  books(): Promise<Books>;
  /** Makes so many units of a SKU available. @returns by how much `onHand` rose */
  restock?(sku: string, available: number): Promise<number>;
}

/** What must have changed since the books were opened, at least and at most. */
export class Account {
  private readonly least = zeros();
  private readonly most = zeros();

  constructor(
    private readonly keeper: Keeper,
    private readonly opened: Books,
  ) {}

  static async open(keeper: Keeper): Promise<Account> {
    return new Account(keeper, await keeper.books());
  }

  /** What was answered to a load. */
  add({ lines, close }: Load, { held, closed, lost }: Effects): void {
    const mayBeClosed = close === undefined ? 0 : lost;
    const confirmed = close === 'confirm' ? closed : 0;
    this.change('reserved', (held - closed - mayBeClosed) * lines, (held - closed + lost) * lines);
    this.change('held', held - closed - mayBeClosed, held - closed + lost);
    this.change('rows', held * lines, (held + lost) * lines);
    if (close !== 'confirm') return;
    this.change('confirmed', confirmed, confirmed + lost);
    this.change('onHand', -(confirmed + lost) * lines, -confirmed * lines);
  }

  async restock(sku: string, available: number): Promise<void> {
    this.counted(await this.keeper.restock!(sku, available));
  }

  /** Counts found so many units more than before. */
  counted(units: number): void {
    this.change('onHand', units, units);
  }

  /** @returns a sentence for each figure that does not agree; none when the books balance */
  async faults(): Promise<string[]> {
    return imbalances(this.opened, await this.keeper.books(), this.least, this.most).map(
      (fault) => `${this.keeper.name}: ${fault}`,
    );
  }

  private change(quantity: Quantity, least: number, most: number): void {
    this.least[quantity] += least;
    this.most[quantity] += most;
  }
}

export function imbalances(
  before: Books,
  after: Books,
  least: Record<Quantity, number>,
  most: Record<Quantity, number>,
): string[] {
  return (Object.keys(after) as Quantity[]).flatMap((quantity) => {
    const rises = Object.entries(after[quantity]!).map(([place, value]) => ({
      place,
      rise: value - before[quantity]![place],
    }));
    const [low, high] = [least[quantity], most[quantity]];
    const range = low === high ? `${low}` : `${low} to ${high}`;
    const faults = rises
      .filter(({ rise }) => rise < low || rise > high)
      .map(({ place, rise }) => `${quantity} ${place} changed by ${rise}; the answers say ${range}`);
    if (faults.length === 0 && new Set(rises.map(({ rise }) => rise)).size > 1)
      faults.push(
        `${quantity} differs: ${rises.map(({ place, rise }) => `${place} it changed by ${rise}`).join(', ')}`,
      );
    return faults;
  });
}

function zeros(): Record<Quantity, number> {
  return { reserved: 0, onHand: 0, held: 0, confirmed: 0, rows: 0, oversold: 0, drift: 0 };
}
