/** `holdfast restart --rolling`: has the running server replace its processes. See supervisor/rolling.ts. */
import { readSettings } from '../config.ts';
import { command as order } from '../supervisor/control.ts';
import { ROLLING } from '../supervisor/rolling.ts';
import { type Define, DONE, notes, Refusal } from './command.ts';

export const define: Define = (command, ending) => {
  command.requiredOption('--rolling', 'every worker and every front, one after another').action(
    ending(async () => {
      const startedAt = performance.now();
      try {
        await order(readSettings(process.env).dataDir, ROLLING, (progress) => console.log(`  ${progress}`));
      } catch (error) {
        throw new Refusal((error as Error).message);
      }
      console.log(`restarted in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
      return DONE;
    }),
  );
  notes(command, {
    more: 'It is for the server that runs on HOLDFAST_DATA_DIR, whose code and supervisor stay what they are.',
    examples: [['holdfast restart --rolling', 'prints each step; requests go on meanwhile']],
    codes: {
      0: 'everything was restarted',
      1: 'no server runs there, or it could not restart all: it serves',
    },
  });
};
