/**
 * What must be true when nothing goes wrong any more: everyone gets an answer, every partition hears what was decided, everything
 * that runs out gives its stock back on time, memory is what the database says, and a key still has its answer.
 */
import { TOMBSTONE_MS } from '../../src/limits.ts';
import type { MemoryDatabase } from '../helpers/memory-database.ts';
import { insist } from './books.ts';
import { type Level, requestOf } from './calls.ts';
import type { Client } from './client.ts';
import type { Faults } from './faults.ts';
import { isOpen, statusOf } from './histories.ts';
import type { Site } from './server.ts';
import type { Shop } from './workload.ts';

/** After the last fault, service is back by itself, and all clients have their answers. */
const SERVICE_BACK_MS = 90_000;
/** Then every participant has heard of every decision. */
const TOLD_WITHIN_MS = 20_000;
/** What is still wrong for a moment after the last fault may make an expiry late. */
const CALM_AFTER_MS = 30_000;
/** Expiry, and what a participant takes to ask. */
const RUN_OUT_MS = 2000;
const ASKED_AGAIN_MOST = 40;

export class Rest {
  constructor(
    private readonly site: Site,
    private readonly database: MemoryDatabase,
    private readonly faults: Faults,
    private readonly clients: Client[],
    private readonly shop: Shop,
  ) {}

  async come(clientsDone: Promise<unknown>): Promise<void> {
    const { world, books } = this.site;
    books.calmSinceMs = world.wallMs() + CALM_AFTER_MS;
    const late = await Promise.race([clientsDone, world.sleep(SERVICE_BACK_MS).then(() => 'late')]);
    insist(late !== 'late', () => `clients have no answer ${SERVICE_BACK_MS} ms after the last fault`);
    await this.untilServed();
    await world.sleep(TOLD_WITHIN_MS);
    this.checkTold();
    await world.sleep(Math.max(0, this.lastExpiry() - world.wallMs()) + RUN_OUT_MS);
    this.checkNothingHeld();
    await world.sleep(TOMBSTONE_MS + RUN_OUT_MS);
    await this.checkMemory();
    await this.checkKeys();
    await world.sleep(TOMBSTONE_MS + RUN_OUT_MS);
    for (const server of this.faults.liveServers)
      for (const worker of server.liveWorkers) worker.process.kill();
    await this.untilServed();
    await this.checkMemory();
  }

  private async untilServed(): Promise<void> {
    const { world } = this.site;
    const giveUpAt = world.now + SERVICE_BACK_MS * 1000;
    while ((await this.serving()) < this.partitions) {
      insist(world.now < giveUpAt, () => `not every partition is served after ${SERVICE_BACK_MS} ms`);
      await world.sleep(200);
    }
  }

  private get server() {
    return this.faults.liveServers[0];
  }
  private get partitions(): number {
    return this.server.map.owner.length;
  }
  private async statuses() {
    const [front] = this.server.liveFronts;
    return front === undefined ? [] : (await front.statuses()).flatMap((status) => status?.partitions ?? []);
  }
  private async serving(): Promise<number> {
    return (await this.statuses()).filter(({ state }) => state === 'serving').length;
  }

  /** I6: no decision is left that a participant has not heard. */
  private checkTold(): void {
    const { books } = this.site;
    for (const row of books.rows.values()) {
      if (row.home === row.partition || !isOpen(row)) continue;
      const home = books.rows.get(`${row.home}/${row.id}`);
      insist(
        isOpen(home),
        () => `I6: ${row.id} is held at ${row.partition}, and ${statusOf(home)} at its home ${row.home}`,
      );
    }
  }

  private lastExpiry(): number {
    const open = [...this.site.books.rows.values()].filter(isOpen);
    return Math.max(0, ...open.map(({ states }) => states.at(-1)!.expiresAt));
  }

  private checkNothingHeld(): void {
    for (const row of this.site.books.rows.values())
      insist(
        !isOpen(row),
        () => `${row.id} is held at ${row.partition} after its expiry at ${row.states.at(-1)!.expiresAt}`,
      );
    for (const level of [...this.database.levels.values()].flat())
      insist(
        level.reserved === 0,
        () => `I3: ${level.reserved} of ${level.sku} at ${level.location} are reserved, and nothing is held`,
      );
    this.checkGivenBack();
  }

  /** I3: each reservation took its units once, and gave them back once. */
  private checkGivenBack(): void {
    const units = new Map<string, number>();
    for (const { partition, kind, reservation, reservedDelta } of [...this.database.ledger.values()].flat()) {
      if (reservation === null) continue;
      const key = `${partition}/${reservation} ${kind === 'held' ? 'took' : 'gave'}`;
      units.set(key, (units.get(key) ?? 0) + reservedDelta);
    }
    for (const [key, { lines }] of this.site.books.rows) {
      const held = lines.reduce((sum, value, i) => sum + (i % 3 === 2 ? value : 0), 0);
      const [took, gave] = [units.get(`${key} took`) ?? 0, -(units.get(`${key} gave`) ?? 0)];
      insist(
        took === held && gave === held,
        () => `I3: ${key} is of ${held} units, took ${took} and gave ${gave} back`,
      );
    }
  }

  /** I3: what callers read from memory is what the database has, and nothing else is left in memory. */
  private async checkMemory(): Promise<void> {
    for (const { partition, held, mailboxDepth } of await this.statuses())
      insist(
        held === 0 && mailboxDepth === 0,
        () =>
          `partition ${partition} remembers ${held} reservations and ${mailboxDepth} commands, and nothing is open`,
      );
    for (const sku of this.shop.skus) {
      const answer = await this.server.liveFronts[0]?.ask(requestOf({ kind: 'levels', sku }, undefined));
      insist(answer?.status === 200, () => `${sku} cannot be read: ${answer?.status} ${answer?.body}`);
      for (const level of (JSON.parse(answer!.body) as { levels: Level[] }).levels) {
        const row = [...this.database.levels.values()]
          .flat()
          .find((one) => one.sku === sku && one.location === level.location)!;
        const fields = ['onHand', 'reserved', 'safetyStock', 'backorderLimit', 'version'] as const;
        insist(
          fields.every((field) => row[field] === level[field]),
          () => `I3: in memory ${JSON.stringify(level)}, in the database ${JSON.stringify(row)}`,
        );
      }
    }
  }

  /** I5: after all that, the same answer again. */
  private async checkKeys(): Promise<void> {
    for (const client of this.clients)
      for (const remembered of client.remembered.slice(-ASKED_AGAIN_MOST)) await client.askAgain(remembered);
  }
}
