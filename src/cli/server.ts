/** The server that a command talks to: `--url` and `--key`, or else the settings of this shell. */
import { type Command, InvalidArgumentError } from 'commander';
import { readSettings, WrongSetting } from '../config.ts';
import { Refusal } from './command.ts';

export interface ServerOptions {
  url?: string;
  key?: string;
}

/** Where the server is, and the API key to show it, if any. */
export interface Server {
  url: string;
  key: string | undefined;
}

export function takesServer(command: Command): Command {
  return command
    .option('--url <url>', 'of the server (default: by HOST and PORT, as for serve)', originOf)
    .option(
      '--key <key>',
      'API key (default: HOLDFAST_API_KEY, which other users of the machine cannot see)',
    );
}

/** @throws Refusal */
export function serverOf({ url, key }: ServerOptions): Server {
  return { url: url ?? urlBySettings(), key: key ?? (process.env.HOLDFAST_API_KEY || undefined) };
}

/** Without a slash at the end, so that paths can be put behind it. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new InvalidArgumentError('Allowed is an http:// or https:// URL without a query');
  return url.href.replace(/\/+$/, '');
}

function urlBySettings(): string {
  try {
    const { host, port, tlsCert } = readSettings(process.env);
    const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
    return `${tlsCert === undefined ? 'http' : 'https'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
  } catch (error) {
    throw error instanceof WrongSetting ? new Refusal(error.message) : error;
  }
}
