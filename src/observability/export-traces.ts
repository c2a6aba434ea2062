/**
 * Spans for an OpenTelemetry collector, over OTLP/HTTP with JSON, when the standard environment variables ask for it
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables). Only then are the libraries loaded.
 *
 * A collector that is down costs spans and nothing else: the queue is bounded, and nobody waits for it.
 */
import type { Sampler } from '@opentelemetry/sdk-trace';
import packageJson from '../../package.json' with { type: 'json' };
import { resultWithin, systemClock } from '../clock.ts';
import { log } from './log.ts';
import { makeSpans, type Span } from './spans.ts';

type Env = Record<string, string | undefined>;

/** How long a process that ends waits for its last spans to be taken. */
const LAST_SPANS_MS = 2000;
/** The exporter complains about each batch; an operator wants to hear of it once in a while. */
const COMPLAIN_EVERY_MS = 60_000;

/** @returns what sends the rest, at the end of the process */
export async function exportTraces(process: string, env: Env): Promise<() => Promise<void>> {
  if (!isWanted(env)) return async () => {};
  const api = await import('@opentelemetry/api');
  const sdk = await import('@opentelemetry/sdk-trace');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const resources = await import('@opentelemetry/resources');
  api.diag.setLogger(complaints(), api.DiagLogLevel.WARN);
  const provider = new sdk.TracerProvider({
    sampler: samplerOf(sdk, env),
    resource: resources
      .resourceFromAttributes({
        'service.name': packageJson.name,
        'service.version': packageJson.version,
        'service.instance.id': process,
      })
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new OTLPTraceExporter(),
        scheduledDelayMillis: numberOf(env.OTEL_BSP_SCHEDULE_DELAY),
        maxQueueSize: numberOf(env.OTEL_BSP_MAX_QUEUE_SIZE),
        maxExportBatchSize: numberOf(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE),
        exportTimeoutMillis: numberOf(env.OTEL_BSP_EXPORT_TIMEOUT),
      }),
    ],
  });
  const tracer = provider.getTracer(packageJson.name, packageJson.version);
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } = api;
  const kinds = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };
  makeSpans((name, kind, parent, attributes): Span | undefined => {
    const beneath =
      parent === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: parent.traceId,
            spanId: parent.spanId,
            traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
            isRemote: true,
          });
    const span = tracer.startSpan(name, { kind: kinds[kind], attributes }, beneath);
    if (!span.isRecording()) return undefined;
    const { traceId, spanId } = span.spanContext();
    return {
      traceId,
      spanId,
      sampled: true,
      event: (event) => void span.addEvent(event),
      end(more, failed) {
        if (more !== undefined) span.setAttributes(more);
        if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  });
  return () =>
    resultWithin(
      systemClock,
      LAST_SPANS_MS,
      provider.shutdown().catch(() => {}),
    );
}

function isWanted(env: Env): boolean {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none')
    return false;
  return Boolean(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);
}

/** By the names of OTEL_TRACES_SAMPLER; without one, what the caller has decided, and everything that has no caller. */
function samplerOf(sdk: typeof import('@opentelemetry/sdk-trace'), env: Env): Sampler {
  const always = new sdk.AlwaysOnSampler();
  const never = new sdk.AlwaysOffSampler();
  const some = new sdk.TraceIdRatioBasedSampler(numberOf(env.OTEL_TRACES_SAMPLER_ARG) ?? 1);
  const samplers: Record<string, Sampler> = {
    always_on: always,
    always_off: never,
    traceidratio: some,
    parentbased_always_on: new sdk.ParentBasedSampler({ root: always }),
    parentbased_always_off: new sdk.ParentBasedSampler({ root: never }),
    parentbased_traceidratio: new sdk.ParentBasedSampler({ root: some }),
  };
  const wanted = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on';
  const sampler = samplers[wanted];
  if (sampler === undefined)
    log.warn('traces.unknown-sampler', { sampler: wanted, allowed: Object.keys(samplers) });
  return sampler ?? samplers.parentbased_always_on;
}

function numberOf(text: string | undefined): number | undefined {
  const number = Number(text || undefined);
  return number >= 0 ? number : undefined;
}

function complaints() {
  let quietUntil = 0;
  const complain = (reason: string): void => {
    const now = systemClock.now();
    if (now < quietUntil) return;
    quietUntil = now + COMPLAIN_EVERY_MS;
    log.warn('traces.not-exported', { reason });
  };
  const ignore = (): void => {};
  return { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore };
}
