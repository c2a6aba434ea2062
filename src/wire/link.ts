/**
 * Both ends of a socket to a worker: many requests at once, answers matched by id.
 *
 * The client's end connects by itself, and again with backoff when the connection breaks, until it
 * is closed. A break fails what is unanswered with LinkBroken. Nothing is ever sent twice: whether a
 * request may be repeated is the caller's to decide.
 */
import { type Clock, systemClock } from '../clock.ts';
import { LINK_REQUESTS_MAX } from '../limits.ts';
import { log } from '../observability/log.ts';
import { MalformedFrame, Reader } from './bytes.ts';
import { decodeReply, encodeReply } from './codec.ts';
import { FrameDecoder, Outbox } from './frames.ts';
import type { Reply, Request } from './messages.ts';
import { type Sockets, unixSockets } from './sockets.ts';
import { decodeTraced, encodeTraced } from './traced.ts';
import { Unanswered } from './unanswered.ts';

const RECONNECT_MS_MIN = 10;
const RECONNECT_MS_MAX = 250;

export interface Link {
  /**
   * Gets the worker's answer, or that the link broke; at once where nothing was sent. A link whose queues are full
   * answers `overloaded` itself.
   */
  send(request: Request, receiver: Receiver): void;
  /** The same as a promise, which rejects with LinkBroken. */
  ask(request: Request): Promise<Reply>;
  readonly connected: boolean;
  /** Requests that are not answered. */
  readonly inFlight: number;
  close(): void;
}

export class LinkBroken extends Error {
  constructor(
    /** Whether the worker can have seen the request: if not, it had no effect. */
    readonly sent: boolean,
    reason: string,
  ) {
    super(reason);
  }
}

/** One of the two is called, once. Neither may throw: others wait for the same link. */
export interface Receiver {
  resolve(reply: Reply): void;
  reject(error: LinkBroken): void;
}

const OVERLOADED: Reply = { kind: 'problem', code: 'overloaded' };

class SocketLink implements Link {
  private outbox: Outbox | undefined;
  private readonly unanswered = new Unanswered<Receiver>();
  private closed = false;
  private backoffMs = RECONNECT_MS_MIN;
  private hangUp: () => void = () => {};
  private cancelDial: () => void = () => {};

  constructor(
    private readonly path: string,
    private readonly sockets: Sockets,
    private readonly clock: Clock,
  ) {
    this.dial();
  }

  get connected(): boolean {
    return this.outbox !== undefined;
  }

  get inFlight(): number {
    return this.unanswered.count;
  }

  send(request: Request, receiver: Receiver): void {
    const { outbox, unanswered } = this;
    if (outbox === undefined) return receiver.reject(new LinkBroken(false, `no connection to ${this.path}`));
    if (outbox.full || unanswered.count >= LINK_REQUESTS_MAX) return receiver.resolve(OVERLOADED);
    outbox.put(unanswered.add(receiver), request, encodeTraced);
  }

  ask(request: Request): Promise<Reply> {
    return new Promise((resolve, reject) => this.send(request, { resolve, reject }));
  }

  close(): void {
    this.closed = true;
    this.cancelDial();
    this.hangUp();
  }

  private dial(): void {
    if (this.closed) return;
    const decoder = new FrameDecoder();
    const reader = new Reader();
    const onFrame = (id: number, bytes: Uint8Array, start: number, end: number): void => {
      const reply = decodeReply(reader.open(bytes, start, end));
      reader.close();
      this.unanswered.take(id)?.resolve(reply);
    };
    this.sockets
      .connect(this.path, {
        open: (socket) => {
          this.hangUp = () => socket.end();
          if (this.closed) return this.hangUp();
          this.backoffMs = RECONNECT_MS_MIN;
          this.outbox = new Outbox(socket, this.clock.soon);
        },
        data: (socket, chunk) => guard(socket, () => decoder.push(chunk, onFrame)),
        drain: () => this.outbox?.drained(),
        close: () => this.broke(),
        error: failed,
      })
      .catch(() => this.redial());
  }

  private broke(): void {
    this.outbox = undefined;
    for (const receiver of this.unanswered.takeAll())
      receiver.reject(new LinkBroken(true, `the connection to ${this.path} broke`));
    this.redial();
  }

  private redial(): void {
    if (this.closed) return;
    this.cancelDial = this.clock.after(this.backoffMs, () => this.dial());
    this.backoffMs = Math.min(this.backoffMs * 2, RECONNECT_MS_MAX);
  }
}

/** Answers one request; must be called exactly once. */
export type Answer = (reply: Reply) => void;

export interface Wire {
  /** The end of whoever asks. */
  connect(path: string): Link;
  /**
   * The worker's end. Bytes that are not frames cost their sender its connection and nobody else anything.
   * @param onRequest also gets what stands for the connection
   * @param onMalformed told why a connection was closed
   * @param onGone told of every connection that is gone
   */
  listen(
    path: string,
    onRequest: (request: Request, answer: Answer, caller: object) => void,
    onMalformed: (reason: string) => void,
    onGone?: (caller: object) => void,
  ): Listener;
}

export interface Listener {
  /** Requests that have come and are not answered. */
  readonly unanswered: number;
  stop(closeConnections?: boolean): void;
}

export function wireOver(sockets: Sockets, clock: Clock): Wire {
  return {
    connect: (path) => new SocketLink(path, sockets, clock),
    listen(path, onRequest, onMalformed, onGone) {
      const reader = new Reader();
      let unanswered = 0;
      const server = sockets.listen<{ decoder: FrameDecoder; outbox: Outbox }>(path, {
        open(socket) {
          socket.data = { decoder: new FrameDecoder(), outbox: new Outbox(socket, clock.soon) };
        },
        data(socket, chunk) {
          const { decoder, outbox } = socket.data;
          const onFrame = (id: number, bytes: Uint8Array, start: number, end: number): void => {
            const request = decodeTraced(reader.open(bytes, start, end));
            reader.close();
            if (outbox.full) return outbox.put(id, OVERLOADED, encodeReply);
            unanswered++;
            const answer: Answer = (reply) => {
              unanswered--;
              outbox.put(id, reply, encodeReply);
            };
            onRequest(request, answer, outbox);
          };
          guard(socket, () => decoder.push(chunk, onFrame), onMalformed);
        },
        drain(socket) {
          socket.data.outbox.drained();
        },
        close(socket) {
          onGone?.(socket.data.outbox);
        },
        error: failed,
      });
      return {
        get unanswered() {
          return unanswered;
        },
        stop: (closeConnections) => server.stop(closeConnections),
      };
    },
  };
}

/** Over Unix sockets. */
export const { connect, listen } = wireOver(unixSockets, systemClock);

/** A handler threw: the rest of its bytes are lost, so the stream can't be read on. */
function failed(socket: { terminate(): void }, error: Error): void {
  log.error('link.failed', { reason: error.message, stack: error.stack });
  socket.terminate();
}

function guard(socket: { terminate(): void }, run: () => void, onMalformed?: (reason: string) => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    onMalformed?.(error.message);
    socket.terminate();
  }
}
