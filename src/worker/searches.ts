/**
 * Searches of the database that callers ask for. They may be slow, so a few connections of their own are all that
 * they get: neither a commit nor another read ever waits for one. What can't start at once waits, up to a bound;
 * what has waited beyond its deadline is dropped, since its caller has gone.
 */
import type { Clock } from '../clock.ts';
import { SEARCHES_AT_ONCE, SEARCHES_WAITING_MAX } from '../limits.ts';
import { log } from '../observability/log.ts';
import { partitionOf } from '../routing/partition-map.ts';
import { failureText, type Sql } from '../storage/database.ts';
import { readLedger } from '../storage/read-ledger.ts';
import { searchReservations } from '../storage/search-reservations.ts';
import type { SearchStore } from '../storage/search-store.ts';
import type { Answer } from '../wire/link.ts';
import type { Reply, SearchRequest } from '../wire/messages.ts';

const TOO_SLOW: Reply = { kind: 'problem', code: 'search-too-slow' };

export class Searches {
  private running = 0;
  private readonly waiting: { request: SearchRequest; answer: Answer }[] = [];

  constructor(
    private readonly store: SearchStore,
    private readonly partitions: number,
    private readonly clock: Clock,
  ) {}

  receive(request: SearchRequest, answer: Answer): void {
    if (this.waiting.length >= SEARCHES_WAITING_MAX) return answer({ kind: 'problem', code: 'overloaded' });
    this.waiting.push({ request, answer });
    this.startWaiting();
  }

  private startWaiting(): void {
    while (this.running < SEARCHES_AT_ONCE) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      if (next.request.deadline <= this.clock.now()) next.answer(TOO_SLOW);
      else void this.run(next.request, next.answer);
    }
  }

  private async run(request: SearchRequest, answer: Answer): Promise<void> {
    this.running++;
    const found = await this.store
      .run((sql) => this.search(sql, request))
      .catch((error): Reply => {
        log.warn('search failed', { reason: failureText(error) });
        return { kind: 'problem', code: 'partition-unavailable' };
      });
    this.running--;
    answer(found === 'too-slow' ? TOO_SLOW : found);
    this.startWaiting();
  }

  private async search(sql: Sql, request: SearchRequest): Promise<Reply> {
    const { partitions } = this;
    const { sku } = request;
    if (request.kind === 'read-ledger') {
      const page = await readLedger(sql, { ...request, partition: partitionOf(request.sku, partitions) });
      return page === undefined ? { kind: 'problem', code: 'unknown-sku' } : { kind: 'entries', ...page };
    }
    const ofSku = sku === undefined ? undefined : { sku, partition: partitionOf(sku, partitions) };
    return { kind: 'found', ...(await searchReservations(sql, { ...request, partitions, sku: ofSku })) };
  }
}
