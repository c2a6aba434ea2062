/**
 * Stream sockets by path, as Unix sockets are: bytes arrive in order and in pieces of any size, a writer whose peer doesn't
 * read is held back, what a dead process had written still arrives, and a connection may break at any byte.
 */
import type { Socket, SocketHandlers, Sockets } from '../../src/wire/sockets.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const LATENCY_US = { from: 10, to: 400 };
/** What a socket holds between its writer and its reader. */
const BUFFER_BYTES = { from: 2048, to: 200_000 };
/** How often a read brings less than there is. */
const SHORT_READ = 0.3;

type Handlers = SocketHandlers<unknown>;

interface Listener {
  process: Process;
  handlers: Handlers;
}

export class Network {
  private readonly listeners = new Map<string, Listener>();
  private readonly connections = new Set<Connection>();
  private readonly random: Random;
  /** Latencies are so many times as long. */
  slowness = 1;

  constructor(private readonly world: World) {
    this.random = world.random.fork('network');
  }

  /** The sockets of one process. */
  of(process: Process): Sockets {
    return {
      connect: (path, handlers) => this.connect(process, path, handlers as Handlers),
      listen: (path, handlers) => this.listen(process, path, handlers as Handlers),
    };
  }

  private connect(process: Process, path: string, handlers: Handlers): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!process.acts()) return;
      this.world.after(this.latency(), () => {
        const listener = this.listeners.get(path);
        if (!process.alive) return;
        if (listener === undefined)
          return process.deliver(() => reject(new Error(`nobody listens at ${path}`)));
        this.join(process, handlers, listener);
        process.deliver(resolve);
      });
    });
  }

  private join(process: Process, handlers: Handlers, listener: Listener): void {
    const connection = new Connection(this.world, this.random, () => this.latency());
    this.connections.add(connection);
    connection.onClose = () => this.connections.delete(connection);
    connection.join(process, handlers, listener.process, listener.handlers);
  }

  private listen(process: Process, path: string, handlers: Handlers): { stop(): void } {
    const listener = { process, handlers };
    const stop = (): void => {
      if (this.listeners.get(path) === listener) this.listeners.delete(path);
    };
    if (!process.acts()) return { stop };
    this.listeners.set(path, listener);
    process.onDeath(stop);
    return { stop };
  }

  private latency(): number {
    return this.random.magnitude(LATENCY_US.from, LATENCY_US.to) * this.slowness;
  }

  /** Breaks one connection. */
  breakOne(): void {
    if (this.connections.size > 0) this.random.pick([...this.connections]).break();
  }
}

class Connection {
  onClose: () => void = () => {};
  private ends: [End, End] | undefined;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly latency: () => number,
  ) {}

  join(client: Process, clientHandlers: Handlers, server: Process, serverHandlers: Handlers): void {
    const { world, random, latency } = this;
    const asking = new End(world, random, latency, client, clientHandlers);
    const answering = new End(world, random, latency, server, serverHandlers);
    this.ends = [asking, answering];
    asking.peer = answering;
    answering.peer = asking;
    for (const end of this.ends) {
      end.process.onDeath(() => end.close());
      end.onClosed = () => this.onClose();
      end.process.deliver(() => end.handlers.open(end));
    }
  }

  /** At any byte, in both directions. */
  break(): void {
    for (const end of this.ends!) end.cut();
  }
}

/** One end: what it has written and its peer has not read, and what it is told. */
class End implements Socket<unknown> {
  data: unknown;
  peer!: End;
  onClosed: () => void = () => {};
  private isOpen = true;
  private readonly capacity: number;
  /** On its way to the peer; `at` is when each part is there. */
  private transit: { at: number; bytes: Uint8Array }[] = [];
  private unread = 0;
  private lastArrival = 0;
  private heldBack = false;
  /** Set once nothing more will be written. */
  private ended = false;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly latency: () => number,
    readonly process: Process,
    readonly handlers: Handlers,
  ) {
    this.capacity = Math.round(random.magnitude(BUFFER_BYTES.from, BUFFER_BYTES.to));
  }

  write(bytes: Uint8Array): number {
    if (!this.process.acts() || this.ended || !this.isOpen) return -1;
    const took = Math.min(bytes.length, this.capacity - this.unread);
    this.heldBack = took < bytes.length;
    if (took === 0) return 0;
    this.unread += took;
    const at = this.arrival();
    this.transit.push({ at, bytes: bytes.slice(0, took) });
    this.world.at(at, () => this.arrive());
    return took;
  }

  private arrival(): number {
    this.lastArrival = Math.max(this.lastArrival, Math.round(this.world.now + this.latency()));
    return this.lastArrival;
  }

  /** The peer reads what is there: all of it, or less. */
  private arrive(): void {
    this.peer.process.deliver(() => {
      const there = this.transit.filter(({ at }) => at <= this.world.now);
      if (there.length === 0 || !this.peer.isOpen) return;
      this.transit = this.transit.slice(there.length);
      let chunk: Uint8Array =
        there.length === 1 ? there[0].bytes : Buffer.concat(there.map(({ bytes }) => bytes));
      if (chunk.length > 1 && this.random.chance(SHORT_READ)) {
        const cut = this.random.between(1, chunk.length - 1);
        this.transit.unshift({ at: this.world.now, bytes: chunk.slice(cut) });
        chunk = chunk.slice(0, cut);
        this.world.after(this.random.between(0, 50), () => this.arrive());
      }
      this.unread -= chunk.length;
      if (this.heldBack) this.letGo();
      this.peer.handlers.data(this.peer, chunk);
    });
  }

  private letGo(): void {
    this.heldBack = false;
    this.world.after(this.latency(), () =>
      this.process.deliver(() => {
        if (this.isOpen) this.handlers.drain(this);
      }),
    );
  }

  end(): void {
    if (this.process.acts()) this.close();
  }
  terminate(): void {
    if (this.process.acts()) this.close();
  }

  /** Nothing more is written; the peer reads what was, and then that this end has closed. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.onClosed();
    this.tellClosed();
    this.world.at(this.arrival(), () => this.peer.close());
  }

  /** What was on its way is lost from some byte on. */
  cut(): void {
    if (this.ended) return;
    let left = this.random.between(0, this.unread);
    this.transit = this.transit.flatMap(({ at, bytes }) => {
      const part = bytes.slice(0, left);
      left -= part.length;
      return part.length === 0 ? [] : [{ at, bytes: part }];
    });
    this.close();
  }

  /** The process learns of it when it has read everything that had come before. */
  private tellClosed(): void {
    this.world.after(this.latency(), () =>
      this.process.deliver(() => {
        if (!this.isOpen) return;
        if (this.peer.transit.length > 0) return this.tellClosed();
        this.isOpen = false;
        this.handlers.close?.(this);
      }),
    );
  }
}
