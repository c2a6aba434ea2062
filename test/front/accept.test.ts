import { expect, test } from 'bun:test';
import { preferred } from '../../src/front/accept.ts';

test.each<[string | null, string | undefined]>([
  [null, 'a/json'],
  ['*/*', 'a/json'],
  ['a/json', 'a/json'],
  ['text/csv', 'text/csv'],
  ['TEXT/CSV', 'text/csv'],
  ['text/*', 'text/csv'],
  ['text/html, text/csv', 'text/csv'],
  ['text/csv;header=present', 'text/csv'],
  ['text/csv, a/json', 'a/json'],
  ['text/csv, a/json;q=0.9', 'text/csv'],
  ['text/csv;q=0.5, */*;q=0.4', 'text/csv'],
  ['text/csv ; q=0.5 , */*;q=0.6', 'a/json'],
  ['*/*, a/json;q=0', 'text/csv'],
  ['a/*;q=0, */*', 'text/csv'],
  ['text/html', undefined],
  ['', undefined],
  ['a/json;q=0', undefined],
  ['*/*;q=0.0', undefined],
  ['json', undefined],
])('%p', (accept, type) => {
  expect(preferred(accept, ['a/json', 'text/csv'])).toBe(type);
});
