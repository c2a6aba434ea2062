/**
 * Cuts a stream of bytes into lines, wherever its chunks end. A line ends with LF or CRLF, the last one
 * also with the stream; a byte order mark at the beginning is dropped. Lines are decoded one by one,
 * so that bytes that are not UTF-8 spoil their own line only: there they become U+FFFD.
 *
 * No more than one line is kept, and no more of it than `bytesMax`: a longer one is skipped.
 */
const LF = 10;
const CR = 13;
const BYTE_ORDER_MARK = 0xfeff;
const NOTHING = Buffer.alloc(0);

/** The text of a line; undefined for one that is too long. */
export type Line = string | undefined;

export class LineCutter {
  /** The beginning of a line whose end has not arrived. */
  private rest: Buffer = NOTHING;
  /** Its beginning was too long to be kept. */
  private skipping = false;
  private first = true;

  constructor(private readonly bytesMax: number) {}

  push(chunk: Uint8Array): Line[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: Line[] = [];
    let from = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
      lines.push(this.line(bytes, from, end));
      from = end + 1;
    }
    this.keep(bytes.subarray(from));
    return lines;
  }

  /** What is left when the stream has ended: the last line, if nothing ended it. */
  end(): Line[] {
    const nothingLeft = this.rest.length === 0 && !this.skipping;
    return nothingLeft ? [] : [this.line(NOTHING, 0, 0)];
  }

  private line(bytes: Buffer, from: number, to: number): Line {
    if (this.rest.length === 0 && !this.skipping) return this.decode(bytes, from, to);
    const whole = Buffer.concat([this.rest, bytes.subarray(from, to)]);
    const tooLong = this.skipping;
    this.rest = NOTHING;
    this.skipping = false;
    this.first &&= !tooLong;
    return tooLong ? undefined : this.decode(whole, 0, whole.length);
  }

  private decode(bytes: Buffer, from: number, to: number): Line {
    const end = to > from && bytes[to - 1] === CR ? to - 1 : to;
    const { first } = this;
    this.first = false;
    if (end - from > this.bytesMax) return undefined;
    const text = bytes.toString('utf8', from, end);
    return first && text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
  }

  private keep(more: Buffer): void {
    // Of a line of just the allowed length, the CR may be here and the LF not yet.
    if (this.skipping || this.rest.length + more.length > this.bytesMax + 1) {
      this.skipping = true;
      this.rest = NOTHING;
    } else if (more.length > 0) {
      this.rest = Buffer.concat([this.rest, more]);
    }
  }
}
