/** Files of stock levels: which format, and what is wrong with one that cannot be used. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Command } from 'commander';
import type { Format } from '../client/types.ts';
import { Refusal } from './command.ts';

/** Standard input, or output. */
export const STANDARD = '-';
const BY_EXTENSION: Record<string, Format> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };

export function takesFormat(command: Command): Command {
  return command.addOption(
    command
      .createOption('--format <format>', 'unless the name of the file ends in .csv, .ndjson or .jsonl')
      .choices(['csv', 'ndjson']),
  );
}

export function formatOf(file: string, asked: Format | undefined): Format | undefined {
  return asked ?? BY_EXTENSION[extname(file).toLowerCase()];
}

export interface Source {
  chunks: AsyncIterable<Uint8Array>;
  /** Undefined where it ends when it ends. */
  bytes: number | undefined;
}

/** @throws Refusal */
export async function openSource(file: string): Promise<Source> {
  if (file === STANDARD) return { chunks: process.stdin, bytes: undefined };
  const about = await stat(file).catch((error) => refuse(file, error));
  if (about.isDirectory()) throw new Refusal(`${file} is a folder`);
  const opened = createReadStream(file);
  await new Promise<void>((resolve, reject) =>
    opened.once('open', () => resolve()).once('error', reject),
  ).catch((error) => refuse(file, error));
  return { chunks: opened, bytes: about.isFile() ? about.size : undefined };
}

function refuse(file: string, { code, message }: NodeJS.ErrnoException): never {
  if (code === 'ENOENT') throw new Refusal(`there is no file ${file}`);
  if (code === 'EACCES') throw new Refusal(`${file} may not be opened (EACCES)`);
  throw new Refusal(`${file}: ${message}`);
}
