/**
 * GET /dashboard/events: what the dashboard shows, as server-sent events. However many watch, one look a second
 * is taken and written down once; when nobody watches, none is. A viewer that reads too slowly misses looks and
 * holds one text; there are DASHBOARD_VIEWERS_MAX of them.
 */
import type { History, Live, Point } from '../dashboard/live.ts';
import {
  DASHBOARD_EVERY_MS,
  DASHBOARD_POINTS_MAX,
  DASHBOARD_VIEWERS_MAX,
  STATUS_WAIT_MS,
} from '../limits.ts';
import { log } from '../observability/log.ts';
import type { CallContext, FrontContext } from './context.ts';
import { type Look, liveOf } from './look.ts';
import { problem } from './problems.ts';
import { streamed } from './stream.ts';

const EVENTS = 'text/event-stream';
/** How many looks back the steadier figures reach. */
const STEADY_LOOKS = 10;

export class Viewers {
  private count = 0;
  private looking = false;
  /** Rates need one to compare with; they begin anew after a time in which nobody watched. */
  private looks: Look[] = [];
  private points: Point[] = [];
  private latest: string | undefined;
  private next = Promise.withResolvers<string | undefined>();

  constructor(private readonly context: FrontContext) {
    context.draining.addEventListener('abort', () => this.tell(undefined));
  }

  readonly events = (_context: CallContext, request: Request): Response => {
    const headers = { 'content-type': EVENTS, 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
    if (request.method === 'HEAD') return new Response(null, { headers });
    if (this.count >= DASHBOARD_VIEWERS_MAX) return problem('overloaded');
    this.count++;
    const response = streamed(this.watch(), EVENTS, () => this.count--);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    if (!this.looking) void this.look();
    return response;
  };

  private async *watch(): AsyncGenerator<string> {
    yield eventOf('history', { points: this.points });
    if (this.looking && this.latest !== undefined) yield this.latest;
    while (!this.context.draining.aborted) {
      const text = await this.next.promise;
      if (text === undefined) return;
      yield text;
    }
  }

  private async look(): Promise<void> {
    const { clock, draining } = this.context;
    this.looking = true;
    this.looks = [];
    try {
      while (this.count > 0 && !draining.aborted) {
        const startedAt = clock.now();
        this.tell(eventOf('live', this.remember(await this.takeLook())));
        const pauseMs = Math.max(0, startedAt + DASHBOARD_EVERY_MS - clock.now());
        await new Promise<void>((resume) => clock.after(pauseMs, resume));
      }
    } catch (error) {
      log.error('dashboard.failed', { error });
    }
    this.looking = false;
    // Whoever came since would wait for nothing.
    this.tell(undefined);
  }

  private async takeLook(): Promise<Look> {
    const { backends, gather, clock } = this.context;
    const [processes, statuses, hottest] = await Promise.all([
      gather(),
      backends.statuses(STATUS_WAIT_MS),
      backends.hottest(STATUS_WAIT_MS),
    ]);
    return { at: clock.now(), processes, statuses, hottest, map: backends.map };
  }

  private remember(look: Look): Live {
    const live = liveOf(look, this.looks.at(-1), this.looks[0]);
    this.looks = [...this.looks, look].slice(-STEADY_LOOKS);
    if (live.point !== undefined) this.points = [...this.points, live.point].slice(-DASHBOARD_POINTS_MAX);
    return live;
  }

  private tell(text: string | undefined): void {
    this.latest = text;
    const { resolve } = this.next;
    this.next = Promise.withResolvers();
    resolve(text);
  }
}

function eventOf(event: 'history' | 'live', data: History | Live): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
