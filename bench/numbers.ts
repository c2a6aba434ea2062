/** The little arithmetic that figures need. */

export function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Three digits that count, and every digit of what is larger. */
export function readable(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

export function addUp(records: Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const record of records)
    for (const [name, value] of Object.entries(record)) total[name] = (total[name] ?? 0) + value;
  return total;
}

export function count(number: number): string {
  return number.toLocaleString('en');
}
