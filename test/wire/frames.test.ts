import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { FRAME_BYTES_MAX } from '../../src/limits.ts';
import { MalformedFrame, Reader, Writer } from '../../src/wire/bytes.ts';
import { FrameDecoder, Outbox } from '../../src/wire/frames.ts';

/** A sink that takes as much as it is told to, and keeps it. */
class Pipe {
  taken: number[] = [];
  constructor(private readonly capacities: number[] = []) {}
  write(bytes: Uint8Array): number {
    const took = Math.min(bytes.length, this.capacities.shift() ?? bytes.length);
    this.taken.push(...bytes.subarray(0, took));
    return took;
  }
}

const longText = (writer: Writer, text: string): void => writer.longText(text);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function framesOf(texts: string[]): Promise<Uint8Array> {
  const pipe = new Pipe();
  const outbox = new Outbox(pipe, setImmediate);
  for (const [i, text] of texts.entries()) outbox.put(i, text, longText);
  await turn();
  return new Uint8Array(pipe.taken);
}

function decodeAll(chunks: Uint8Array[]): [number, string][] {
  const decoder = new FrameDecoder();
  const reader = new Reader();
  const seen: [number, string][] = [];
  for (const chunk of chunks) {
    decoder.push(chunk, (id, bytes, start, end) => {
      seen.push([id, reader.open(bytes, start, end).longText()]);
      reader.close();
    });
  }
  return seen;
}

test('frames split at every byte arrive whole, in order', async () => {
  const texts = ['', 'a', 'Größe 42 – £9', 'x'.repeat(300)];
  const expected = texts.map((text, i): [number, string] => [i, text]);
  const bytes = await framesOf(texts);
  for (let at = 0; at <= bytes.length; at++) {
    expect(decodeAll([bytes.slice(0, at), bytes.slice(at)])).toEqual(expected);
  }
  expect(decodeAll(Array.from(bytes, (byte) => new Uint8Array([byte])))).toEqual(expected);
});

test('frames cut at random places arrive whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 200 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(4000), { maxLength: 12 }),
      async (texts, cuts) => {
        const bytes = await framesOf(texts);
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, i) => bytes.slice(at[i], end));
        expect(decodeAll(chunks).map(([, text]) => text)).toEqual(texts);
      },
    ),
  );
});

test('what the kernel does not take waits for the drain, and nothing is reordered', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(60), { maxLength: 30 }), async (capacities) => {
      const texts = Array.from({ length: 12 }, (_, i) => `${i}`.repeat(i * 3));
      const pipe = new Pipe([...capacities]);
      const outbox = new Outbox(pipe, setImmediate);
      for (let i = 0; i < texts.length; i++) {
        outbox.put(i, texts[i], longText);
        if (i % 3 === 0) await turn();
        if (i % 4 === 0) outbox.drained();
      }
      await turn();
      for (let drains = 0; drains <= capacities.length; drains++) outbox.drained();
      expect(decodeAll([new Uint8Array(pipe.taken)]).map(([, text]) => text)).toEqual(texts);
    }),
  );
});

test('a length that cannot be is refused at once, not waited for', () => {
  for (const length of [0, 3, FRAME_BYTES_MAX + 1, 0xffffffff]) {
    const writer = new Writer();
    writer.u32(length);
    writer.u32(1);
    const bytes = writer.bytes.slice(0, writer.length);
    expect(() => decodeAll([bytes])).toThrow(MalformedFrame);
    expect(() => decodeAll([bytes.slice(0, 3), bytes.slice(3)])).toThrow(MalformedFrame);
  }
});

test('a text arrives as it was sent, also one that begins with a byte order mark', () => {
  const texts = ['', 'SKU-1', '\uFEFFSKU-1', 'größer', '茶', 'x'.repeat(255), 'tea 🍵'];
  const writer = new Writer(16);
  for (const text of texts) writer.text(text);
  const reader = new Reader().open(writer.bytes, 0, writer.length);
  expect(texts.map(() => reader.text())).toEqual(texts);
  reader.close();
});
