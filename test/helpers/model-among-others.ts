/**
 * What a client can know that is not alone: its model takes over what each answer says was granted, and
 * the rest are bounds that hold whatever the others do. It has its reservations to itself, and nobody
 * counts stock meanwhile; so what all of them were told has to add up in the end.
 */
import { type Answer, availableOf, type Model, type Wish } from './model.ts';
import type { Level, Line, Problem, Reservation } from './shop.ts';

/** Takes over a grant. @returns what cannot be right about the answer */
export function grant(model: Model, wish: Wish, { status, body }: Answer): string[] {
  if (status !== 201) return refusalFaults(model, wish.lines, body);
  const { id, lines }: Reservation = body;
  const faults = wish.lines.flatMap(({ sku, quantity, location }, i) => {
    const granted = lines[i];
    const units = granted?.allocations.reduce((sum, part) => sum + part.quantity, 0);
    if (granted?.sku !== sku || granted.quantity !== quantity || units !== quantity)
      return [`line ${i} is not as it was asked for`];
    const allowed = location === undefined ? wish.sourcing?.locations : [location];
    return granted.allocations
      .filter((part) => allowed?.includes(part.location) === false || part.quantity < 1)
      .map((part) => `line ${i} has ${part.quantity} of ${part.location}`);
  });
  if (lines.length !== wish.lines.length) faults.push(`${lines.length} lines`);
  if (faults.length === 0) model.hold({ ...body, id });
  return faults;
}

function refusalFaults(model: Model, lines: Line[], { code, errors = [] }: Problem): string[] {
  const unknown = lines.some(({ sku }) => !model.levels.has(sku));
  if (code !== (unknown ? 'unknown-sku' : 'insufficient-stock')) return [`refused with ${code}`];
  if (errors.length === 0) return ['refused without a line at fault'];
  return errors.flatMap(({ line, sku, requested, available }) => {
    const asked = lines[line!];
    const right =
      asked?.sku === sku && asked?.quantity === requested && available! >= 0 && available! < requested!;
    return right ? [] : [`line ${line} was refused with ${available} available`];
  });
}

/** @returns what no moment can have shown, with the client's own reservations as they are */
export function observe(model: Model, levels: Level[]): string[] {
  return levels.flatMap((level) => {
    const { sku, location, onHand, reserved, safetyStock, backorderLimit, available, version } = level;
    const known = model.levels.get(sku)?.find((one) => one.location === location);
    const where = `${sku} at ${location}`;
    if (known === undefined) return [`${where} was never made`];
    const own = model.heldAt(sku, location);
    const faults: string[] = [];
    if (reserved < own) faults.push(`${where} has ${reserved} reserved, and this client alone holds ${own}`);
    if (available !== availableOf(level)) faults.push(`${where}: ${available} is not what is available`);
    if (available < Math.min(0, availableOf(known)))
      faults.push(`${where} is oversold: ${available} available`);
    if (version < known.version) faults.push(`${where} went from version ${known.version} to ${version}`);
    const counted = [known.onHand, known.safetyStock, known.backorderLimit];
    if (!Bun.deepEquals(counted, [onHand, safetyStock, backorderLimit]))
      faults.push(`${where} was counted anew`);
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
    for (const [sku, levels] of sum.levels)
      for (const [i, level] of levels.entries()) {
        const before = base.levels.get(sku)![i];
        const after = client.levels.get(sku)![i];
        level.onHand += after.onHand - before.onHand;
        level.reserved += after.reserved - before.reserved;
        level.version = Math.max(level.version, after.version);
        level.versionIsKnown = false;
      }
  }
  return sum;
}
