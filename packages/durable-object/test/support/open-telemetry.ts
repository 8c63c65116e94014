/** A real OpenTelemetry SDK that keeps what it gets in memory, for one test. */

import { context, SpanStatusCode, trace, type SpanKind } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  AlwaysOnSampler,
  SimpleSpanProcessor,
  TracerProvider,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace";
import { onTestFinished } from "vitest";
import { openTelemetry } from "../../src/otel/index.ts";
import type { Instrumentation } from "../../src/ports/instrumentation.ts";

/** What a span says, as far as tests ask for it. */
export interface SeenSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | null;
  readonly links: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly error: string | null;
  /** What was thrown in it. */
  readonly exceptions: readonly string[];
}

/** The SDK and the bridge to it. */
export interface Telemetry {
  readonly instrumentation: Instrumentation;
  readonly tracer: ReturnType<TracerProvider["getTracer"]>;
  readonly meterProvider: MeterProvider;
  /** The spans that have ended, in the order in which they ended. */
  spans(): readonly SeenSpan[];
  /** The points of a metric: attributes with a sum, or a count. */
  points(
    name: string,
  ): Promise<readonly { readonly attributes: Readonly<Record<string, unknown>>; readonly value: number }[]>;
}

/** Sets the SDK up, until the test is over. */
export function startTelemetry(): Telemetry {
  const manager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(manager);
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  onTestFinished(async () => {
    context.disable();
    await tracerProvider.shutdown();
    await meterProvider.shutdown();
  });
  return {
    instrumentation: openTelemetry({ tracerProvider, meterProvider }),
    tracer: tracerProvider.getTracer("test"),
    meterProvider,
    spans: () => exporter.getFinishedSpans().map(seen),
    async points(name) {
      await meterProvider.forceFlush();
      const metrics =
        metricExporter
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
      const found = metrics.find(({ descriptor }) => descriptor.name === name);
      return (found?.dataPoints ?? []).map(({ attributes, value }) => ({
        attributes,
        value: typeof value === "number" ? value : (value as { readonly count: number }).count,
      }));
    },
  };
}

function seen(span: ReadableSpan): SeenSpan {
  const { name, kind, parentSpanContext, links, attributes, status, events } = span;
  const { traceId, spanId } = span.spanContext();
  return {
    name,
    kind,
    traceId,
    spanId,
    parent: parentSpanContext?.spanId ?? null,
    links: links.map((link) => link.context.spanId),
    attributes,
    error: status.code === SpanStatusCode.ERROR ? (status.message ?? "") : null,
    exceptions: events.map((event) => String(event.attributes?.["exception.message"])),
  };
}

/** The span that runs now. */
export function activeSpanId(): string | null {
  return trace.getActiveSpan()?.spanContext().spanId ?? null;
}
