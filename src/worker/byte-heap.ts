/**
 * Texts of up to 255 bytes in one growing Uint8Array: a length byte, then UTF-8. Offsets are stable.
 *
 * What is freed is used again by texts of the same size class (multiples of 16 bytes), so a heap stops
 * growing once it has held its peak. `append` packs texts that are never freed without rounding.
 */
import { Growth, resized } from './columns.ts';

const encoder = new TextEncoder();
/** A byte order mark at the beginning is a character of the text, like any other. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const CLASS_BYTES = 16;
const NONE = -1;

export class ByteHeap {
  bytes = new Uint8Array(1024);
  private used = 0;
  /** Per size class, the first free block; a free block's first four bytes are the offset of the next. */
  private readonly free = new Int32Array(256 / CLASS_BYTES + 1).fill(NONE);

  constructor(private readonly growth = new Growth()) {}

  /** @returns the offset of the copy */
  put(text: string): number {
    const encoded = encoder.encode(text);
    const sizeClass = classOf(encoded.length);
    let at = this.free[sizeClass];
    if (at === NONE) at = this.grow(sizeClass * CLASS_BYTES);
    else this.free[sizeClass] = readI32(this.bytes, at);
    this.bytes[at] = encoded.length;
    this.bytes.set(encoded, at + 1);
    return at;
  }

  release(at: number): void {
    const sizeClass = classOf(this.bytes[at]);
    writeI32(this.bytes, at, this.free[sizeClass]);
    this.free[sizeClass] = at;
  }

  /** Copies the first `length` bytes, for ever. */
  append(source: Uint8Array, length: number): number {
    const at = this.grow(1 + length);
    const { bytes } = this;
    bytes[at] = length;
    for (let i = 0; i < length; i++) bytes[at + 1 + i] = source[i];
    return at;
  }

  text(at: number): string {
    return decoder.decode(this.bytes.subarray(at + 1, at + 1 + this.bytes[at]));
  }

  equals(at: number, other: Uint8Array, length: number): boolean {
    const { bytes } = this;
    if (bytes[at] !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[at + 1 + i] !== other[i]) return false;
    return true;
  }

  private grow(size: number): number {
    const at = this.used;
    this.used += size;
    if (this.used > this.bytes.length) this.fit();
    return at;
  }

  fit(): void {
    this.bytes = resized(this.bytes, this.growth.room(this.used));
  }
}

/** A class has room for the length byte and the text. */
function classOf(length: number): number {
  return Math.ceil((1 + length) / CLASS_BYTES);
}

function readI32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
function writeI32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}
