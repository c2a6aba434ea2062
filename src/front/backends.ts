/**
 * The front's side of the partition map: which worker to ask, and what to make of a worker that does
 * not answer. An answer always comes, by the request's deadline at the latest; that a worker could not
 * be asked, or did not say, is an answer too.
 *
 * A partition that moves, or whose worker is restarting, is back before long. What certainly had no effect (the worker said
 * `partition-unavailable`, or never heard of it) is therefore asked again, each time of whom the newest map names,
 * for UNAVAILABLE_WAIT_MS at most. Nothing else is ever asked twice, and neither is what is said again anyway (`prolong`): it
 * could overtake what was asked after it.
 */

import type { Keyring } from '../access/keyring.ts';
import type { Clock } from '../clock.ts';
import { REQUESTS_AGAIN_MAX, UNAVAILABLE_WAIT_MS } from '../limits.ts';
import { counter, gauge } from '../observability/metrics.ts';
import type { TraceContext } from '../observability/trace-context.ts';
import type { PartitionMap } from '../routing/partition-map.ts';
import { connect, type Link, type LinkBroken, type Receiver } from '../wire/link.ts';
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
import { type Deadlines, Waiting } from './deadlines.ts';

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
/** Between two attempts; doubling. A small partition moves in some milliseconds. */
const AGAIN_MS_MIN = 4;
const AGAIN_MS_MAX = 128;

const askedAgain = counter(
  'holdfast_requests_asked_again',
  'Times that a worker was asked again, because a partition was moving or its worker was starting',
);
const TOO_SLOW: Reply = { kind: 'problem', code: 'search-too-slow' };

export type Answer = Reply | Lost;

/** What the request handlers need; tests put their own in its place. */
export interface Asker {
  readonly partitions: number;
  ask(request: PartitionRequest, giveUpAt?: number): Promise<Answer>;
}

/** The part of a link that is used. */
export type Linked = Omit<Link, 'ask'>;

/** One request to a worker on its way: ends with the reply, with the link, or at its deadline. */
class Asked extends Waiting implements Receiver {
  private isOpen = true;

  constructor(
    giveUpAt: number,
    private readonly answered: (answer: Answer) => void,
  ) {
    super(giveUpAt);
  }

  resolve(reply: Reply): void {
    this.end(reply);
  }

  reject({ sent }: LinkBroken): void {
    this.end(sent ? LOST_AFTER_SENT : LOST_UNSENT);
  }

  expire(): void {
    this.end(LOST_AFTER_SENT);
  }

  private end(answer: Answer): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.leave();
    this.answered(answer);
  }
}

export class Backends implements Asker {
  readonly partitions: number;
  private readonly links: Linked[];
  /** By worker, how many requests wait to be asked again: one that is dead leaves the others what is theirs. */
  private readonly waiting: number[] = [];
  private trace: TraceContext | undefined;
  private turn = 0;
  private shared: Promise<(WorkerStatus | undefined)[]> | undefined;

  constructor(
    public map: PartitionMap,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
    private readonly connectTo: (path: string) => Linked = connect,
  ) {
    this.partitions = map.owner.length;
    this.links = map.sockets.map(connectTo);
    this.watchLinks();
  }

  /** From now on, workers are asked as this map says. */
  adopt(map: PartitionMap): void {
    for (const path of map.sockets.slice(this.links.length)) this.links.push(this.connectTo(path));
    for (const link of this.links.splice(map.sockets.length)) link.close();
    this.map = map;
  }

  /** The same workers, which are told that what they are asked is part of a trace. */
  traced(trace: TraceContext): Backends {
    return Object.assign(Object.create(this), { trace });
  }

  ask(request: PartitionRequest, giveUpAt = request.deadline): Promise<Answer> {
    return new Promise((resolve) =>
      this.send(this.ownerOf(request), request, giveUpAt, (answer) => {
        const isAskedAgain = isUntouched(answer) && request.kind !== 'prolong';
        resolve(isAskedAgain ? this.askAgain(request, giveUpAt, answer) : answer);
      }),
    );
  }

  private ownerOf({ partition }: PartitionRequest): Linked {
    return this.links[this.map.owner[partition]];
  }

  /** @param first the answer to the first attempt */
  private async askAgain(request: PartitionRequest, giveUpAt: number, first: Answer): Promise<Answer> {
    const { waiting } = this;
    const worker = this.map.owner[request.partition];
    waiting[worker] ??= 0;
    // A key that is not released keeps its next request waiting, so that this is never given up for others.
    if (waiting[worker] >= REQUESTS_AGAIN_MAX && request.kind !== 'release') return first;
    const until = Math.min(giveUpAt, this.clock.now() + UNAVAILABLE_WAIT_MS);
    waiting[worker]++;
    try {
      let answer = first;
      for (let waitMs = AGAIN_MS_MIN; isUntouched(answer); waitMs = Math.min(waitMs * 2, AGAIN_MS_MAX)) {
        if (this.clock.now() + waitMs >= until) break;
        await new Promise<void>((resolve) => this.clock.after(waitMs, resolve));
        askedAgain.value++;
        answer = await this.askLink(this.ownerOf(request), request, giveUpAt);
      }
      return answer;
    } finally {
      waiting[worker]--;
    }
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

  get workers(): number {
    return this.links.length;
  }

  /** The API keys, as a worker says them; undefined where it can't now. */
  async keyringOf(worker: number, withinMs: number): Promise<Keyring | undefined> {
    const link = this.links.at(worker);
    // A newer map may have fewer.
    if (link === undefined) return undefined;
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

  /** The same for many who ask at once, and need no key for it: whoever comes while workers are asked hears what they say. */
  sharedStatuses(withinMs: number): Promise<(WorkerStatus | undefined)[]> {
    this.shared ??= this.statuses(withinMs).finally(() => {
      this.shared = undefined;
    });
    return this.shared;
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
    const ofEach = (read: (link: Linked) => number) => () =>
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

  private askLink(link: Linked, request: Request, giveUpAt: number): Promise<Answer> {
    return new Promise((resolve) => this.send(link, request, giveUpAt, resolve));
  }

  /** `answered` is called once, unless this throws. */
  private send(link: Linked, request: Request, giveUpAt: number, answered: (answer: Answer) => void): void {
    if (this.trace !== undefined) request.trace = this.trace;
    const asked = this.deadlines.join(new Asked(giveUpAt, answered));
    try {
      link.send(request, asked);
    } catch (error) {
      asked.leave();
      throw error;
    }
  }
}

/** It certainly had no effect, and will be different before long. */
function isUntouched(answer: Answer): boolean {
  return answer.kind === 'lost'
    ? !answer.sent
    : answer.kind === 'problem' && answer.code === 'partition-unavailable';
}
