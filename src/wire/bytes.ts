/**
 * Reading and writing the primitive values of a frame: little-endian integers, IEEE 754 doubles, and
 * byte strings of up to 255 bytes behind a one-byte length.
 */

const encoder = new TextEncoder();
/** A byte order mark at the beginning is a character of the text, like any other. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Appends to one buffer that grows by doubling and is used again after `reset`. */
export class Writer {
  bytes: Uint8Array;
  length = 0;
  private view: DataView;

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  reset(): void {
    this.length = 0;
  }

  /** Drops the first `count` bytes. */
  discard(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** Room for `more` bytes behind `length`. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }
  u16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.length, value, true);
    this.length += 2;
  }
  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }
  i32(value: number): void {
    this.reserve(4);
    this.view.setInt32(this.length, value, true);
    this.length += 4;
  }
  f64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }
  /**
   * A string whose UTF-8 form has 255 bytes at most. Characters of one byte, as nearly all are, are copied here: a view of
   * the buffer for each text, which `encodeInto` needs, took more than half of a front's time during an import.
   */
  text(value: string): void {
    const { length: characters } = value;
    this.reserve(1 + characters * 3);
    const { bytes } = this;
    const start = this.length + 1;
    let copied = 0;
    while (copied < characters) {
      const unit = value.charCodeAt(copied);
      if (unit >= 0x80) break;
      bytes[start + copied++] = unit;
    }
    const written = copied === characters ? copied : encoder.encodeInto(value, bytes.subarray(start)).written;
    if (written > 255) throw new RangeError(`a text of ${written} bytes does not fit a frame's text field`);
    bytes[start - 1] = written;
    this.length = start + written;
  }
  /** A string of any length. */
  longText(value: string): void {
    const encoded = encoder.encode(value);
    this.u32(encoded.length);
    this.raw(encoded);
  }
  raw(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }
  /** Overwrites four bytes written earlier. */
  patchU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
}

/** Thrown when bytes are not what the sender should have written; the link that carried them is closed. */
export class MalformedFrame extends Error {}

/** Reads one frame's payload. Every read past the end is a MalformedFrame. */
export class Reader {
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);
  private buffer = Buffer.from(this.bytes.buffer);
  private at = 0;
  private end = 0;

  /** Reads `bytes` from `start` to `end`; the bytes are not copied. */
  open(bytes: Uint8Array, start: number, end: number): this {
    // Most frames come in one chunk with others.
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.at = start;
    this.end = end;
    return this;
  }

  private take(count: number): number {
    const from = this.at;
    if (from + count > this.end) throw new MalformedFrame('a frame ends before its fields do');
    this.at = from + count;
    return from;
  }

  /** What `u8` will read. */
  peekU8(): number {
    if (this.at === this.end) throw new MalformedFrame('a frame without a message');
    return this.bytes[this.at];
  }
  u8(): number {
    return this.bytes[this.take(1)];
  }
  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  i32(): number {
    return this.view.getInt32(this.take(4), true);
  }
  f64(): number {
    return this.view.getFloat64(this.take(8), true);
  }
  text(): string {
    return this.decode(this.u8());
  }
  longText(): string {
    return this.decode(this.u32());
  }
  private decode(length: number): string {
    const from = this.take(length);
    const end = from + length;
    const { bytes } = this;
    let at = from;
    while (at < end && bytes[at] < 0x80) at++;
    // Half the time of decoding a view, and nearly every text is one of these.
    if (at === end) return this.buffer.toString('latin1', from, end);
    try {
      return decoder.decode(bytes.subarray(from, end));
    } catch {
      throw new MalformedFrame('a text is not UTF-8');
    }
  }
  /** A view of the next bytes, valid until the frame's buffer is used again. */
  raw(length: number): Uint8Array {
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }
  /** The frame must have been read to its end. */
  close(): void {
    if (this.at !== this.end) throw new MalformedFrame('a frame goes on after its fields');
  }
}
