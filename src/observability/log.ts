/**
 * One line per event on stderr: JSON for machines, a short form where stderr is a terminal.
 * Events are for the people who run Holdfast; nothing of them ever reaches a caller.
 */
import { systemClock } from '../clock.ts';

export type Fields = Record<string, unknown>;
type Level = 'info' | 'warn' | 'error';

let processName: string | undefined;

/** Names this process in each line that follows, as in `worker 0`. */
export function identify(name: string): void {
  processName = name;
}

function write(level: Level, event: string, fields: Fields): void {
  const time = new Date(systemClock.now()).toISOString();
  const named = processName === undefined ? fields : { process: processName, ...fields };
  const line = process.stderr.isTTY
    ? short(time, level, event, named)
    : JSON.stringify({ time, level, event, ...named }, plain);
  process.stderr.write(`${line}\n`);
}

/** Errors have no enumerable fields, and JSON has no bigint. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === 'bigint' ? value.toString() : value;
}

function short(time: string, level: Level, event: string, fields: Fields): string {
  const values = Object.entries(fields).map(([name, value]) => `${name}=${shortValue(value)}`);
  const loud = level === 'info' ? '' : ` ${level.toUpperCase()}`;
  return `${time.slice(11, 23)}${loud} ${[event, ...values].join('  ')}`;
}

function shortValue(value: unknown): string {
  const text =
    typeof value === 'string'
      ? value
      : value instanceof Error
        ? (value.stack ?? value.message)
        : JSON.stringify(value, plain);
  return text ?? 'undefined';
}

export const log = {
  info: (event: string, fields: Fields = {}): void => write('info', event, fields),
  warn: (event: string, fields: Fields = {}): void => write('warn', event, fields),
  error: (event: string, fields: Fields = {}): void => write('error', event, fields),
};
