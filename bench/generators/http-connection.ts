/**
 * One keep-alive connection with one request on its way: as little HTTP as the open loop needs, so that
 * the generator takes little from the machine that it shares with the servers.
 */

/** The status, or that there will be none. */
export type Answer = number | 'broken';
/** @param head of the answer, up to its body; empty where it is broken */
type Answered = (answer: Answer, head: string) => void;

export interface HttpConnection {
  /** Nothing else may be on its way. */
  send(request: Uint8Array, answered: Answered): void;
  close(): void;
  /** False when the server has closed it, as it may one that is not used. */
  readonly isOpen: boolean;
}

const HEADERS_END = Buffer.from('\r\n\r\n');
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i;
const STATUS_AT = 'HTTP/1.1 '.length;

export async function connect(url: string): Promise<HttpConnection> {
  const { hostname, port } = new URL(url);
  let received: Buffer = Buffer.alloc(0);
  let answered: Answered = () => {};
  let unsent: Uint8Array | undefined;
  let isOpen = true;

  const settle: Answered = (answer, head) => {
    const tell = answered;
    answered = () => {};
    tell(answer, head);
  };
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_socket, chunk) {
        received = received.length === 0 ? Buffer.from(chunk) : Buffer.concat([received, chunk]);
        const head = headOfWhole(received);
        if (head === undefined) return;
        received = Buffer.alloc(0);
        settle(Number(head.slice(STATUS_AT, STATUS_AT + 3)), head);
      },
      drain(socket) {
        if (unsent !== undefined) write(socket, unsent);
      },
      close() {
        isOpen = false;
        settle('broken', '');
      },
      error: () => settle('broken', ''),
    },
  });
  function write(to: { write(bytes: Uint8Array): number }, bytes: Uint8Array): void {
    const written = to.write(bytes);
    unsent = written < bytes.length ? bytes.subarray(Math.max(0, written)) : undefined;
  }
  return {
    send(request, tell) {
      answered = tell;
      write(socket, request);
    },
    close: () => void socket.end(),
    get isOpen() {
      return isOpen;
    },
  };
}

/** Status and headers of a whole answer; undefined while it is not all there. */
function headOfWhole(received: Buffer): string | undefined {
  const headersEnd = received.indexOf(HEADERS_END);
  if (headersEnd < 0) return undefined;
  const headers = received.toString('latin1', 0, headersEnd);
  const length = CONTENT_LENGTH.exec(headers);
  if (length === null) throw new Error(`an answer without its length:\n${headers}`);
  if (received.length < headersEnd + HEADERS_END.length + Number(length[1])) return undefined;
  return headers;
}
