/**
 * `holdfast export`: every stock level, streamed out of a running server. A file is written beside its name and gets it
 * when it is whole, so that a part is never taken for everything, nor put in the place of what was there.
 */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Caller } from '../client/caller.ts';
import { HoldfastError } from '../client/errors.ts';
import { Holdfast } from '../client/holdfast.ts';
import type { Format } from '../client/types.ts';
import { type Define, DONE, notes, Refusal } from './command.ts';
import { formatOf, STANDARD, takesFormat } from './files.ts';
import { partitionTable } from './operations.ts';
import { linesIn, Progress } from './progress.ts';
import { reaching, TRIES } from './reach.ts';
import { type Server, type ServerOptions, serverOf, takesServer } from './server.ts';

export const define: Define = (command, ending) => {
  command.argument('[file]', `the file; ${STANDARD} for standard output`, STANDARD);
  takesServer(takesFormat(command)).action(
    ending((file: string, options: ServerOptions & { format?: Format }) =>
      exportTo(file, formatOf(file, options.format) ?? 'ndjson', serverOf(options)),
    ),
  );
  notes(command, {
    more: 'A CSV can be imported again. Without a known ending or --format, it is NDJSON.',
    examples: [
      ['holdfast export stock.csv', 'with a progress bar, on a terminal'],
      ["holdfast export | jq -r 'select(.available < 0) | .sku'", 'what was promised beyond what is there'],
    ],
    codes: {
      0: 'every level was written',
      1: 'the export could not be finished, and no file was written',
      130: 'interrupted',
    },
  });
};

function exportTo(file: string, format: Format, server: Server): Promise<number> {
  return reaching(server, async (signal) => {
    const stream = await new Holdfast(server).stock.exportAs(format, { ...TRIES, signal });
    const progress = new Progress(
      'export',
      process.stderr.isTTY ? await levelsOf(server, signal) : undefined,
    );
    const write = file === STANDARD ? toOutput : (chunks: Chunks) => toFile(file, chunks, signal);
    await write(watched(stream, server, progress, signal)).finally(() => progress.end());
    return DONE;
  });
}

type Chunks = AsyncGenerator<Uint8Array>;

async function* watched(
  stream: ReadableStream<Uint8Array>,
  { url }: Server,
  progress: Progress,
  signal: AbortSignal,
): Chunks {
  let levels = 0;
  try {
    for await (const chunk of stream) {
      const lines = linesIn(chunk);
      levels += lines;
      progress.advance(lines, lines);
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new Refusal(
      `the export from ${url} broke off after ${levels.toLocaleString('en')} lines: ${error}`,
    );
  }
}

async function toFile(file: string, chunks: Chunks, signal: AbortSignal): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline(chunks, createWriteStream(part), { signal });
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof Refusal || signal.aborted) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Refusal(`${file} cannot be written: ${code ?? message}`);
  }
}

/** Whoever reads may have had enough, as `head` has: then there is nothing more to do. */
async function toOutput(chunks: Chunks): Promise<void> {
  await pipeline(chunks, process.stdout, { end: false }).catch((error) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/** For the bar: undefined where the server does not tell everybody. */
async function levelsOf(server: Server, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { partitions } = await partitionTable(new Caller(server), signal);
    return partitions.reduce((sum, { levels = 0 }) => sum + levels, 0);
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw error;
  }
}
