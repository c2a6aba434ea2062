/**
 * Frames on a stream socket: `u32 length · u32 id · payload`, where length counts what follows it.
 *
 * FrameDecoder takes the stream in chunks of any split and calls back once a whole frame is there.
 * Outbox gathers the frames of one turn of the event loop into one write, and holds what the kernel
 * does not take until the socket drains, up to LINK_UNSENT_BYTES_MAX.
 */
import { FRAME_BYTES_MAX, LINK_UNSENT_BYTES_MAX } from '../limits.ts';
import { MalformedFrame, Writer } from './bytes.ts';

const HEADER_BYTES = 8;

export class FrameDecoder {
  /** The beginning of a frame whose end has not arrived. */
  private readonly partial = new Writer(1024);

  /**
   * `onFrame` gets the payload as `bytes[start, end)`, valid only during the call.
   * @throws MalformedFrame when the stream cannot be what a peer would send; it must then be closed.
   */
  push(
    chunk: Uint8Array,
    onFrame: (id: number, bytes: Uint8Array, start: number, end: number) => void,
  ): void {
    let bytes = chunk;
    if (this.partial.length > 0) {
      this.partial.raw(chunk);
      if (!holdsFrame(this.partial.bytes, this.partial.length)) return;
      bytes = this.partial.bytes.slice(0, this.partial.length);
      this.partial.reset();
    }
    let at = 0;
    while (at + HEADER_BYTES <= bytes.length) {
      const length = readU32(bytes, at);
      if (length < 4 || length > FRAME_BYTES_MAX) throw new MalformedFrame(`a frame of ${length} bytes`);
      const end = at + 4 + length;
      if (end > bytes.length) break;
      onFrame(readU32(bytes, at + 4), bytes, at + HEADER_BYTES, end);
      at = end;
    }
    if (at < bytes.length) this.partial.raw(bytes.subarray(at));
  }
}

/** Whether there is something to do with these bytes: a whole frame, or a length that cannot be one. */
function holdsFrame(bytes: Uint8Array, length: number): boolean {
  if (length < HEADER_BYTES) return false;
  const frame = readU32(bytes, 0);
  return frame > FRAME_BYTES_MAX || length >= frame + 4;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** The part of a socket that an Outbox needs. `write` returns how many bytes the kernel took. */
export interface Sink {
  write(bytes: Uint8Array): number;
}

export class Outbox {
  private readonly writer = new Writer(64 * 1024);
  private sent = 0;
  private scheduled = false;
  private blocked = false;

  /** @param soon calls back after what this turn of the event loop has brought has been handled */
  constructor(
    private readonly sink: Sink,
    private readonly soon: (run: () => void) => void,
  ) {}

  /** Too much is waiting for the peer: nothing more should be put in. */
  get full(): boolean {
    return this.writer.length - this.sent > LINK_UNSENT_BYTES_MAX;
  }

  /** @param encode writes the message; it is handed over apart, so that no function is made for each */
  put<T>(id: number, message: T, encode: (writer: Writer, message: T) => void): void {
    const { writer } = this;
    const start = writer.length;
    writer.u32(0);
    writer.u32(id);
    encode(writer, message);
    writer.patchU32(start, writer.length - start - 4);
    if (this.scheduled || this.blocked) return;
    this.scheduled = true;
    this.soon(this.flush);
  }

  private readonly flush = (): void => {
    this.scheduled = false;
    const { writer } = this;
    const took = this.sink.write(writer.bytes.subarray(this.sent, writer.length));
    this.sent += Math.max(0, took);
    this.blocked = this.sent < writer.length;
    if (!this.blocked) {
      writer.reset();
      this.sent = 0;
    } else if (this.sent > writer.length / 2) {
      // What was sent is dropped, so that a peer that is always a little behind costs no more memory.
      writer.discard(this.sent);
      this.sent = 0;
    }
  };

  /** The socket takes bytes again. */
  drained(): void {
    if (this.blocked) this.flush();
  }
}
