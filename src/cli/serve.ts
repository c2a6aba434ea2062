/** `holdfast serve`: the server, which takes settings and no arguments. */
import { settingsHelp } from '../config.ts';
import { serve } from '../supervisor/supervisor.ts';
import { type Define, notes } from './command.ts';

export const define: Define = (command, ending) => {
  command.action(ending(() => serve(process.env)));
  notes(command, {
    more: `Settings, as environment variables:\n${settingsHelp()}`,
    examples: [
      ['holdfast serve', 'on port 3000 of this machine, with a Postgres of its own'],
      ['PORT=8080 HOLDFAST_WORKERS=2 holdfast serve', 'elsewhere, with two workers'],
    ],
    codes: { 0: 'it was stopped, and drained', 1: 'it could not start, or had to be killed' },
  });
};
