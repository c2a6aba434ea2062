/**
 * One line per event on stderr: JSON for machines, a short form where stderr is a terminal.
 * Events are for the people who run Holdfast; nothing of them ever reaches a caller.
 */
import { systemClock } from '../clock.ts';
import type { Events } from './events.ts';

/** From what must be seen to what is seen only when looked for. */
export const LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type Level = (typeof LEVELS)[number];

let processName: string | undefined;
let shown = LEVELS.indexOf('info');

/** Names this process in each line that follows, as in `worker 0`. */
export function identify(name: string): void {
  processName = name;
}

/** From now on, what is at this level or above it is written, and nothing else. */
export function showUpTo(level: Level): void {
  shown = LEVELS.indexOf(level);
}

/** Whether a line at this level would be written: to be asked where making it costs something. */
export function shows(level: Level): boolean {
  return LEVELS.indexOf(level) <= shown;
}

function write(level: Level, event: string, fields: object): void {
  if (!shows(level)) return;
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

function short(time: string, level: Level, event: string, fields: object): string {
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

type Write = <Name extends keyof Events>(event: Name, fields: Events[Name]) => void;

export const log: Record<Level, Write> = {
  error: (event, fields) => write('error', event, fields),
  warn: (event, fields) => write('warn', event, fields),
  info: (event, fields) => write('info', event, fields),
  debug: (event, fields) => write('debug', event, fields),
};
