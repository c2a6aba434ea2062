/**
 * What a command is. Each has a module of its own in this folder, which is loaded only when the command is used: it
 * exports `define`, which says what the command takes and what `--help` shows, and wraps what it does in `ending`,
 * so that the number it returns is the exit code.
 *
 * Exit codes, by convention: 0 it did what was asked; 1 it could not, or found differences; 2 the command line is wrong.
 */
import type { Command } from 'commander';

export type Env = Record<string, string | undefined>;
export type Ending = <Args extends unknown[]>(
  act: (...args: Args) => Promise<number>,
) => (...args: Args) => Promise<void>;
export type Define = (command: Command, ending: Ending) => void | Promise<void>;

export const DONE = 0;
export const FAILED = 1;
export const WRONG_USAGE = 2;
/** Ended by Ctrl-C: 128 and the number of the signal. */
export const INTERRUPTED = 130;

/** Why a command ends with 1; the message is one line for whoever typed it. */
export class Refusal extends Error {}

export interface Notes {
  /** Each a command line and what it does. */
  examples: [line: string, does: string][];
  /** What the exit codes mean here; 2 is always the command line. */
  codes: Partial<Record<number, string>>;
  /** Anything more, before these. */
  more?: string;
}

/** Examples and exit codes, below what the parser says of arguments and options. */
export function notes(command: Command, { examples, codes, more }: Notes): void {
  const width = Math.max(...examples.map(([line]) => line.length));
  const shown = examples.map(([line, does]) => `  ${line.padEnd(width)}  ${does}`);
  const meanings = Object.entries({ [WRONG_USAGE]: 'the command line is wrong', ...codes });
  command.addHelpText(
    'after',
    [
      ...(more === undefined ? [] : ['', more]),
      '',
      'Examples:',
      ...shown,
      '',
      'Exit codes:',
      ...meanings.map(([code, meaning]) => `  ${code.padEnd(3)} ${meaning}`),
    ].join('\n'),
  );
}
