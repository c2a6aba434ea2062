/** The parser of command lines, and how it complains. */
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { type Ending, notes } from './command.ts';
import { COMMANDS } from './commands.ts';

/** Knows every command by name, and all about those that these arguments name. */
export async function programFor(args: string[], ending: Ending): Promise<Command> {
  const program = new Command('holdfast')
    .description('Holdfast reserves inventory and never promises the same unit twice.')
    .version(packageJson.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text, or that of a command')
    .helpCommand('help [command]', 'show what a command takes')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(sentence('holdfast', text)) });
  notes(program, {
    more: 'In a clone: bun src/main.ts <command>; or bun run start, verify, keys, tour, bench, and test.',
    examples: [
      ['holdfast serve', 'starts a server; `serve --help` shows its settings'],
      ['holdfast help verify', 'shows what verify takes'],
    ],
    codes: { 0: 'it did what was asked', 1: 'it could not, or found differences' },
  });
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${summary[0].toUpperCase()}${summary.slice(1)}.`)
      .helpOption('-h, --help', 'show this text')
      .configureOutput({ outputError: (text, write) => write(sentence(`holdfast ${name}`, text)) });
    if (args.includes(name)) await (await load()).define(command, ending);
  }
  return program;
}

/** The parser's complaint, as a sentence that says where to look. */
function sentence(where: string, complaint: string): string {
  const [what, hint] = complaint
    .replace(/^error: /, '')
    .trimEnd()
    .split('\n');
  const match = /\(D(id you mean .*\?)\)/.exec(hint ?? '')?.[1];
  const said = `${where}: ${what.replace(/\.$/, '')}; `;
  return match === undefined ? `${said}see ${where} --help\n` : `${said}d${match} See ${where} --help\n`;
}
