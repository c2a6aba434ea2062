import { describe, expect, test } from 'bun:test';
import { parseIfMatch } from '../../src/front/entity-tag.ts';
import { isText } from '../../src/front/schema-kinds.ts';

describe('isText', () => {
  test.each([
    ['one character', 'a', true],
    ['punctuation and spaces', ' /\\"%?#.. ', true],
    ['128 bytes', 'a'.repeat(128), true],
    ['129 bytes', 'a'.repeat(129), false],
    ['64 times two bytes', 'é'.repeat(64), true],
    ['two bytes too many', `${'é'.repeat(64)}a`, false],
    ['42 times three bytes, and two more', `${'€'.repeat(42)}aa`, true],
    ['43 times three bytes', '€'.repeat(43), false],
    ['32 times four bytes', '😀'.repeat(32), true],
    ['four bytes too many', `${'😀'.repeat(32)}a`, false],
    ['nothing', '', false],
    ['NUL', 'a\0', false],
    ['a line break', 'a\nb', false],
    ['DEL', '\x7f', false],
    ['a C1 control', '\x85', false],
    ['no-break space, the first after C1', '\xa0', true],
    ['a high surrogate alone', 'a\ud800', false],
    ['a low surrogate alone', '\udc00a', false],
    ['surrogates in the wrong order', '\udc00\ud800', false],
    ['two high surrogates', '\ud800\ud800', false],
    ['the replacement character', 'a\ufffd', false],
  ])('%s', (_name, value, expected) => {
    expect(isText(value, 128)).toBe(expected);
  });

  test('counts bytes as an encoder does', () => {
    for (const value of ['a', 'é', '€', '😀', 'aé€😀', '\u07ff\u0800\uffff\u{10000}'])
      for (const limit of [1, 2, 3, 4, 5, 9, 10, 11])
        expect(isText(value, limit)).toBe(new TextEncoder().encode(value).length <= limit);
  });
});

describe('parseIfMatch', () => {
  test.each([
    ['"7"', { kind: 'version', version: 7 }],
    [' "4294967294" ', { kind: 'version', version: 4_294_967_294 }],
    ['"4294967295"', { kind: 'never' }],
    ['"0"', { kind: 'never' }],
    ['"07"', { kind: 'never' }],
    ['"abc"', { kind: 'never' }],
    ['""', { kind: 'never' }],
    ['W/"7"', { kind: 'never' }],
    ['*', { kind: 'exists' }],
    ['7', { kind: 'malformed' }],
    ['"7', { kind: 'malformed' }],
    ['"1", "2"', { kind: 'malformed' }],
    ['', { kind: 'malformed' }],
  ])('%s', (header, expected) => {
    expect(parseIfMatch(header)).toEqual(expected as ReturnType<typeof parseIfMatch>);
  });
});
