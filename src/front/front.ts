/**
 * One front process: HTTP on one port of its own, a link to every worker, and no stock. A port that is
 * taken is an error, never shared (no SO_REUSEPORT): which process handles a request is decided by the
 * partition map, not by the kernel.
 */
import { Elysia } from 'elysia';
import { resultWithin, systemClock } from '../clock.ts';
import {
  API_KEYS_BEFORE_LISTENING_MS,
  BATCH_LINES_IN_FLIGHT_MAX,
  BULK_CALLS_MAX,
  IDLE_CONNECTION_SECONDS,
  KEY_WAITS_MAX,
} from '../limits.ts';
import { reportMetrics } from '../observability/metrics.ts';
import type { FrontSpec, Running, Superior, ToChild } from '../process.ts';
import { ReservationIds } from '../reservations/id.ts';
import { findProblem } from '../reservations/outcomes.ts';
import { Access } from './access.ts';
import { Backends } from './backends.ts';
import { Bodies } from './body.ts';
import type { FrontContext } from './context.ts';
import { dashboardPages } from './dashboard-pages.ts';
import { Deadlines } from './deadlines.ts';
import { fallback } from './fallback.ts';
import { Gate } from './gate.ts';
import { watchPending } from './http-metrics.ts';
import { watchKeys } from './key-watch.ts';
import { Observer } from './observe.ts';
import { openApiOf } from './openapi.ts';
import { problemIndex, problemPage, swaggerPages } from './pages.ts';
import { problem } from './problems.ts';
import { ok } from './render.ts';
import { routes } from './routes.ts';
import { Viewers } from './viewers.ts';

/** The supervisor, as a front asks it. */
type Asked = Pick<Superior, 'say' | 'gather' | 'move'>;

/** Without a supervisor there is only this process. */
function alone({ front }: FrontSpec): Asked {
  return {
    say() {},
    gather: async () => [{ process: `front ${front}`, families: reportMetrics() }],
    move: async () => undefined,
  };
}

/**
 * @throws Error with one line for a person, when the address cannot be listened at
 */
export async function startFront(spec: FrontSpec, superior: Asked = alone(spec)): Promise<Running> {
  const clock = systemClock;
  const deadlines = new Deadlines(clock);
  const backends = new Backends(spec.map, deadlines, clock);
  const access = new Access(spec.mayBeOpen, spec.fronts, clock);
  const keys = watchKeys(access, backends, clock);
  const draining = new AbortController();
  const leaving = new AbortController();
  const close = (): void => {
    keys.stop();
    backends.close();
    deadlines.close();
  };
  try {
    const app = await compose({
      access,
      backends,
      bodies: new Bodies(deadlines, clock),
      clock,
      deadlines,
      ids: new ReservationIds(),
      bulkCalls: new Gate(BULK_CALLS_MAX),
      batchLines: new Gate(BATCH_LINES_IN_FLIGHT_MAX),
      keyWaits: new Gate(KEY_WAITS_MAX),
      random: Math.random,
      draining: draining.signal,
      leaving: leaving.signal,
      gather: superior.gather,
      move: superior.move,
    });
    // One that takes another's place, or that of one that died, must not let fewer in than that one did.
    if (spec.standby) {
      await keys.known;
    } else {
      await resultWithin(clock, API_KEYS_BEFORE_LISTENING_MS, keys.known);
      listen(app, spec);
    }
    return {
      hear(message: ToChild) {
        switch (message.type) {
          case 'map':
            return backends.adopt(message.map);
          case 'leave':
            return leaving.abort();
          case 'listen':
            listen(app, spec);
            superior.say({ type: 'listening' });
        }
      },
      async drain() {
        leaving.abort();
        draining.abort();
        const stopped = app.server === null ? undefined : app.stop();
        superior.say({ type: 'closed' });
        await stopped;
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function compose(context: FrontContext) {
  const api = routes(context);
  const observer = new Observer(context);
  const { call } = observer;
  const openApi = await openApiOf(api);
  const swagger = await swaggerPages();
  const dashboard = await dashboardPages();
  // First, because a hook sees only what is registered after it.
  const app = new Elysia({ normalize: false, precompile: true })
    .onError(({ code, error, request }) =>
      observer.unmatched(request, () => {
        if (code !== 'NOT_FOUND') throw error;
        return withoutRoute(request);
      }),
    )
    .use(api)
    .get('/swagger', call(swagger.page))
    .get(
      '/swagger/json',
      call(() => ok(openApi)),
    )
    .get('/dashboard', call(dashboard.page))
    .get('/dashboard/events', call(new Viewers(context).events))
    .get('/problems', call(problemIndex))
    .get(
      '/problems/:code',
      call((_context, _request, { code }: { code: string }) => {
        const found = findProblem(code);
        return found === undefined ? problem('not-found') : problemPage(found);
      }),
    );
  for (const asset of [...swagger.assets, ...dashboard.assets]) app.get(asset.path, call(asset.response));
  const withoutRoute = fallback(app.routes);
  return app;
}

function listen(app: Awaited<ReturnType<typeof compose>>, { host, port, tls }: FrontSpec): void {
  try {
    app.listen({
      hostname: host,
      port,
      tls: tls && { cert: Bun.file(tls.cert), key: Bun.file(tls.key) },
      reusePort: false,
      // Bun's own error page would show the source.
      development: false,
      idleTimeout: IDLE_CONNECTION_SECONDS,
      // Bun answers a longer body with a bare 413; body.ts does better.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    });
    watchPending(() => app.server?.pendingRequests ?? 0);
  } catch (error) {
    const reason =
      (error as { code?: string }).code === 'EADDRINUSE'
        ? 'another program is listening there'
        : (error as Error).message;
    throw new Error(`cannot listen at ${host}:${port}: ${reason}`);
  }
}
