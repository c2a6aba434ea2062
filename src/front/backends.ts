/**
 * The front's side of the partition map: which worker to ask, and what to make of a worker that does
 * not answer. An answer always comes, by the request's deadline at the latest; that a worker could not
 * be asked, or did not say, is an answer too.
 */

import type { Keyring } from '../access/keyring.ts';
import type { Clock } from '../clock.ts';
import { gauge } from '../observability/metrics.ts';
import type { TraceContext } from '../observability/trace-context.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import { connect, type Link, LinkBroken } from '../wire/link.ts';
import type {
  HotSku,
  HottestRequest,
  ReadApiKeysRequest,
  Reply,
  Request,
  SearchRequest,
  StatusRequest,
  WorkerStatus,
} from '../wire/messages.ts';
import type { Deadlines } from './deadlines.ts';

export type PartitionRequest = Exclude<
  Request,
  StatusRequest | HottestRequest | SearchRequest | ReadApiKeysRequest
>;

/** No reply. If `sent`, the worker may have done what was asked; otherwise it never heard of it. */
export interface Lost {
  kind: 'lost';
  sent: boolean;
}
const LOST_AFTER_SENT: Lost = { kind: 'lost', sent: true };
const LOST_UNSENT: Lost = { kind: 'lost', sent: false };
const NO_WORKER: Reply = { kind: 'problem', code: 'partition-unavailable' };
const TOO_SLOW: Reply = { kind: 'problem', code: 'search-too-slow' };

export type Answer = Reply | Lost;

/** What the request handlers need; tests put their own in its place. */
export interface Asker {
  readonly partitions: number;
  ask(request: PartitionRequest, giveUpAt?: number): Promise<Answer>;
}

export class Backends implements Asker {
  readonly partitions: number;
  private readonly links: Link[];
  private trace: TraceContext | undefined;
  private turn = 0;

  constructor(
    readonly map: PartitionMap,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
    connectTo: (path: string) => Link = connect,
  ) {
    this.partitions = map.owner.length;
    this.links = map.sockets.map(connectTo);
    this.watchLinks();
  }

  /** The same workers, which are told that what they are asked is part of a trace. */
  traced(trace: TraceContext): Backends {
    return Object.assign(Object.create(this), { trace });
  }

  ask(request: PartitionRequest, giveUpAt = request.deadline): Promise<Answer> {
    return this.askLink(this.links[this.map.owner[request.partition]], request, giveUpAt);
  }

  /** Asks the workers in turn, and the next one where one can't be asked or can't say: a search changes nothing. */
  async search(request: SearchRequest): Promise<Reply> {
    const { links } = this;
    const first = this.turn++;
    for (let i = 0; i < links.length; i++) {
      const answer = await this.askLink(links[(first + i) % links.length], request, request.deadline);
      const isUnable = answer.kind === 'problem' && answer.code === 'partition-unavailable';
      if (answer.kind !== 'lost' && !isUnable) return answer;
      if (this.clock.now() >= request.deadline) return TOO_SLOW;
    }
    return NO_WORKER;
  }

  /** The API keys, of another worker each time: one that hangs does not keep them from us. Undefined: it can't say now. */
  async keyring(withinMs: number): Promise<Keyring | undefined> {
    const { links } = this;
    const link = links[this.turn++ % links.length];
    const answer = await this.askLink(link, { kind: 'read-api-keys' }, this.clock.now() + withinMs);
    return answer.kind === 'api-keys' ? answer.keyring : undefined;
  }

  /** One entry for each worker; undefined for one that did not answer in time. */
  statuses(withinMs: number): Promise<(WorkerStatus | undefined)[]> {
    const giveUpAt = this.clock.now() + withinMs;
    return Promise.all(
      this.links.map(async (link) => {
        const answer = await this.askLink(link, { kind: 'status' }, giveUpAt);
        return answer.kind === 'status' ? answer.status : undefined;
      }),
    );
  }

  /** Of the workers that answer in time, the SKUs that many ask for, from the most to the least. */
  async hottest(withinMs: number): Promise<HotSku[]> {
    const giveUpAt = this.clock.now() + withinMs;
    const answers = await Promise.all(
      this.links.map((link) => this.askLink(link, { kind: 'hottest' }, giveUpAt)),
    );
    return answers
      .flatMap((answer) => (answer.kind === 'hottest' ? answer.skus : []))
      .sort((a, b) => b.asked - a.asked);
  }

  close(): void {
    for (const link of this.links) link.close();
  }

  private watchLinks(): void {
    const ofEach = (read: (link: Link) => number) => () =>
      this.links.map((link, worker) => ({ labels: { worker: String(worker) }, value: read(link) }));
    gauge(
      'holdfast_link_up',
      'Whether the front has a connection to the worker',
      ofEach(({ connected }) => (connected ? 1 : 0)),
    );
    gauge(
      'holdfast_link_requests_in_flight',
      'Requests to the worker that are not answered',
      ofEach(({ inFlight }) => inFlight),
    );
  }

  private askLink(link: Link, request: Request, giveUpAt: number): Promise<Answer> {
    if (this.trace !== undefined) request.trace = this.trace;
    return new Promise((resolve, reject) => {
      const waiting = this.deadlines.wait(giveUpAt, () => resolve(LOST_AFTER_SENT));
      link.ask(request).then(
        (reply) => {
          waiting.leave();
          resolve(reply);
        },
        (error) => {
          waiting.leave();
          if (error instanceof LinkBroken) resolve(error.sent ? LOST_AFTER_SENT : LOST_UNSENT);
          else reject(error);
        },
      );
    });
  }
}
