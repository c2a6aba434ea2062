/** A stream cut into lines: the same lines, wherever its chunks end. */
import { describe, expect, test } from 'bun:test';
import { type Line, LineCutter } from '../../src/front/lines.ts';

const BYTES_MAX = 12;

function cut(chunks: Uint8Array[]): Line[] {
  const cutter = new LineCutter(BYTES_MAX);
  return [...chunks.flatMap((chunk) => cutter.push(chunk)), ...cutter.end()];
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? utf8(part) : Uint8Array.from(part))));

const CASES: [string, Uint8Array, Line[]][] = [
  ['nothing', utf8(''), []],
  ['lines', utf8('a,b\nc,d\n'), ['a,b', 'c,d']],
  ['a last line without an end', utf8('a\nb'), ['a', 'b']],
  ['CRLF', utf8('a\r\nb\r\n'), ['a', 'b']],
  ['both, and blank lines', utf8('\n\r\na\r\n\nb\n'), ['', '', 'a', '', 'b']],
  ['a CR that ends nothing', utf8('a\rb\n\rc\n'), ['a\rb', '\rc']],
  ['a last CR', utf8('a\r'), ['a']],
  ['a byte order mark', utf8('\ufeffa\nb\n'), ['a', 'b']],
  ['a byte order mark alone', utf8('\ufeff'), ['']],
  ['one that is not at the beginning', utf8('a\n\ufeffb\n'), ['a', '\ufeffb']],
  ['characters of several bytes', utf8('äöü€\n😀é\n'), ['äöü€', '😀é']],
  ['as long as allowed', utf8('123456789012\n123456789012\r\n123456789012'), Array(3).fill('123456789012')],
  ['a byte too long', utf8('1234567890123\nb\n'), [undefined, 'b']],
  ['a byte too long, in two-byte characters', utf8('ééééééa\néééééé\n'), [undefined, 'éééééé']],
  ['much too long', utf8(`a\n${'x'.repeat(100)}\nb\n`), ['a', undefined, 'b']],
  ['much too long and never ended', utf8(`a\n${'x'.repeat(100)}`), ['a', undefined]],
  [
    'two too long, one after the other',
    utf8(`${'x'.repeat(20)}\n${'y'.repeat(20)}\r\nb`),
    [undefined, undefined, 'b'],
  ],
  [
    'a first line too long behind its mark',
    utf8(`\ufeff${'x'.repeat(20)}\n\ufeffb\n`),
    [undefined, '\ufeffb'],
  ],
  ['bytes that are not UTF-8', bytes('a', [0xff], 'b\n', [0xc3], '\nc\n'), ['a\ufffdb', '\ufffd', 'c']],
];

describe('lines', () => {
  test.each(CASES)('%s', (_name, stream, lines) => {
    expect(cut([stream])).toEqual(lines);
    // Every split into two, and into chunks of one, two and three bytes.
    for (let at = 0; at <= stream.length; at++)
      expect(cut([stream.subarray(0, at), stream.subarray(at)])).toEqual(lines);
    for (const size of [1, 2, 3]) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
      expect(cut(chunks)).toEqual(lines);
    }
  });
});
