/** `holdfast status`: one screen that says how a running server is. */
import { setTimeout } from 'node:timers/promises';
import { Caller } from '../client/caller.ts';
import { type Define, DONE, FAILED, notes } from './command.ts';
import { look, overview } from './overview.ts';
import { reaching } from './reach.ts';
import { linesOf } from './screen.ts';
import { type Server, type ServerOptions, serverOf, takesServer } from './server.ts';

/** Rates are of this long. */
const OVER_MS = 1000;
const DIGITS = 3;

export const define: Define = (command, ending) => {
  takesServer(command)
    .option('--json', 'as JSON, for programs')
    .action(
      ending(({ json = false, ...options }: ServerOptions & { json?: boolean }) =>
        showStatus(serverOf(options), json),
      ),
    );
  notes(command, {
    more: 'Rates are of the second that it takes. With API keys, one with the scope admin is needed.',
    examples: [
      ['holdfast status', 'partitions, workers, fronts, rates'],
      ['holdfast status --json | jq .rates.granted', 'one of the figures'],
    ],
    codes: { 0: 'it is ready', 1: 'it is not ready, or could not be asked' },
  });
};

function showStatus(server: Server, json: boolean): Promise<number> {
  return reaching(server, async (signal) => {
    const caller = new Caller(server);
    const before = await look(caller, signal);
    await setTimeout(OVER_MS, undefined, { signal });
    const view = overview(before, await look(caller, signal));
    console.log(
      json ? JSON.stringify({ url: server.url, ...view }, rounded, 2) : linesOf(server.url, view).join('\n'),
    );
    return view.ready ? DONE : FAILED;
  });
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toFixed(DIGITS)) : value;
}
