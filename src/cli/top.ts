/**
 * `holdfast top`: what `status` shows, drawn anew every second, until q or Ctrl-C. It has the terminal's other screen for
 * itself, and gives everything back however it ends. A server that is lost is waited for.
 */
import { setTimeout } from 'node:timers/promises';
import { Caller } from '../client/caller.ts';
import { HoldfastError } from '../client/errors.ts';
import { type Define, DONE, notes } from './command.ts';
import { type Look, look, overview } from './overview.ts';
import { reaching } from './reach.ts';
import { linesOf } from './screen.ts';
import { type Server, type ServerOptions, serverOf, takesServer } from './server.ts';

const EVERY_MS = 1000;
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';
const CTRL_C = '\x03';

export const define: Define = (command, ending) => {
  takesServer(command).action(
    ending((options: ServerOptions) => {
      if (process.stdout.isTTY && process.stdin.isTTY) return watch(serverOf(options));
      return command.error('error: top draws on a terminal, and there is none; use holdfast status');
    }),
  );
  notes(command, {
    more: 'q or Ctrl-C ends it. With API keys, one with the scope admin is needed.',
    examples: [
      ['holdfast top', 'of the server on this machine'],
      ['holdfast top --url https://stock.example.com', 'of another'],
    ],
    codes: { 0: 'it was ended', 1: 'the server could not be asked' },
  });
};

function watch(server: Server): Promise<number> {
  return reaching(server, async (signal) => {
    const caller = new Caller(server);
    const first = await look(caller, signal);
    using screen = new Screen();
    const stopping = AbortSignal.any([signal, screen.left]);
    await redraw(server, caller, screen, first, stopping).catch((error) => {
      if (!stopping.aborted) throw error;
    });
    return DONE;
  });
}

async function redraw(
  server: Server,
  caller: Caller,
  screen: Screen,
  first: Look,
  signal: AbortSignal,
): Promise<never> {
  let before = first;
  let shown = ['looking …'];
  for (;;) {
    screen.draw(shown);
    await setTimeout(EVERY_MS, undefined, { signal });
    try {
      const after = await look(caller, signal);
      shown = linesOf(server.url, overview(before, after));
      before = after;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const lost = 'NO ANSWER; trying again';
      shown = shown[0] === lost ? shown : [lost, ...shown];
    }
  }
}

/** The terminal, while it is ours. */
class Screen implements Disposable {
  private readonly leaving = new AbortController();
  readonly left = this.leaving.signal;
  private lines: string[] = [];

  constructor() {
    process.stdin.setRawMode(true);
    process.stdin.on('data', this.press).resume();
    process.stdout.on('resize', this.paint);
    process.stdout.write(ENTER);
  }

  draw(lines: string[]): void {
    this.lines = lines;
    this.paint();
  }

  private readonly paint = (): void => {
    const { columns, rows } = process.stdout;
    const fitting = [...this.lines, '', 'q ends'].slice(0, rows).map((line) => line.slice(0, columns));
    process.stdout.write(HOME + fitting.map((line) => line + REST_OF_LINE).join('\r\n') + REST_OF_SCREEN);
  };

  private readonly press = (keys: Buffer): void => {
    if (/q/i.test(keys.toString()) || keys.includes(CTRL_C)) this.leaving.abort();
  };

  [Symbol.dispose](): void {
    process.stdout.off('resize', this.paint);
    process.stdin.off('data', this.press).pause();
    process.stdin.setRawMode(false);
    process.stdout.write(LEAVE);
  }
}
