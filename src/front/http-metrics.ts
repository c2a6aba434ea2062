/**
 * Requests by route, method and status. A route is the pattern, never the path: what callers can
 * make up must not make new series.
 */
import { counterOf, gauge, Histogram, histograms, SECONDS } from '../observability/metrics.ts';

const STATUSES = 600;

export class RouteMetrics {
  private readonly counts = new Float64Array(STATUSES);
  private readonly seconds = new Histogram(SECONDS);

  constructor(readonly labels: { route: string; method: string }) {}

  observe(status: number, ms: number): void {
    this.counts[status]++;
    this.seconds.observe(ms / 1000);
  }

  requests(): { labels: Record<string, string>; value: number }[] {
    const seen: ReturnType<RouteMetrics['requests']> = [];
    this.counts.forEach((value, status) => {
      if (value > 0) seen.push({ labels: { ...this.labels, status: String(status) }, value });
    });
    return seen;
  }

  durations() {
    return this.seconds.series(this.labels);
  }
}

const routes = new Map<string, RouteMetrics>();

/** A path as it is registered, `/v1/stock/:sku`, as OpenAPI shows it: `/v1/stock/{sku}`. */
export function patternOf(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}');
}

/** @param path as it is registered */
export function routeMetrics(method: string, path: string): RouteMetrics {
  const route = patternOf(path);
  const key = `${method} ${route}`;
  const known = routes.get(key) ?? new RouteMetrics({ route, method });
  routes.set(key, known);
  return known;
}

counterOf('holdfast_http_requests', 'Requests that were answered', () =>
  [...routes.values()].flatMap((route) => route.requests()),
);
histograms(
  'holdfast_http_request_duration_seconds',
  'From a request to its answer; of an answer that is streamed, to its beginning',
  SECONDS,
  () => [...routes.values()].map((route) => route.durations()),
);

/** @param pending how many requests have come and are not answered */
export function watchPending(pending: () => number): void {
  gauge('holdfast_http_requests_in_flight', 'Requests that have come and are not answered', pending);
}
