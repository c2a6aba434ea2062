/** `holdfast completion`: the script that lets a shell complete commands and options. */
import { type Define, DONE, notes } from './command.ts';
import { COMMANDS } from './commands.ts';
import { SHELLS } from './completion-scripts.ts';
import { programFor } from './program.ts';
import { placesOf } from './word-tree.ts';

export const define: Define = (command, ending) => {
  command.addArgument(command.createArgument('<shell>', 'which shell').choices(Object.keys(SHELLS))).action(
    ending(async (shell: string) => {
      const program = await programFor(Object.keys(COMMANDS), ending);
      process.stdout.write(SHELLS[shell](placesOf(program)));
      return DONE;
    }),
  );
  notes(command, {
    examples: [
      ['source <(holdfast completion bash)', 'in ~/.bashrc'],
      ['source <(holdfast completion zsh)', 'in ~/.zshrc, after compinit'],
      ['holdfast completion fish > ~/.config/fish/completions/holdfast.fish', 'once'],
    ],
    codes: { 0: 'the script is on standard output' },
  });
};
