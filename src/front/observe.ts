/**
 * What surrounds every call: who may make it, its request id, its metrics, its place in a trace, and the end of a
 * defect that a handler let through. A call that is registered through here can't forget any of it.
 *
 * A request that nobody traces pays for two header lookups, a context of its own and a few additions.
 */
import { elapsedMs } from '../clock.ts';
import { log, shows } from '../observability/log.ts';
import { makesSpans, type Span, startSpan } from '../observability/spans.ts';
import { parseTraceparent, type TraceContext } from '../observability/trace-context.ts';
import type { Admitted, Caller } from './access.ts';
import type { CallContext, FrontContext } from './context.ts';
import { patternOf, type RouteMetrics, routeMetrics } from './http-metrics.ts';
import { type Need, needOf } from './needs.ts';
import { problem } from './problems.ts';
import { REQUEST_ID, requestIdOf } from './request-id.ts';

/** What answers a call. Whatever it throws is a defect. */
type Run<Params> = (context: CallContext, request: Request, params: Params) => Response | Promise<Response>;

/** The part of Elysia's context that is used. */
interface Incoming<Params> {
  request: Request;
  params: Params;
  /** The path as it was registered. */
  route: string;
}

/** The route of requests that no route takes. */
const UNMATCHED = 'unmatched';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export class Observer {
  constructor(private readonly context: FrontContext) {}

  /** @returns a handler for Elysia, to be registered for one route */
  readonly call = <Params>(run: Run<Params>): ((incoming: Incoming<Params>) => Promise<Response>) => {
    let metrics: RouteMetrics | undefined;
    let need: Need | undefined;
    return async ({ request, params, route }) => {
      const startedAt = elapsedMs();
      metrics ??= routeMetrics(request.method === 'HEAD' ? 'GET' : request.method, route);
      need ??= needOf(request.method, metrics.labels.route);
      const requestId = requestIdOf(request);
      const trace = traceOf(request, route, requestId);
      let admitted: Admitted | undefined;
      let response: Response;
      try {
        admitted = this.context.access.admit(request, need);
        response = admitted?.refusal ?? (await run(this.contextOf(requestId, trace), request, params));
      } catch (error) {
        response = failed(error, request, requestId, trace);
      }
      // A kept connection would lead its caller here again.
      if (this.context.leaving.aborted) response.headers.set('connection', 'close');
      answered(request, metrics, response, { requestId, trace, startedAt, need, caller: admitted?.caller });
      return response;
    };
  };

  /** Answers what no route takes. */
  unmatched(request: Request, run: (request: Request) => Response): Response {
    const known: Known = { requestId: requestIdOf(request), startedAt: elapsedMs(), need: 'any' };
    let response: Response;
    try {
      const admitted = this.context.access.admit(request, known.need);
      known.caller = admitted?.caller;
      response = admitted?.refusal ?? run(request);
    } catch (error) {
      response = failed(error, request, known.requestId, undefined);
    }
    const method = METHODS.includes(request.method) ? request.method : 'other';
    answered(request, routeMetrics(method, UNMATCHED), response, known);
    return response;
  }

  private contextOf(requestId: string, trace: Trace): CallContext {
    const backends = trace?.sampled ? this.context.backends.traced(trace) : this.context.backends;
    // It inherits what all calls share, which costs less than a copy.
    return { __proto__: this.context, requestId, backends } as unknown as CallContext;
  }
}

/** The span of this request, or where none is made, what its caller has sent. */
type Trace = Span | TraceContext | undefined;

function traceOf(request: Request, route: string, requestId: string): Trace {
  const traceparent = request.headers.get('traceparent');
  if (traceparent === null && !makesSpans()) return undefined;
  const parent = traceparent === null ? undefined : parseTraceparent(traceparent);
  const { method } = request;
  const span = startSpan(`${method} ${patternOf(route)}`, 'server', parent, {
    'http.request.method': method,
    'http.route': patternOf(route),
    'url.path': pathOf(request),
    'holdfast.request_id': requestId,
  });
  return span ?? parent;
}

interface Known {
  requestId: string;
  trace?: Trace;
  startedAt: number;
  need: Need;
  caller?: Caller;
}

function answered(request: Request, metrics: RouteMetrics, response: Response, known: Known): void {
  const { status } = response;
  const { requestId, trace, startedAt, need, caller } = known;
  response.headers.set(REQUEST_ID, requestId);
  if (caller?.limit !== undefined) {
    response.headers.set('ratelimit-policy', caller.limit.policy);
    response.headers.set('ratelimit', caller.limit.state());
  }
  const durationMs = elapsedMs() - startedAt;
  metrics.observe(status, durationMs);
  if (trace !== undefined && 'end' in trace) {
    trace.end({ 'http.response.status_code': status }, status >= 500);
  }
  const isAct = need === 'admin' && metrics.labels.method !== 'GET' && status !== 401;
  if (!isAct && !shows('debug')) return;
  const about = { ...aboutRequest(request, requestId, trace), apiKey: caller?.id };
  if (isAct) log.info('admin.called', { ...about, status });
  log.debug('request.served', { ...about, route: metrics.labels.route, status, durationMs });
}

/** A defect of ours: logged once here, and nothing of it leaves the server. */
function failed(error: unknown, request: Request, requestId: string, trace: Trace): Response {
  log.error('request.failed', { ...aboutRequest(request, requestId, trace), error });
  return problem('internal-error', { detail: 'The request failed through a defect in the server.' });
}

function aboutRequest(request: Request, requestId: string, trace: Trace) {
  return { requestId, traceId: trace?.traceId, method: request.method, path: pathOf(request) };
}

function pathOf({ url }: Request): string {
  return new URL(url).pathname;
}
