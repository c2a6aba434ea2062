/** `holdfast verify`: do the books balance? See verify/verify.ts. */
import { type RepairOptions, verify } from '../verify/verify.ts';
import { type Define, notes } from './command.ts';

export const define: Define = (command, ending) => {
  command
    .option(
      '--repair',
      'then ask, and correct by entries of the ledger what these can correct; not beside a server',
    )
    .option('--yes', 'do not ask before it writes; goes with --repair')
    .action(
      ending(({ repair = false, yes = false }: Partial<RepairOptions>) =>
        verify({ repair, yes }, process.env),
      ),
    );
  notes(command, {
    more: 'It finds the database as a server does: DATABASE_URL, or the embedded one in HOLDFAST_DATA_DIR.',
    examples: [
      ['holdfast verify', 'says which rules hold, and what breaks the others'],
      ['holdfast verify --repair --yes', 'in a script, while no server runs'],
    ],
    codes: {
      0: 'the books balance',
      1: 'they do not',
      2: 'it could not find out, or the command line is wrong',
    },
  });
};
