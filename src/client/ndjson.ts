/** JSON lines out of bytes and into bytes, a piece at a time. */

/** @throws SyntaxError when it ends within a line */
export async function* valuesOf<T>(stream: ReadableStream<Uint8Array>): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as T;
  }
  if (rest !== '') yield JSON.parse(rest) as T;
}

/** Bytes of a piece, about: enough that sending it costs more than making it. */
const PIECE_CHARACTERS = 65_536;

/** Asks for as many values as whoever reads the stream has room for. */
export function streamOf<T>(values: Iterable<T> | AsyncIterable<T>): ReadableStream<Uint8Array> {
  const iterator =
    Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let piece = '';
        while (piece.length < PIECE_CHARACTERS) {
          const { value, done } = await iterator.next();
          if (done) {
            if (piece !== '') controller.enqueue(encoder.encode(piece));
            controller.close();
            return;
          }
          piece += `${JSON.stringify(value)}\n`;
        }
        controller.enqueue(encoder.encode(piece));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
