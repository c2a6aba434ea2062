/**
 * POST /v1/stock/import: any number of levels, read as they arrive and no faster than they are committed.
 *
 * A wrong first line refuses the whole file before anything has changed; a bad line after it is counted,
 * named, and passed over. An upload that breaks off has set what its whole lines said and nothing
 * else: the line that it broke off in is dropped, for it may be half a number. Sent again, what is
 * there already costs no write. With an Idempotency-Key, one that was read to its end is answered again: import-once.ts.
 */
import { BODY_DEADLINE_MS, FAULTS_MAX, IMPORT_LINE_BYTES_MAX } from '../limits.ts';
import type { ProblemCode } from '../reservations/outcomes.ts';
import { CLOSE, mediaTypeOf } from './body.ts';
import type { FrontContext } from './context.ts';
import type { HeaderFault } from './csv.ts';
import { Place } from './gate.ts';
import { IDEMPOTENCY_KEY, malformedKey, parseKey } from './idempotency.ts';
import { type Imported, importOnce, rendered } from './import-once.ts';
import { csvReader, ndjsonReader, RowFault, type RowReader, TOO_LONG } from './import-rows.ts';
import { ImportSender } from './import-sender.ts';
import { type Line, LineCutter } from './lines.ts';
import { problem } from './problems.ts';
import { Upload } from './upload.ts';

const MEDIA_TYPES = ['text/csv', 'application/x-ndjson'] as const;
/** Lines that are read in one turn of the event loop, so that they get on their way and others are heard. */
const READ_TOGETHER = 1024;

export async function importStock(context: FrontContext, request: Request): Promise<Response> {
  const header = request.headers.get(IDEMPOTENCY_KEY);
  const key = header === null ? undefined : parseKey(header);
  if (header !== null && key === undefined) return malformedKey();
  const type = mediaTypeOf(request, MEDIA_TYPES);
  if (type instanceof Response) return type;
  const place = new Place(context.bulkCalls);
  if (!place.tryEnter()) return problem('overloaded', { headers: CLOSE });
  try {
    const hasher = key === undefined ? undefined : new Bun.CryptoHasher('sha256');
    const upload = new Upload(request, context.deadlines, context.clock, hasher);
    const run = () => new Import(context, upload, type === 'text/csv' ? undefined : ndjsonReader).run();
    if (key !== undefined)
      return await importOnce(context, { key, type, upload, place, gone: request.signal }, run);
    const outcome = await run();
    return outcome instanceof Response ? outcome : rendered(outcome);
  } finally {
    place.leave();
  }
}

class Import {
  private readonly cutter = new LineCutter(IMPORT_LINE_BYTES_MAX);
  private readonly sender: ImportSender;
  /** Of the line that was read last, from 1. */
  private number = 0;

  constructor(
    private readonly context: FrontContext,
    private readonly upload: Upload,
    /** Undefined while the header that says how to read has not been there. */
    private reader: RowReader | undefined,
  ) {
    const { backends, clock } = context;
    this.sender = new ImportSender(backends, clock, backends.map.sockets.length);
  }

  /** @returns what became of all lines; or a problem, after which the file may be sent again */
  async run(): Promise<Imported | Response> {
    for (;;) {
      const chunk = await this.upload.next();
      if (chunk === 'stalled' || chunk === 'broken')
        return this.giveUp('request-timeout', `Nothing arrived for ${BODY_DEADLINE_MS / 1000} seconds`);
      if (this.context.draining.aborted) return this.giveUp('outcome-unknown', 'The server began to stop');
      const complete = chunk === 'complete';
      const refused = await this.take(complete ? this.cutter.end() : this.cutter.push(chunk));
      if (refused !== undefined) return refused;
      if (complete) break;
    }
    if (this.reader === undefined) return this.wrongHeader([{ code: 'required', detail: 'is missing' }]);
    await this.sender.finished();
    const { accepted, unchanged, rejected, errors, incomplete } = this.sender;
    errors.sort((a, b) => a.line - b.line);
    return { accepted, unchanged, rejected, errors, incomplete };
  }

  private async take(lines: Line[]): Promise<Response | undefined> {
    const { sender } = this;
    for (const line of lines) {
      this.number++;
      if (line === '') continue;
      if (this.reader === undefined) {
        const reader = csvReader(line);
        if (Array.isArray(reader)) return this.wrongHeader(reader);
        this.reader = reader;
        continue;
      }
      const row = line === undefined ? TOO_LONG : this.reader(line);
      if (row instanceof RowFault) sender.reject(this.number, row.code, row.detail);
      else sender.add(row, this.number);
      if (sender.full) await sender.room();
      if (this.number % READ_TOGETHER === 0) await this.letOthers();
    }
    sender.send();
    return undefined;
  }

  private letOthers(): Promise<void> {
    this.sender.send();
    return new Promise((goOn) => this.context.clock.soon(goOn));
  }

  private giveUp(code: ProblemCode, what: string): Response {
    this.sender.stop();
    return problem(code, {
      detail: `${what} after line ${this.number}. What came before may have been set; send the file again.`,
      headers: CLOSE,
    });
  }

  private wrongHeader(faults: HeaderFault[]): Response {
    const line = Math.max(1, this.number);
    return problem('invalid-request', {
      detail: `The first line ${faults[0].detail}. Nothing was changed.`,
      errors: faults.slice(0, FAULTS_MAX).map((fault) => ({ line, ...fault })),
      headers: CLOSE,
    });
  }
}
