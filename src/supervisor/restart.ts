/** The command `restart --rolling`: has the running server restart its processes, and prints each step. */
import { readSettings, WrongSetting } from '../config.ts';
import { command, NoServer } from './control.ts';

const EXIT_FAILED = 1;
const EXIT_NOT_TRIED = 2;

export const ROLLING = 'restart-rolling';

/** @returns the exit code: 0 when everything was restarted, 1 when not, 2 when it was not tried */
export async function restart(args: string[], env: Record<string, string | undefined>): Promise<number> {
  if (args.length !== 1 || args[0] !== '--rolling') {
    console.error('holdfast: restart takes --rolling: workers and fronts are replaced one after another');
    return EXIT_NOT_TRIED;
  }
  try {
    const startedAt = performance.now();
    await command(readSettings(env).dataDir, ROLLING, (progress) => console.log(`  ${progress}`));
    console.log(`restarted in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    return 0;
  } catch (error) {
    console.error(`holdfast: ${(error as Error).message}`);
    return error instanceof NoServer || error instanceof WrongSetting ? EXIT_NOT_TRIED : EXIT_FAILED;
  }
}
