/** The stream sockets that links run over, by path: Unix sockets, or a simulator's. */

export interface Socket<Data> {
  /** Free for whoever handles the socket. */
  data: Data;
  /** @returns how many bytes were taken; when it is not all, `drain` follows */
  write(bytes: Uint8Array): number;
  /** Closes once what was written has been sent. */
  end(): void;
  /** Closes at once. */
  terminate(): void;
}

export interface SocketHandlers<Data> {
  open(socket: Socket<Data>): void;
  data(socket: Socket<Data>, chunk: Uint8Array): void;
  /** It takes bytes again. */
  drain(socket: Socket<Data>): void;
  close?(socket: Socket<Data>): void;
  /** A handler threw. */
  error(socket: Socket<Data>, error: Error): void;
}

export interface Sockets {
  /** Rejects when nobody listens at `path`. */
  connect<Data>(path: string, handlers: SocketHandlers<Data>): Promise<unknown>;
  listen<Data>(path: string, handlers: SocketHandlers<Data>): { stop(closeConnections?: boolean): void };
}

export const unixSockets: Sockets = {
  connect: <Data>(unix: string, socket: SocketHandlers<Data>) => Bun.connect<Data>({ unix, socket }),
  listen: <Data>(unix: string, socket: SocketHandlers<Data>) => Bun.listen<Data>({ unix, socket }),
};
