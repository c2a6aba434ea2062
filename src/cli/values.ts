/** How the values of options are read: what is allowed is in the complaint about what is not. */
import { InvalidArgumentError } from 'commander';

interface Range {
  min: number;
  max: number;
  fractions?: boolean;
}

export function number({ min, max, fractions = false }: Range): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= min && value <= max && (fractions || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(
      `Allowed is ${fractions ? 'a number' : 'a whole number'} from ${min} to ${max.toLocaleString('en')}`,
    );
  };
}

/** Several of them, between commas. */
export function numbers(range: Range): (text: string) => number[] {
  return (text) => text.split(',').map(number(range));
}
