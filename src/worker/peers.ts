/**
 * How a partition reaches another one: in this process, or over a link to the worker that owns it.
 * Here also lives what must be tried until it succeeds: telling participants of a decision.
 */
import type { Clock } from '../clock.ts';
import { REQUEST_DEADLINE_MS } from '../limits.ts';
import type { GrantedLine } from '../reservations/types.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import type { Answer, Link } from '../wire/link.ts';
import type { Reply, Request } from '../wire/messages.ts';
import type { Decision } from './state.ts';

const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 500;

export class Peers {
  private links: (Link | undefined)[] = [];
  /** Who is being told of what, under `partition id`, so that whoever asks again waits for the same. */
  private readonly telling = new Map<string, Promise<GrantedLine[]>>();
  private closed = false;

  constructor(
    private map: PartitionMap,
    private readonly self: number,
    private readonly clock: Clock,
    private readonly connectTo: (path: string) => Link,
    private readonly here: (request: Request, answer: Answer) => void,
    /** Whether the database has a partition's part of a reservation as held. */
    private readonly isHeld: (partition: number, id: string) => Promise<boolean>,
  ) {}

  /** From now on, whom to ask is what this map says. */
  adopt(map: PartitionMap): void {
    this.map = map;
    for (const link of this.links.splice(map.sockets.length)) link?.close();
  }

  /** Rejects with LinkBroken, like a link. */
  ask(request: Request & { partition: number }): Promise<Reply> {
    const owner = this.map.owner[request.partition];
    if (owner === this.self) return new Promise((resolve) => this.here(request, resolve));
    this.links[owner] ??= this.connectTo(this.map.sockets[owner]);
    return this.links[owner].ask(request);
  }

  /** A command to a peer that is dropped unless it is decided within a request's deadline. */
  deadline(): number {
    return this.clock.now() + REQUEST_DEADLINE_MS;
  }

  /**
   * Tells each participant until all have acknowledged, which may take until they are back.
   * @returns the participants' lines, or undefined if one of them no longer had them
   */
  async settle(
    participants: readonly number[],
    id: string,
    decision: Decision,
  ): Promise<GrantedLine[] | undefined> {
    const parts = await Promise.all(participants.map((partition) => this.tell(partition, id, decision)));
    return parts.some((lines) => lines.length === 0) ? undefined : parts.flat();
  }

  private tell(partition: number, id: string, decision: Decision): Promise<GrantedLine[]> {
    const key = `${partition} ${id}`;
    const told =
      this.telling.get(key) ??
      this.settleOne(partition, id, decision).finally(() => this.telling.delete(key));
    this.telling.set(key, told);
    return told;
  }

  private async settleOne(partition: number, id: string, decision: Decision): Promise<GrantedLine[]> {
    for (let retryMs = RETRY_MS_MIN; !this.closed; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
      const reply = await this.ask({
        kind: 'settle',
        partition,
        deadline: this.deadline(),
        id,
        ...decision,
        expiresAt: 0,
      }).catch(() => undefined);
      if (reply?.kind === 'settled' && (reply.lines.length > 0 || !(await this.isOpen(partition, id))))
        return reply.lines;
      await new Promise<void>((resolve) => this.clock.after(retryMs, resolve));
    }
    return [];
  }

  /** Whoever has nothing of it was told before; or has lost the partition, and does not know yet. */
  private async isOpen(partition: number, id: string): Promise<boolean> {
    return await this.isHeld(partition, id).catch(() => true);
  }

  close(): void {
    this.closed = true;
    for (const link of this.links) link?.close();
  }
}
