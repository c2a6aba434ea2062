/** What `verify` prints: each rule with what breaks it, one line for each, and the sum of it all. */
import type { BookRule } from '../storage/book-rules.ts';
import type { BooksRead, BooksReader } from '../storage/check-books.ts';

export class Report implements BooksReader {
  differences = 0;
  private notes = 0;
  private ofRule = 0;

  broken(rule: BookRule, sentence: string): void {
    if (this.ofRule++ === 0) console.log(`  ${rule.note ? 'note ' : 'wrong'}  ${rule.name}`);
    if (rule.note) this.notes++;
    else this.differences++;
    console.log(`         ${sentence}`);
  }

  checked(rule: BookRule): void {
    if (this.ofRule === 0) console.log(`  ok     ${rule.name}`);
    this.ofRule = 0;
  }

  sum({ levels, reservations, open, entries, ms }: BooksRead): void {
    console.log(
      `\n${count(levels, 'stock level')}, ${count(reservations, 'reservation')} (${open.toLocaleString('en')} open), ${count(entries, 'ledger entry')}, read in ${(ms / 1000).toFixed(1)} s`,
    );
    const notes = this.notes === 0 ? '' : `, ${count(this.notes, 'note')}`;
    if (this.differences === 0) console.log(`the books balance${notes}`);
    else console.log(`the books do not balance: ${count(this.differences, 'difference')}${notes}`);
  }
}

/** As in `1 entry`, `2,000 entries`. */
export function count(number: number, one: string): string {
  const many = one.endsWith('y') ? `${one.slice(0, -1)}ies` : `${one}s`;
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}
