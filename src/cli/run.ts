/**
 * Command line → command → exit code. What is not understood is said in one sentence, with the nearest match where
 * there is one, and starts nothing.
 */
import { CommanderError } from 'commander';
import { DONE, type Ending, FAILED, Refusal, WRONG_USAGE } from './command.ts';
import { COMMANDS } from './commands.ts';
import { programFor } from './program.ts';

/** @returns the exit code */
export async function run(args: string[]): Promise<number> {
  let code = DONE;
  const ending: Ending =
    (act) =>
    async (...given) => {
      code = await act(...given);
    };
  try {
    const meant = meaning(args);
    const program = await programFor(meant, ending);
    await program.parseAsync(meant, { from: 'user' });
    return code;
  } catch (error) {
    // Help and the version end in one as well, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USAGE;
    if (!(error instanceof Refusal)) throw error;
    console.error(`holdfast: ${error.message}`);
    return FAILED;
  }
}

/** `help x` means `x --help`; of a command that there is not, only the name matters. */
function meaning(args: string[]): string[] {
  const [first, ...rest] = args[0] === 'help' ? [...args.slice(1), '--help'] : args;
  if (first === undefined || first.startsWith('-') || Object.hasOwn(COMMANDS, first))
    return args.length === 0 ? [] : [first, ...rest];
  return [first];
}
