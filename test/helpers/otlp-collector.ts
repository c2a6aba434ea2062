/** A tiny OpenTelemetry collector: takes OTLP/HTTP with JSON, as a real one does, and remembers the spans. */

export interface CollectedSpan {
  service: string;
  /** The process, as in its log lines. */
  instance: string;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  /** 2 is SERVER, 3 CLIENT. */
  kind: number;
  attributes: Record<string, string | number>;
  events: string[];
  /** Nanoseconds since the Unix epoch. */
  start: bigint;
  end: bigint;
}

type Json = ReturnType<typeof JSON.parse>;

export class OtlpCollector implements Disposable {
  readonly spans: CollectedSpan[] = [];
  private readonly server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => {
      if (request.method !== 'POST' || new URL(request.url).pathname !== '/v1/traces')
        return new Response('', { status: 404 });
      this.take(await request.json());
      return Response.json({});
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  private take({ resourceSpans }: Json): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const { 'service.name': service, 'service.instance.id': instance } = values(resource.attributes);
      for (const { spans } of scopeSpans)
        for (const span of spans)
          this.spans.push({
            service: String(service),
            instance: String(instance),
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId,
            name: span.name,
            kind: span.kind,
            attributes: values(span.attributes),
            events: span.events.map(({ name }: Json) => name),
            start: BigInt(span.startTimeUnixNano),
            end: BigInt(span.endTimeUnixNano),
          });
    }
  }

  [Symbol.dispose](): void {
    this.server.stop(true);
  }
}

function values(attributes: Json[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? Number(value.intValue ?? value.doubleValue),
    ]),
  );
}
