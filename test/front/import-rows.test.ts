/** Lines of an import as rows, and CSV both ways. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { columnsOf, csvLine, fieldsOf } from '../../src/front/csv.ts';
import { csvReader, ndjsonReader, RowFault, type RowReader } from '../../src/front/import-rows.ts';
import { isText } from '../../src/front/schema-kinds.ts';

describe('the fields of a line', () => {
  test.each<[string, string[] | undefined]>([
    ['', ['']],
    ['a', ['a']],
    ['a,b,c', ['a', 'b', 'c']],
    [',', ['', '']],
    ['a,,c', ['a', '', 'c']],
    [' a , b ', [' a ', ' b ']],
    ['"a","b"', ['a', 'b']],
    ['"a,b",c', ['a,b', 'c']],
    ['a,"b,c"', ['a', 'b,c']],
    ['"a ""b"" c",d', ['a "b" c', 'd']],
    ['"",""', ['', '']],
    ['""""', ['"']],
    ['"a""",b', ['a"', 'b']],
    ['"a",', ['a', '']],
    [',"a"', ['', 'a']],
    ['"a', undefined],
    ['"', undefined],
    ['"a""', undefined],
    ['a"b', undefined],
    ['"a"b', undefined],
    ['"a" ,b', undefined],
    [' "a",b', undefined],
    ['a,"b', undefined],
    [`"${'""'.repeat(2000)}`, undefined],
  ])('%p', (line, fields) => {
    expect(fieldsOf(line)).toEqual(fields);
  });

  test('what is exported is read as it was', () => {
    const key = fc
      .string({ minLength: 1, maxLength: 40, unit: 'binary' })
      .filter((text) => isText(text, 128));
    const level = fc.record({
      sku: key,
      location: fc.oneof(key, fc.constantFrom('"', ',', '",', '""', 'a"b,c', '=1+1', ' ')),
      onHand: fc.integer({ min: -2_147_483_647, max: 2_147_483_647 }),
      safetyStock: fc.nat(2_147_483_647),
      backorderLimit: fc.nat(2_147_483_647),
    });
    const read = csvReader('sku,location,onHand,safetyStock,backorderLimit') as RowReader;
    fc.assert(
      fc.property(level, (one) => {
        const line = csvLine({ ...one, reserved: 3, version: 9, updatedAt: 1 });
        expect(line).toEndWith('\r\n');
        expect(read(line.slice(0, -2))).toEqual(one);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the first line of a CSV', () => {
  test.each([
    'sku,location,onHand',
    'onHand,location,sku',
    'backorderLimit,sku,safetyStock,onHand,location',
    '"sku","location","onHand"',
  ])('%s', (line) => {
    expect(Array.isArray(columnsOf(line))).toBe(false);
  });

  test.each<[string, string[]]>([
    ['', ['unknown-field', 'required', 'required', 'required']],
    ['sku,location', ['required']],
    ['SKU,location,onHand', ['unknown-field', 'required']],
    ['sku;location;onHand', ['unknown-field', 'required', 'required', 'required']],
    ['sku,location,onHand,reserved', ['unknown-field']],
    ['sku,location,onHand,', ['unknown-field']],
    ['sku,location,onHand,sku', ['duplicate']],
    ['sku, location,onHand', ['unknown-field', 'required']],
    [
      'MUG-BLUE,berlin,40',
      ['unknown-field', 'unknown-field', 'unknown-field', 'required', 'required', 'required'],
    ],
    ['"sku,location,onHand', ['malformed']],
  ])('refused: %p', (line, codes) => {
    expect((columnsOf(line) as { code: string }[]).map(({ code }) => code)).toEqual(codes);
  });
});

function shown(row: ReturnType<RowReader>): unknown {
  return row instanceof RowFault ? row.code : JSON.parse(JSON.stringify(row));
}

describe('lines of a CSV', () => {
  const read = csvReader('location,onHand,sku,backorderLimit,safetyStock') as RowReader;
  const row = { sku: 'A', location: 'x', onHand: 5 };
  test.each<[string, unknown]>([
    ['x,5,A,,', row],
    ['x,005,A,,', row],
    ['x,5,A,7,', { ...row, backorderLimit: 7 }],
    ['x,5,A,0,1', { ...row, backorderLimit: 0, safetyStock: 1 }],
    ['"x,y",5,"A ""B""",,', { sku: 'A "B"', location: 'x,y', onHand: 5 }],
    ['x,2147483647,A,,', { ...row, onHand: 2_147_483_647 }],
    ['x,2147483648,A,,', 'out-of-range'],
    ['x,99999999999999999999,A,,', 'wrong-type'],
    ['x,-1,A,,', 'out-of-range'],
    ['x,-1,A,,0', 'out-of-range'],
    ['x,-1,A,0,', { ...row, onHand: -1, backorderLimit: 0 }],
    ['x,-2147483647,A,5,', { ...row, onHand: -2_147_483_647, backorderLimit: 5 }],
    ['x,-2147483648,A,5,', 'out-of-range'],
    ['x,-0,A,,', { ...row, onHand: 0 }],
    ['x,1.5,A,,', 'wrong-type'],
    ['x,1e3,A,,', 'wrong-type'],
    ['x,0x10,A,,', 'wrong-type'],
    ['x,+5,A,,', 'wrong-type'],
    ['x, 5,A,,', 'wrong-type'],
    ['x,,A,,', 'wrong-type'],
    ['x,five,A,,', 'wrong-type'],
    ['x,five,A,0,', 'wrong-type'],
    ['x,5,A,-1,', 'out-of-range'],
    ['x,5,A,,many', 'wrong-type'],
    [',5,A,,', 'not-allowed'],
    ['x,5,,,', 'not-allowed'],
    [`x,5,${'s'.repeat(128)},,`, { ...row, sku: 's'.repeat(128) }],
    [`x,5,${'s'.repeat(129)},,`, 'not-allowed'],
    ['x,5,a\u0007b,,', 'not-allowed'],
    ['x,5,a\ufffdb,,', 'not-allowed'],
    ['x,5,A', 'malformed'],
    ['x,5,A,,,', 'malformed'],
    ['"x,5,A,,', 'malformed'],
    ['"x\n",5,A,,', 'not-allowed'],
    ['x,5,A"B,,', 'malformed'],
  ])('%p', (line, expected) => {
    expect(shown(read(line))).toEqual(expected);
  });

  test('a fault is a sentence about the field', () => {
    expect(read('x,-1,A,,')).toEqual(
      new RowFault('out-of-range', 'onHand must be an integer from 0 to 2147483647, not -1.'),
    );
    expect(read('x,5')).toEqual(new RowFault('malformed', 'The line has 2 fields, the header has 5.'));
  });
});

describe('lines of NDJSON', () => {
  const row = { sku: 'A', location: 'x', onHand: 5 };
  test.each<[string, unknown]>([
    [JSON.stringify(row), row],
    [` ${JSON.stringify(row)} `, row],
    [
      JSON.stringify({ ...row, safetyStock: 1, backorderLimit: 2 }),
      { ...row, safetyStock: 1, backorderLimit: 2 },
    ],
    ['{"sku":"\\u0041","location":"x","onHand":5}', row],
    ['{"sku":"A","location":"x","onHand":5', 'invalid-json'],
    ['   ', 'invalid-json'],
    ['sku,location,onHand', 'invalid-json'],
    ['{"sku":"A","location":"x","onHand":5}{}', 'invalid-json'],
    ['{"sku":"\ufffd","location":"x","onHand":5}', 'invalid-json'],
    ['['.repeat(2000), 'invalid-json'],
    ['null', 'wrong-type'],
    ['5', 'wrong-type'],
    ['[]', 'wrong-type'],
    ['{}', 'required'],
    ['{"sku":"A","location":"x","onHand":"5"}', 'wrong-type'],
    ['{"sku":"A","location":"x","onHand":5.5}', 'wrong-type'],
    ['{"sku":"A","location":"x","onHand":-1}', 'out-of-range'],
    ['{"sku":"A","location":"x","onHand":5,"safetyStock":null}', 'wrong-type'],
    ['{"sku":"A","location":"x","onHand":5,"onhand":5}', 'unknown-field'],
    ['{"sku":"A\\n","location":"x","onHand":5}', 'not-allowed'],
    ['{"sku":"A","location":"","onHand":5}', 'not-allowed'],
  ])('%p', (line, expected) => {
    expect(shown(ndjsonReader(line))).toEqual(expected);
  });

  test('a fault is a sentence about the line', () => {
    expect(ndjsonReader('5')).toEqual(new RowFault('wrong-type', 'The line must be an object, not 5.'));
  });
});
