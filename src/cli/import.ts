/** `holdfast import`: a file of stock levels, streamed into a running server, and what became of its lines. */
import { Holdfast } from '../client/holdfast.ts';
import type { Format, ImportResult } from '../client/types.ts';
import { type Define, DONE, FAILED, notes } from './command.ts';
import { formatOf, openSource, type Source, STANDARD, takesFormat } from './files.ts';
import { linesIn, Progress } from './progress.ts';
import { reaching } from './reach.ts';
import { type Server, type ServerOptions, serverOf, takesServer } from './server.ts';

export const define: Define = (command, ending) => {
  command.argument('<file>', `the file; ${STANDARD} for standard input`);
  takesServer(takesFormat(command)).action(
    ending((file: string, options: ServerOptions & { format?: Format }) => {
      const format = formatOf(file, options.format);
      if (format !== undefined) return importFile(file, format, serverOf(options));
      return command.error(`error: the format of ${file} is not known; say --format csv or --format ndjson`);
    }),
  );
  notes(command, {
    more: 'Each line sets what a count found: sku,location,onHand[,safetyStock][,backorderLimit]. Interrupted, or sent\nagain, it costs nothing: levels that are already so are left alone.',
    examples: [
      ['holdfast import stock.csv', 'with a progress bar, on a terminal'],
      ['zcat stock.ndjson.gz | holdfast import - --format ndjson', 'from a pipe'],
    ],
    codes: {
      0: 'every line was taken',
      1: 'lines were rejected, which are shown, or the file could not be sent',
      130: 'interrupted; what was sent until then may have been set',
    },
  });
};

async function importFile(file: string, format: Format, server: Server): Promise<number> {
  const source = await openSource(file);
  return reaching(server, async (signal) => report(await send(source, format, server, signal)));
}

function send(source: Source, format: Format, server: Server, signal: AbortSignal): Promise<ImportResult> {
  const progress = new Progress('import', source.bytes);
  return new Holdfast(server).stock
    .importFrom(watched(source, progress), format, { signal })
    .finally(() => progress.end());
}

function watched({ chunks }: Source, progress: Progress): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await iterator.next();
        if (done) return controller.close();
        controller.enqueue(value);
        progress.advance(value.length, linesIn(value));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

function report({ accepted, unchanged, rejected, errors }: ImportResult): number {
  const count = (number: number): string => number.toLocaleString('en');
  console.log(`${count(accepted)} set, ${count(unchanged)} unchanged, ${count(rejected)} rejected`);
  for (const { line, detail } of errors) console.error(`line ${line}: ${detail}`);
  if (rejected > errors.length) console.error(`and ${count(rejected - errors.length)} more`);
  return rejected === 0 ? DONE : FAILED;
}
