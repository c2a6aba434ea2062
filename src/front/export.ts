/**
 * GET /v1/stock/export: every level, partition by partition and page by page, from the memory of the
 * workers. A page is asked for when the one before it has been sent. A level shows at least what every
 * 2xx before the request has said; levels of different pages may be from different moments.
 *
 * A partition that does not answer is asked again for BULK_RETRY_MS; then the connection is broken off, so
 * that the client can't take what it has for everything.
 */
import { BULK_RETRY_MS, EXPORT_LEVELS_PER_PAGE, REQUEST_DEADLINE_MS } from '../limits.ts';
import type { StockLevel } from '../reservations/types.ts';
import type { Reply } from '../wire/messages.ts';
import { preferred } from './accept.ts';
import { codeOf, problemFrom } from './answers.ts';
import type { Answer } from './backends.ts';
import type { FrontContext } from './context.ts';
import { CSV_HEADER, csvLine } from './csv.ts';
import { problem } from './problems.ts';
import { renderLevel } from './render.ts';
import { streamed } from './stream.ts';

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1000;

interface Format {
  contentType: string;
  header: string;
  line(level: StockLevel): string;
}
const FORMATS: Record<string, Format> = {
  'application/x-ndjson': {
    contentType: 'application/x-ndjson',
    header: '',
    line: (level) => `${renderLevel(level)}\n`,
  },
  'text/csv': { contentType: 'text/csv; charset=utf-8; header=present', header: CSV_HEADER, line: csvLine },
};
const MEDIA_TYPES = Object.keys(FORMATS);

type Page = Extract<Reply, { kind: 'levels' }>;

export async function exportStock(context: FrontContext, request: Request): Promise<Response> {
  const type = preferred(request.headers.get('accept'), MEDIA_TYPES);
  if (type === undefined)
    return problem('not-acceptable', { detail: `Levels are exported as ${MEDIA_TYPES.join(' or ')}.` });
  const format = FORMATS[type];
  if (request.method === 'HEAD')
    return new Response(null, { headers: { 'content-type': format.contentType } });
  if (!context.bulkCalls.tryEnter(1)) return problem('overloaded');
  const leave = (): void => context.bulkCalls.leave(1);
  // Asked before the answer begins, while it can still be a problem.
  const first = await ask(context, 0, 0);
  if (first.kind === 'levels') return streamed(lines(context, format, first), format.contentType, leave);
  leave();
  return problemFrom(first, 'reads');
}

async function* lines(context: FrontContext, format: Format, first: Page): AsyncGenerator<string> {
  yield format.header;
  for (let partition = 0; partition < context.backends.partitions; partition++) {
    let page = partition === 0 ? first : await askUntilAnswered(context, partition, 0);
    for (;;) {
      yield page.levels.map(format.line).join('');
      if (page.next === undefined) break;
      page = await askUntilAnswered(context, partition, page.next);
    }
  }
}

function ask({ backends, clock }: FrontContext, partition: number, from: number): Promise<Answer> {
  const deadline = clock.now() + REQUEST_DEADLINE_MS;
  return backends.ask({ kind: 'export-levels', partition, deadline, from, limit: EXPORT_LEVELS_PER_PAGE });
}

async function askUntilAnswered(context: FrontContext, partition: number, from: number): Promise<Page> {
  const { clock, draining } = context;
  const giveUpAt = clock.now() + BULK_RETRY_MS;
  for (let retryMs = RETRY_MS_MIN; ; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
    if (draining.aborted) throw new Error('the server stops');
    const answer = await ask(context, partition, from);
    if (answer.kind === 'levels') return answer;
    if (clock.now() >= giveUpAt) throw new Error(`partition ${partition}: ${codeOf(answer, 'reads')}`);
    await new Promise<void>((resume) => clock.after(retryMs, resume));
  }
}
