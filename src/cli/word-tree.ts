/** What can stand where on a command line, gathered from the parser: what completion scripts are made of. */
import type { Argument, Command, Option } from 'commander';

/** What may come at one place. */
export interface Place {
  /** The commands that lead there, as in `holdfast keys create`. */
  at: string;
  words: Word[];
  /** A name of a file, too. */
  files: boolean;
  values: Values[];
}

export interface Word {
  word: string;
  meaning: string;
}

/** What may follow an option that takes a value. */
export interface Values {
  option: string;
  words: string[];
  files: boolean;
}

/** @returns every place, with commands before those below them */
export function placesOf(command: Command, above = ''): Place[] {
  const at = `${above}${command.name()}`;
  const help = command.createHelp();
  const options = help.visibleOptions(command);
  const below = help.visibleCommands(command);
  const named = below.map((one) => ({ word: one.name(), meaning: one.summary() || one.description() }));
  const place: Place = {
    at,
    words: [
      ...named,
      ...command.registeredArguments.flatMap(choicesOf),
      ...options.flatMap(({ long, description }) => (long ? [{ word: long, meaning: description }] : [])),
    ],
    files: command.registeredArguments.some((argument) => argument.name() === 'file'),
    values: options.filter(({ required }) => required).map(valuesOf),
  };
  return [place, ...below.flatMap((one) => placesOf(one, `${at} `))].map((one) =>
    // Commands can be asked about, each by its name.
    one.at === `${at} help` ? { ...one, words: named.filter(({ word }) => word !== 'help') } : one,
  );
}

function choicesOf({ argChoices = [] }: Argument): Word[] {
  return argChoices.map((word) => ({ word, meaning: '' }));
}

function valuesOf({ long, flags, argChoices = [] }: Option): Values {
  return { option: long ?? flags, words: argChoices, files: flags.endsWith('<file>') };
}
