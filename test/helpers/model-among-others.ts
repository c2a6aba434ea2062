/**
 * What a client can know that is not alone: its model takes over what each answer says was granted, and
 * the rest are bounds that hold whatever the others do. It has its reservations to itself, and stock
 * only comes in meanwhile; so what all of them were told has to add up in the end.
 */
import { type Answer, differences, type Model, type Wish } from './model.ts';
import { availableOf } from './model-shelves.ts';
import type { Level, Line, Problem, Reservation } from './shop.ts';

/** Takes over a grant. @returns what cannot be right about the answer */
export function grant(model: Model, wish: Wish, { status, body }: Answer): string[] {
  const {
    notGranted = [],
    ...reservation
  }: Reservation & { notGranted?: { line: number; granted: number }[] } = body;
  if (status !== 201) return refusalFaults(model, wish.lines, body);
  const wanted = wish.lines.flatMap((line, i) => {
    const short = notGranted.find((one) => one.line === i);
    const quantity = short?.granted ?? line.quantity;
    return quantity === 0 ? [] : [{ ...line, quantity }];
  });
  if (wish.mode !== 'partial' && notGranted.length > 0) return ['something was not granted'];
  if (reservation.lines.length !== wanted.length) return [`${reservation.lines.length} lines`];
  const faults = wanted.flatMap(({ sku, quantity, location }, i) => {
    const granted = reservation.lines[i];
    const units = granted.allocations.reduce((sum, part) => sum + part.quantity, 0);
    if (granted.sku !== sku || granted.quantity !== quantity || units !== quantity)
      return [`line ${i} is not as it was asked for`];
    const allowed = location === undefined ? wish.sourcing?.locations : [location];
    return granted.allocations
      .filter((part) => allowed?.includes(part.location) === false || part.quantity < 1)
      .map((part) => `line ${i} has ${part.quantity} of ${part.location}`);
  });
  if (faults.length === 0) model.hold(reservation);
  return faults;
}

function refusalFaults(model: Model, lines: Line[], { code, errors = [] }: Problem): string[] {
  const unknown = lines.some(({ sku }) => !model.shelves.bySku.has(sku));
  if (code !== (unknown ? 'unknown-sku' : 'insufficient-stock')) return [`refused with ${code}`];
  if (errors.length === 0) return ['refused without a line at fault'];
  return errors.flatMap(({ line, sku, requested, available }) => {
    const asked = lines[line!];
    const right =
      asked?.sku === sku && asked?.quantity === requested && available! >= 0 && available! < requested!;
    return right ? [] : [`line ${line} was refused with ${available} available`];
  });
}

/** Takes over what has come in. @returns what cannot be right about the answer */
export function receive(
  model: Model,
  sku: string,
  location: string,
  delta: number,
  answer: Answer,
): string[] {
  const shelf = model.shelves.find(sku, location);
  if (shelf === undefined) return differences(model.adjust(sku, location, delta, answer), answer);
  if (answer.status !== 200) return [`refused with ${answer.body.code}`];
  shelf.onHand += delta;
  return observe(model, [answer.body]);
}

/** @returns what no moment can have shown, with the client's own reservations as they are */
export function observe(model: Model, levels: Level[]): string[] {
  return levels.flatMap((level) => {
    const { sku, location, reserved, safetyStock, backorderLimit, available, version } = level;
    const known = model.shelves.find(sku, location);
    const where = `${sku} at ${location}`;
    if (known === undefined) return [`${where} was never made`];
    const own = model.heldAt(sku, location);
    const faults: string[] = [];
    if (reserved < own) faults.push(`${where} has ${reserved} reserved, and this client alone holds ${own}`);
    if (available !== availableOf(level)) faults.push(`${where}: ${available} is not what is available`);
    if (available < Math.min(0, availableOf(known)))
      faults.push(`${where} is oversold: ${available} available`);
    if (version < known.version) faults.push(`${where} went from version ${known.version} to ${version}`);
    const limits = [known.safetyStock, known.backorderLimit];
    if (!Bun.deepEquals(limits, [safetyStock, backorderLimit])) faults.push(`${where} was counted anew`);
    known.version = Math.max(known.version, version);
    return faults;
  });
}

/** What there must be in the end: what was there before, and what each client was told has changed. */
export function merged(base: Model, clients: Model[]): Model {
  const sum = base.clone();
  for (const client of clients) {
    for (const [id, reservation] of client.reservations)
      if (!base.reservations.has(id)) sum.reservations.set(id, reservation);
    for (const [sku, levels] of sum.shelves.bySku)
      for (const [i, level] of levels.entries()) {
        const before = base.shelves.bySku.get(sku)![i];
        const after = client.shelves.bySku.get(sku)![i];
        level.onHand += after.onHand - before.onHand;
        level.reserved += after.reserved - before.reserved;
        level.version = Math.max(level.version, after.version);
        level.versionIsKnown = false;
      }
  }
  return sum;
}
