/**
 * Is every answer true? Each is checked against the histories when the client gets it: what it says has been committed
 * (I2), in all partitions (I6), and it is right at one moment between its request and itself (linearizability.ts: a
 * grant at its place in the ledger, a refusal or a read at some place that was the latest at some moment between).
 */
import { type Books, insist } from './books.ts';
import type { Answer, Call, Problem, Reservation, ReserveCall, Sourcing } from './calls.ts';
import { type Grant, grantsOf, type NumberedLine } from './grants.ts';
import { isOpen, type RowHistory, type RowState } from './histories.ts';
import { Linearizability } from './linearizability.ts';
import { StockAnswers } from './stock-answers.ts';
import type { World } from './world.ts';

export interface Exchange {
  call: Call;
  answer: Answer;
  /** When it was asked, in microseconds; with a key, for the first time. */
  from: number;
  /** It is never asked again. */
  isOnly: boolean;
}

/** Codes of answers that say that nothing has happened, and nothing will. */
const WITHOUT_EFFECT = ['overloaded', 'partition-unavailable'];
/** Codes that say that nobody knows. */
const UNKNOWN = [...WITHOUT_EFFECT, 'outcome-unknown'];

type AskedLine = NumberedLine & { sku: string };

export class Answers {
  checked = 0;
  readonly order: Linearizability;
  private readonly stock: StockAnswers;

  constructor(
    private readonly world: World,
    private readonly books: Books,
  ) {
    this.order = new Linearizability(world, books);
    this.stock = new StockAnswers(books, this.order);
  }

  /** @returns whether the answer settles the matter */
  check(exchange: Exchange): boolean {
    const { call, answer } = exchange;
    if (answer.status === 503) {
      const { code } = JSON.parse(answer.body) as Problem;
      insist(UNKNOWN.includes(code), () => `${call.kind} was answered 503 ${code}`);
      if (exchange.isOnly && WITHOUT_EFFECT.includes(code)) this.hadNoEffect(call);
      return false;
    }
    this.checked++;
    if (answer.status < 300) this.checkSuccess(exchange);
    else this.checkRefusal(exchange);
    return true;
  }

  private hadNoEffect(call: Call): void {
    if (call.kind === 'reserve' || call.kind === 'adjust') this.books.noEffect(call.body.reference);
  }

  private checkSuccess(exchange: Exchange): void {
    const { call, answer } = exchange;
    const body = JSON.parse(answer.body);
    switch (call.kind) {
      case 'put':
      case 'adjust':
        return this.stock.checkLevel(exchange, body);
      case 'levels':
        return this.stock.checkRead(exchange, body.levels);
      case 'reserve':
        return this.checkHeld(exchange, call, body);
      case 'read':
        return this.checkState(exchange, body, (state) => state.status === body.status);
      case 'extend':
        return this.checkState(
          exchange,
          body,
          (state) => state.status === 'held' && state.at >= exchange.from,
        );
      case 'confirm':
      case 'cancel':
        return this.checkClosed(exchange, body);
    }
  }

  private checkHeld({ from }: Exchange, call: ReserveCall, said: Reservation): void {
    const row = this.books.home(said.id);
    insist(row !== undefined, () => `I2: ${said.id} was answered, and is not committed`);
    const [first] = row!.states;
    insist(first.at >= from, () => `${said.id} was held before it was asked for`);
    insist(
      row!.reference === call.body.reference,
      () => `${said.id} is of ${row!.reference}, not ${call.body.reference}`,
    );
    insist(said.status === 'held', () => `${said.id} was answered to be ${said.status} at once`);
    insist(
      Date.parse(said.createdAt) === row!.createdAt,
      () => `${said.id} was not made at ${said.createdAt}`,
    );
    this.checkLines(row!, undefined, said);
    const lines = call.body.lines.map((line, number) => ({ ...line, line: number }));
    const parts = this.books.partsOf(row!);
    for (const sku of new Set(lines.map((line) => line.sku))) {
      const missing = (said.notGranted ?? []).filter((one) => one.sku === sku);
      const isGranted = (grants: Grant[]): boolean =>
        grants.every(({ line, allocations }) => sameAllocations(allocations, parts, line)) &&
        sameList(
          grants
            .filter((one) => sum(one.allocations) < one.requested)
            .map((one) => [one.line, sum(one.allocations)]),
          missing.map((one) => [one.line, one.granted]),
        );
      const asked = lines.filter((line) => line.sku === sku);
      this.checkGrants(said.id, sku, asked, call.body, from, isGranted);
    }
  }

  /** Units of one SKU, taken at their place in the ledger; or none, at some moment. */
  private checkGrants(
    id: string,
    sku: string,
    lines: AskedLine[],
    { sourcing, mode }: ReserveCall['body'],
    from: number,
    isGranted: (grants: Grant[]) => boolean,
  ): void {
    const isRight = (step: number): boolean => {
      const grants = this.grantsAt(sku, step, lines, sourcing, mode);
      return grants === undefined || isGranted(grants);
    };
    const taking = this.books.takings.get(`${id} ${sku}`);
    const what = (): string => `${id}: ${lines.map(({ line }) => `line ${line}`)} of ${sku}`;
    if (taking === undefined)
      return insist(this.order.sometime(sku, from, isRight), () => `${what()} could be granted`);
    const { levels, steps } = this.books.skus.get(sku)!;
    const { at, versions } = steps[taking];
    for (const [i, version] of versions.entries())
      this.order.saw(
        sku,
        levels[i].location,
        version,
        from,
        levels[i].versions[version - 1].reservation === id,
      );
    insist(at >= from, () => `${what()} was held before it was asked for`);
    insist(
      isRight(taking - 1),
      () => `${what()} was granted as nobody asked, of ${this.stockText(sku, taking - 1)}`,
    );
  }

  /** What would be granted of the stock after a step; undefined where that stock is not known. */
  private grantsAt(
    sku: string,
    step: number,
    lines: NumberedLine[],
    sourcing: Sourcing = { strategy: 'most-available' },
    mode: 'all' | 'partial' = 'all',
  ): Grant[] | undefined {
    const stock = this.books.skus.get(sku)?.stockAt(step) ?? [];
    if (stock.some(({ available }) => available === undefined)) return undefined;
    return grantsOf(stock as { location: string; available: number }[], lines, sourcing, mode);
  }

  private stockTexts(sku: string, from: number): string {
    const steps = [...(this.books.skus.get(sku)?.during(from, this.world.now) ?? [])];
    return steps.map((step) => this.stockText(sku, step)).join(' after ');
  }

  private stockText(sku: string, step: number): string {
    return JSON.stringify(this.books.skus.get(sku)?.stockAt(step));
  }

  /** The answer's lines are those of the rows, or what was sold of them. */
  private checkLines(row: RowHistory, state: RowState | undefined, said: Reservation): void {
    const left = state?.sold?.slice();
    const lines = new Map<number, Reservation['lines'][number]>();
    for (const { line, sku, location, quantity } of this.books.partsOf(row).sort((a, b) => a.line - b.line)) {
      const units = left === undefined ? quantity : Math.min(quantity, left[line] ?? 0);
      if (left !== undefined) left[line] -= units;
      if (units === 0) continue;
      const known = lines.get(line) ?? { sku, quantity: 0, allocations: [] };
      known.quantity += units;
      known.allocations.push({ location, quantity: units });
      lines.set(line, known);
    }
    insist(
      Bun.deepEquals([...lines.values()], said.lines),
      () =>
        `${row.id} has the lines ${JSON.stringify([...lines.values()])}, not ${JSON.stringify(said.lines)}`,
    );
  }

  /** It was in the state that was answered at some moment. */
  private checkState(
    { call, from }: Exchange,
    said: Reservation,
    isRight: (state: RowState) => boolean,
  ): void {
    const row = this.books.home(said.id)!;
    const state = row.states.find(
      (one, i) =>
        isRight(one) &&
        one.expiresAt === Date.parse(said.expiresAt) &&
        (row.states[i + 1] === undefined || row.states[i + 1].at >= from),
    );
    insist(
      state !== undefined,
      () => `${call.kind} of ${said.id} was answered ${JSON.stringify(said)}: ${statesText(row)}`,
    );
    this.checkLines(row, state!.status === 'confirmed' ? state : undefined, said);
  }

  private checkClosed({ call }: Exchange, said: Reservation): void {
    const row = this.books.home(said.id)!;
    const state = row.states.at(-1)!;
    const status = call.kind === 'confirm' ? 'confirmed' : 'cancelled';
    insist(
      said.status === status && state.status === status,
      () => `${call.kind} of ${said.id} was answered ${said.status}: ${statesText(row)}`,
    );
    this.checkTold(row, state, call.kind);
    this.checkLines(row, state, said);
  }

  /** I6: closed at its home, and in every other partition. */
  private checkTold({ id, participants, partition }: RowHistory, { reheldAs }: RowState, kind: string): void {
    const held = participants.filter((one) => isOpen(this.books.rows.get(`${one}/${id}`)));
    insist(held.length === 0, () => `I6: ${kind} of ${id} is answered, and still held at ${held}`);
    const again = reheldAs === null ? undefined : this.books.rows.get(`${partition}/${reheldAs}`);
    if (again !== undefined) this.checkTold(again, again.states.at(-1)!, kind);
  }

  private checkRefusal(exchange: Exchange): void {
    const { call, answer, from } = exchange;
    const problem = JSON.parse(answer.body) as Problem;
    const { code } = problem;
    this.hadNoEffect(call);
    switch (code) {
      case 'reservation-expired':
      case 'reservation-cancelled':
      case 'reservation-confirmed':
        return this.checkOver(exchange, code.slice('reservation-'.length));
      case 'insufficient-stock':
        return call.kind === 'confirm'
          ? this.checkRehold(call, problem, from)
          : this.checkShort(exchange, problem);
      case 'unknown-sku':
        if (call.kind === 'reserve') return this.checkShort(exchange, problem);
        return this.stock.checkNotStocked((call as Extract<Call, { sku: string }>).sku, from);
      case 'version-mismatch':
        return this.stock.checkMismatch(exchange);
      case 'unknown-level':
      case 'stock-below-zero':
        return this.stock.checkNotAdjusted(call as Extract<Call, { kind: 'adjust' }>, code, from);
      default:
        insist(
          false,
          () => `${call.kind} ${JSON.stringify(call)} was answered ${answer.status} ${answer.body}`,
        );
    }
  }

  private checkOver({ call, from }: Exchange, status: string): void {
    const row = this.books.home((call as { id: string }).id)!;
    const index = row.states.findLastIndex((one) => one.status === status);
    const next = row.states[index + 1];
    insist(
      index >= 0 && (next === undefined || next.at >= from),
      () => `${call.kind} of ${row.id} was answered that it is ${status}: ${statesText(row)}`,
    );
    if (call.kind !== 'extend') this.checkTold(row, row.states[index], call.kind);
  }

  private checkShort({ call, from }: Exchange, { errors }: Problem): void {
    const { lines, sourcing, mode } = (call as ReserveCall).body;
    const asked = lines.map((line, number) => ({ ...line, line: number }));
    this.checkErrors(asked, errors!, sourcing, mode, from);
  }

  private checkRehold(
    { id, body }: Extract<Call, { kind: 'confirm' }>,
    { errors }: Problem,
    from: number,
  ): void {
    // In part: which lines it was is the front's to say.
    if (body.lines !== undefined) return;
    const row = this.books.home(id)!;
    const parts = this.books.partsOf(row).sort((a, b) => a.line - b.line);
    // Lines are counted as the reservation has them: what a partial one was not granted is none of them.
    const numbers = [...new Set(parts.map(({ line }) => line))];
    const asked = parts.map((part) => ({ ...part, line: numbers.indexOf(part.line) }));
    this.checkErrors(asked, errors!, { strategy: 'in-order' }, 'all', from);
  }

  /** Each SKU that is refused was short by just that much at some moment. */
  private checkErrors(
    lines: AskedLine[],
    errors: NonNullable<Problem['errors']>,
    sourcing: Sourcing | undefined,
    mode: 'all' | 'partial' | undefined,
    from: number,
  ): void {
    insist(errors.length > 0, () => 'a refusal gives no reason');
    for (const sku of new Set(errors.map((error) => error.sku))) {
      const said = errors.filter((error) => error.sku === sku);
      const asked = lines.filter((line) => line.sku === sku);
      const isRight = (step: number): boolean => {
        const code = step < 0 ? 'unknown-sku' : 'insufficient-stock';
        const grants = this.grantsAt(sku, step, asked, sourcing, mode);
        if (grants === undefined) return true;
        return sameList(
          shortLines(grants).map((one) => [one.line, code, one.requested, one.available]),
          said.map((one) => [one.line, one.code, one.requested, one.available]),
        );
      };
      insist(
        this.order.sometime(sku, from, isRight),
        () => `${JSON.stringify(asked)} was refused: ${JSON.stringify(said)}; ${this.stockTexts(sku, from)}`,
      );
    }
  }
}

function statesText({ states }: RowHistory): string {
  return states.map(({ status, expiresAt, at }) => `${status} until ${expiresAt} at ${at}`).join(', ');
}

/** Lines that can't be granted; one that is asked for in parts is one line, with the parts that can't. */
function shortLines(grants: Grant[]): { line: number; requested: number; available: number }[] {
  const short: { line: number; requested: number; available: number }[] = [];
  for (const { line, requested, available } of grants) {
    if (available >= requested) continue;
    const known = short.find((one) => one.line === line) ?? { line, requested: 0, available: 0 };
    if (known.requested === 0) short.push(known);
    known.requested += requested;
    known.available += Math.max(0, available);
  }
  return short;
}

function sum(allocations: { quantity: number }[]): number {
  return allocations.reduce((total, { quantity }) => total + quantity, 0);
}

function sameList(a: unknown[][], b: unknown[][]): boolean {
  return a.length === b.length && a.join(';') === b.join(';');
}

function sameAllocations(
  expected: { location: string; quantity: number }[],
  parts: { line: number; location: string; quantity: number }[],
  line: number,
): boolean {
  return sameList(
    expected.map(({ location, quantity }) => [location, quantity]),
    parts.filter((part) => part.line === line).map(({ location, quantity }) => [location, quantity]),
  );
}
